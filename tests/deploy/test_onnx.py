"""Exporting a run's model to ONNX, which ONNX Runtime computes as torch does."""

import json
import sys

import numpy as np
import pytest

import clnorm
from clnorm.cli.main import main
from clnorm.deploy.export import export_model
from clnorm.errors import ClnormError
from clnorm.models.lsvit import VideoViT


def shallow(num_classes, image_size, num_frames, variant: str = "lsvit", smif: str = "pixels"):
    """A plug-in backbone: all that lsvit_nano has, at less depth, since ONNX's exporter takes its time."""
    sizes = {
        "width": 96,
        "depth": 1,
        "heads": 3,
        "patch_size": 8,
        "drop_path": 0.0,
        "drop_path_per": "clip",
        "ffn_bn": True,
        "smif": smif,
    }
    return VideoViT(
        variant, num_classes=num_classes, image_size=image_size, num_frames=num_frames, dropout=0.0, **sizes
    )


def test_onnx_without_the_extra_says_how_to_install_it(run, monkeypatch):
    monkeypatch.setattr("clnorm.deploy.onnx._PACKAGES", ("onnx", "no_such_package"))
    with pytest.raises(ClnormError, match=r"ONNX needs no_such_package; pip install 'clnorm\[onnx\]'"):
        export_model(run, format="onnx")


def test_a_model_that_onnx_cannot_express_is_one_error(run, monkeypatch, capsys):
    def broken(*_, **__):
        sys.stdout.write("an exporter talks")
        raise RuntimeError("no such operator\nmore lines")

    monkeypatch.setattr("torch.export.export", broken)
    assert main(["export", str(run), "--format", "onnx"]) == 1
    said = "error: onnx: torch cannot export this model: RuntimeError: no such operator\n"
    assert capsys.readouterr() == ("", said)
    assert sorted(path.name for path in run.iterdir()) == ["model.safetensors", "record.json"]


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["lsvit", "lsvit_signed,smif=frames"])
def test_onnx_runtime_computes_the_same(tiny, tmp_path, variant, capsys, write_run, draw):
    import onnx
    import onnxruntime

    run = write_run(tmp_path / "run", tiny(norm="cn", backbone=f"{__name__}:shallow:variant={variant}"))
    out, allowed = str(tmp_path / "m.onnx"), f"{__name__}:shallow"
    assert main(["export", str(run), "--format", "onnx", "--out", out, "--allow-plugin", allowed]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"wrote {tmp_path / 'm.onnx'} (onnx, ")
    assert captured.out.count("\n") == 4
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    model = clnorm.load_model(run, allow_plugins=[allowed]).model
    for batch in (1, 3):
        clips = draw(batch, 4, 3, 16, 16, seed=batch)
        (logits,) = session.run(None, {"clips": clips.numpy()})
        expected = model(clips).detach().numpy()
        assert np.abs(logits - expected).max() <= 1e-4 * np.abs(expected).max()
    stated = {item.key: item.value for item in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert json.loads(stated["classes"]) == ["wave", "run", "sit", "[red]jump"]
    assert "(batch, 4, 3, 16, 16), RGB, pixel value / 127.5 - 1" in stated["input"]
    assert session.get_inputs()[0].shape == ["batch", 4, 3, 16, 16]
