"""The README's norm, and the public names."""

import tomllib

import pytest
import torch

import clnorm
from clnorm.catalogue import NORMS


@pytest.fixture
def folder(tmp_path, monkeypatch, norm_source):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mynorm.py").write_text(norm_source)
    return tmp_path


@pytest.fixture
def norm_source(pages, blocks):
    """The text of `mynorm.py`."""
    (block,) = [block for block in blocks(pages["README.md"]) if block.file == "mynorm.py"]
    return block.text


@pytest.fixture
def norms(monkeypatch):
    """The registry of norms, restored afterwards."""
    monkeypatch.setattr(NORMS, "_entries", dict(NORMS._entries))


@pytest.mark.slow
def test_the_norm_is_short_and_does_what_it_says(tiny, folder, norm_source):
    assert len(norm_source.splitlines()) <= 17
    x = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0))
    y = clnorm.build_norm("mynorm:MyNorm:eps=0", 8)(x)
    for sample, normed in zip(x, y, strict=True):
        centred = sample - sample.median()
        torch.testing.assert_close(normed, centred / centred.abs().mean())
    record = clnorm.run(tiny(norm="mynorm:MyNorm:eps=0.01,axis=clip", train__epochs=1))
    assert record.names["norm"] == "mynorm:MyNorm:eps=0.01,axis=clip"
    assert record.swap["replaced"] == 13


def test_the_norm_plugs_in_by_decorator(pages, folder, norms, norm_source):
    decorated = "import clnorm\n" + norm_source.replace("class My", '@clnorm.register_norm("median")\nclass My')
    assert '`@clnorm.register_norm("median")`' in pages["docs/extend/index.md"]
    exec(compile(decorated, "mynorm.py", "exec"), {})
    assert type(clnorm.build_norm("median:eps=0.1", 8)).__name__ == "MyNorm"


def test_the_norm_plugs_in_by_entry_point(pages, blocks, folder, monkeypatch):
    (block,) = [block for block in blocks(pages["docs/extend/index.md"]) if block.language == "toml"]
    ((group, points),) = tomllib.loads(block.text)["project"]["entry-points"].items()
    lines = [f"[{group}]", *(f"{name} = {target}" for name, target in points.items())]
    (folder / "medians-1.0.dist-info").mkdir()
    (folder / "medians-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: medians\nVersion: 1.0\n")
    (folder / "medians-1.0.dist-info/entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(folder)
    assert type(clnorm.build_norm("median:eps=0.1", 8)).__name__ == "MyNorm"


def test_every_public_name_is_there():
    for name in clnorm.__all__:
        assert getattr(clnorm, name) is not None
    assert isinstance(clnorm.build_norm("cn:groups=32,axis=frame", 64)(torch.randn(2, 5, 64)), torch.Tensor)
    with pytest.raises(AttributeError, match="no attribute 'sweeep'"):
        clnorm.sweeep  # noqa: B018
