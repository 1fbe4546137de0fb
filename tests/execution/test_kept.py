"""Outputs of frozen blocks, kept: the numbers that computing them gives, once for runs alike, and else refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from clnorm.errors import ClnormError, UserError
from clnorm.execution import kept
from clnorm.execution.execution import Execution
from clnorm.execution.inputs import pixels_to_input
from clnorm.execution.kept import keep_frozen
from clnorm.experiment import run
from clnorm.norms.context import in_evaluation
from clnorm.training.batch import BatchMaker
from clnorm.training.fit import build_strategy

_RUNS = [("ln", "icarl:per_class=2"), ("bn", "derpp:per_class=2"), ("gn", "ewc")]
FROZEN = {"backbone": "lsvit_nano", "train__freeze_blocks": 2, "train__keep_frozen": True}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """A place of its own for what is kept; the decoded clips are those of all tests."""
    monkeypatch.setattr(kept, "cache_dir", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "frozen"


def keep(setup):
    parts = {"execution": setup.execution, "device": setup.device, "reporter": setup.reporter}
    return keep_frozen(setup.store, setup.model, setup.config, **parts)


@pytest.mark.parametrize("backbone", ["vit_nano", "lsvit_nano", "lsvit_signed_nano", "lsvit_signed_nano:smif=frames"])
def test_a_model_makes_of_kept_outputs_what_it_makes_of_the_clips(build_setup, backbone):
    setup = build_setup(**{**FROZEN, "backbone": backbone})
    torch.nn.init.normal_(setup.model.head.weight)
    ids = np.array([3, 0, 5])
    tokens = keep(setup).gather(ids)
    pixels = setup.store.gather(ids).float() * 2 / 255 - 1
    with in_evaluation(setup.model), torch.no_grad():
        torch.testing.assert_close(setup.model(tokens), setup.model(pixels), rtol=1e-4, atol=1e-5)
        assert tokens.dtype == torch.float32
        assert tokens.shape == (3, 4, 1 + 4, 96)


@pytest.mark.slow
@pytest.mark.parametrize(("norm", "strategy"), _RUNS)
def test_a_run_predicts_the_same_with_outputs_kept(tiny, norm, strategy):
    shared = {"norm": norm, "strategy": strategy, "train__freeze_blocks": 2, "model__swap": "trained"}
    records = [run(tiny(**shared, train__keep_frozen=keep)) for keep in (False, True)]
    assert records[0].matrix == records[1].matrix
    assert records[0].run != records[1].run
    assert records[0].swap == records[1].swap
    frames = [pd.read_parquet(folder / "predictions.parquet") for folder in folders_of(records, tiny)]
    pd.testing.assert_frame_equal(frames[0], frames[1], rtol=1e-4)


def folders_of(records, tiny):
    return [Path(tiny().out) / record.run for record in records]


def test_they_are_computed_once_for_runs_that_begin_alike(build_setup, own_cache, monkeypatch):
    first = keep(build_setup(**FROZEN))
    (folder,) = [path for path in own_cache.iterdir() if path.is_dir()]
    with monkeypatch.context() as patch:
        patch.setattr(kept, "_compute", None)
        again = keep(build_setup(**FROZEN, strategy="ewc", norm="ln"))
    assert torch.equal(first.gather([0, 1]), again.gather([0, 1]))
    assert [path for path in own_cache.iterdir() if path.is_dir()] == [folder]


@pytest.mark.parametrize(
    "other", [{"train__freeze_blocks": 1}, {"norm": "gn"}, {"train__attention": "explicit"}, {"data__image_size": 24}]
)
def test_what_changes_them_is_kept_apart(build_setup, own_cache, other):
    keep(build_setup(**FROZEN))
    attention = other.get("train__attention", "fused")
    keep(build_setup(**{**FROZEN, **other}, execution=Execution(attention=attention)))
    assert len([path for path in own_cache.iterdir() if path.is_dir()]) == 2


def test_other_weights_are_kept_apart(build_setup, own_cache):
    setup = build_setup(**FROZEN)
    keep(setup)
    for name in ("cls_token", "blocks.1.mlp.fc1.weight"):
        with torch.no_grad():
            setup.model.get_parameter(name).add_(0.5)
        keep(setup)
    with torch.no_grad():
        setup.model.get_parameter("blocks.2.mlp.fc1.weight").add_(0.5)  # which is not frozen
    keep(setup)
    assert len([path for path in own_cache.iterdir() if path.is_dir()]) == 3


def test_with_the_backbones_own_norms_they_serve_every_norm(build_setup, own_cache):
    for norm in ("bn", "cn"):
        keep(build_setup(**FROZEN, norm=norm, model__swap="trained"))
    assert len([path for path in own_cache.iterdir() if path.is_dir()]) == 1


def test_damage_is_found(build_setup, own_cache):
    setup = build_setup(**FROZEN)
    keep(setup)
    (folder,) = [path for path in own_cache.iterdir() if path.is_dir()]
    outputs = np.load(folder / "outputs.npy", mmap_mode="r+")
    outputs[3, 0, 0, 0] += 1
    outputs.flush()
    store = keep(setup)
    store.gather([0])
    with pytest.raises(ClnormError, match="clip 3 has another checksum"):
        store.gather([3])
    (folder / "outputs.npy").write_bytes(b"")
    with pytest.raises(ClnormError, match=r"is damaged: .*; delete it, and it is computed anew"):
        keep(setup)


def test_what_was_begun_and_killed_is_done_anew(build_setup, own_cache):
    setup = build_setup(**FROZEN)
    keep(setup)
    (folder,) = [path for path in own_cache.iterdir() if path.is_dir()]
    folder.rename(folder.with_name(f"{folder.name}.part"))
    (folder.with_name(f"{folder.name}.part") / "outputs.npy").write_bytes(b"half")
    assert keep(setup).gather([0]).isfinite().all()
    assert sorted(path.name for path in own_cache.iterdir() if path.is_dir()) == [folder.name]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data__augment": "light"}, "a clip looks otherwise each time that it is shown, by data.augment=light"),
        ({"data__mix": "videomix"}, "by data.mix=videomix"),
        ({"data__keep": "2T", "data__jitter": True}, "by data.jitter=true"),
        ({"eval__views": 2, "data__keep": "2T"}, "by eval.views=2"),
        ({"norm": "bn"}, "in frozen blocks, which has running statistics or is told of each batch.*model.swap=trained"),
        ({"backbone": "timm:vit_tiny_patch16_224"}, "has no method forward_first"),
    ],
)
def test_what_would_not_be_the_same_each_time_is_refused(build_setup, changes, said):
    with pytest.raises(UserError, match=f"train.keep_frozen: .*{said}"):
        build_strategy(build_setup(**{**FROZEN, **changes}))


def test_mixup_is_of_what_is_kept(build_setup):
    """A step mixes the outputs of frozen blocks, not the pixels that they are made of."""
    setup = build_setup(**{**FROZEN, "data__mix": "mixup"})
    build_strategy(setup)
    pixels, store = setup.store.gather([0, 1]), keep(setup)
    outputs = store.gather([0, 1])
    batch = BatchMaker(replace(setup, store=store)).make(
        torch.tensor([0, 1]),
        outputs,
        tasks=torch.zeros(len(store), dtype=torch.int64),
        recalled=0,
        seen=2,
        augmentation=torch.Generator(),
        mixing=np.random.default_rng(0),
    )
    share = batch.own_share
    assert 0.5 <= share < 1
    torch.testing.assert_close(batch.clips, share * outputs + (1 - share) * outputs.flip(0))
    of_pixels = pixels_to_input(torch.as_tensor(pixels))
    blocks = setup.model.forward_first(torch.lerp(of_pixels.flip(0), of_pixels, share), count=2)
    assert not torch.allclose(blocks, batch.clips, atol=1e-3)


@pytest.mark.parametrize("key", ["train__keep_frozen", "model__swap"])
def test_they_are_refused_where_no_block_is_frozen(tiny, key):
    with pytest.raises(UserError, match=r"it does nothing with train\.freeze_blocks=0; set train\.freeze_blocks"):
        tiny(**{key: "trained" if key == "model__swap" else True})
