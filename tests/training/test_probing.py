"""Plasticity beside a run: the run is the same to the bit, and so are the measures of one that was stopped."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import clnorm
from clnorm.errors import ClnormError
from clnorm.plasticity.measures import drift
from clnorm.results.folder import RunFolder
from clnorm.training.probing import keep_plasticity, probe_ids
from tests.training.states.test_stopping import run_stopped
from tests.training.strategies import create

OPTIONS = {"norm": "cn", "strategy": "replay:per_class=2", "train__epochs": 1}
KEPT = ("predictions.parquet", "matrix.csv", "model.safetensors")


def folder_of(config, record):
    return Path(config.out) / record.run


def read(config, record):
    return pd.read_parquet(folder_of(config, record) / "plasticity.parquet")


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        OPTIONS,
        {"norm": "bn:eval=batch", "train__ema": 0.9, "train__epochs": 1},
        {"norm": "bn_task", "strategy": "ewc:lam=10", "train__epochs": 1, "train__imbalance": "ldam"},
        {"norm": "ln", "strategy": "joint", "train__loss": "all", "train__freeze_blocks": 2, "train__epochs": 1},
    ],
    ids=["replay", "transductive", "oracle", "joint"],
)
def test_a_run_is_the_same_with_and_without(tiny, options):
    plain, measured = tiny(**options), tiny(**options, eval__plasticity=True)
    records = clnorm.run(plain), clnorm.run(measured)
    assert records[0].run != records[1].run
    assert records[0].setting == records[1].setting
    folders = [folder_of(*pair) for pair in zip((plain, measured), records, strict=True)]
    for name in KEPT:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
    assert not (folders[0] / "plasticity.parquet").exists()
    steps = len(records[1].matrix)
    found = read(measured, records[1])
    assert list(found["after"].unique()) == list(range(steps))
    assert len(found) == 13 * steps
    assert found["drift_probe"].isna().sum() == 13
    assert found["drift_running"].notna().sum() == (0 if options["norm"] == "ln" else 13)
    assert np.isfinite(found.select_dtypes("number").drop(columns=["drift_probe", "drift_running"])).all(axis=None)


@pytest.mark.slow
def test_a_run_that_was_stopped_keeps_the_same_measures(tiny, tmp_path, monkeypatch):
    options = {**OPTIONS, "eval__plasticity": True}
    whole, config = tiny(**options, out=str(tmp_path / "whole")), tiny(**options)
    expected = read(whole, clnorm.run(whole))
    run_stopped(config, monkeypatch, steps=3)
    found = read(config, clnorm.run(config))
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


@pytest.mark.slow
def test_a_branch_has_the_measures_of_what_it_trains(tiny, tmp_path):
    options = {**OPTIONS, "train__epochs": 1, "eval__plasticity": True}
    whole = tiny(**options, save__experiences=True)
    record = clnorm.run(whole)
    branch = tiny(**options, begin__run=str(folder_of(whole, record)), begin__experience=2, out=str(tmp_path / "b"))
    found, expected = read(branch, clnorm.run(branch)), read(whole, record)
    assert list(found["after"].unique()) == [1]
    assert found["drift_probe"].isna().all()
    same = [name for name in found if not name.startswith("drift")]
    later = expected[expected["after"] == 1].reset_index(drop=True)
    pd.testing.assert_frame_equal(found[same], later[same], check_exact=True)


@pytest.fixture
def measured(build_setup, tmp_path):
    """A strategy that has trained its first experience, and the folder with what was measured then."""
    built = create(build_setup(norm="bn", train__epochs=1, train__lr=0.1))
    built.train_experience(0)
    folder = RunFolder(tmp_path)
    (tmp_path / "predictions").mkdir()
    keep_plasticity(built, folder, 0)
    return built, folder


@pytest.mark.slow
def test_drift_is_between_two_experiences(measured):
    built, folder = measured
    norm = built.model.blocks[0].norm2.norm
    before = norm.running_mean.clone(), norm.running_var.clone()
    built.train_experience(1)
    keep_plasticity(built, folder, 1)
    found = folder.load_plasticity(1).set_index("site")
    after = norm.running_mean, norm.running_var
    assert found.loc["blocks.0.norm2", "drift_running"] == pytest.approx(drift(before, after))
    rate = found.loc["blocks.0.norm2", "effective_rate"] * found.loc["blocks.0.norm2", "weight_norm"]
    assert rate == pytest.approx(0.1)


@pytest.mark.slow
def test_the_measures_before_are_needed(measured):
    built, folder = measured
    built.train_experience(1)
    (folder.path / "predictions/plasticity_0.parquet").unlink()
    with pytest.raises(ClnormError, match=r"plasticity_0\.parquet: cannot be read"):
        keep_plasticity(built, folder, 1)


@pytest.mark.slow
def test_the_fixed_batch_is_of_the_first_experience_and_of_the_seed_alone(build_setup):
    first, again, other = (
        create(build_setup(seed=seed, norm=norm)) for seed, norm in ((0, "ln"), (0, "bn"), (1, "ln"))
    )
    ids = probe_ids(first)
    assert len(ids) == 8
    assert set(ids) <= set(first.training_stream.experiences[0].train_ids)
    assert np.array_equal(ids, probe_ids(again))
    assert not np.array_equal(ids, probe_ids(other))


@pytest.mark.slow
def test_drift_does_not_go_by_how_many_tasks_a_norm_has_room_for(tiny):
    found = []
    for tasks in (2, 32):
        norm = {"norm": f"bn_task:tasks={tasks}", "strategy": "replay:per_class=2", "train__epochs": 1}
        config = tiny(**norm, eval__plasticity=True, keep_model=False)
        found.append(read(config, clnorm.run(config))["drift_running"].to_numpy())
    assert np.isfinite(found[0]).sum() == 13
    np.testing.assert_array_equal(*found)
