"""Sweeps: the grid in order, everything checked before anything runs, finished runs skipped."""

import pytest

import clnorm
from clnorm.errors import UserError
from clnorm.launch.sweep import read_sweep


def write(tmp_path, text):
    file = tmp_path / "grid.yaml"
    file.write_text(text)
    return file


def test_the_grid_is_every_combination_last_key_fastest(tmp_path):
    file = write(tmp_path, "config: {train: {epochs: 3}}\ngrid: {norm: [bn, cn], seed: [0, 1]}\n")
    configs = read_sweep(file, {"train.lr": "0.5"})
    assert [(c.norm.name, c.seed) for c in configs] == [("bn", 0), ("bn", 1), ("cn", 0), ("cn", 1)]
    assert {(c.train.epochs, c.train.lr) for c in configs} == {(3, 0.5)}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("norms: [bn]", "unknown key 'norms'"),
        ("config: {}", "needs lists of values under `grid`"),
        ("grid: {norm: bn}", "not a list of values"),
        ("grid: {norm: []}", "not a list of values"),
        ("grid: {norm: [bn, cm]}", "did you mean 'cn'"),
        ("grid: {nrm: [bn]}", "did you mean 'norm'"),
        ("config: 3\ngrid: {norm: [bn]}", "not a mapping"),
    ],
)
def test_bad_sweeps_are_refused_before_the_first_run(tmp_path, text, word):
    with pytest.raises(UserError, match=word):
        read_sweep(write(tmp_path, text), {})


def test_what_the_grid_varies_cannot_be_set(tmp_path):
    with pytest.raises(UserError, match="varied by the grid"):
        read_sweep(write(tmp_path, "grid: {norm: [bn]}"), {"norm": "cn"})


@pytest.mark.slow
def test_a_sweep_runs_all_and_a_second_one_loads(tiny):
    configs = [tiny(norm=norm, train__epochs=1) for norm in ("bn", "cn")]
    first = clnorm.sweep(configs)
    assert clnorm.sweep(configs) == first
    results = clnorm.load_results(configs[0].out)
    assert sorted(results["norm"].unique()) == ["bn", "cn"]
    assert set(results["status"]) == {"finished"}
