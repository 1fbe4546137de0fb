"""The grid of a sweep: every combination in order, all checked, each named by what varies."""

import pytest

from clnorm.errors import SeveralMistakesError, UserError
from clnorm.launch.grid import name_cells, read_sweep


def write(tmp_path, text):
    file = tmp_path / "grid.yaml"
    file.write_text(text)
    return file


def test_the_grid_is_every_combination_last_key_fastest(tmp_path):
    file = write(tmp_path, "config: {train: {epochs: 3}}\ngrid: {norm: [bn, cn], seed: [0, 1]}\n")
    configs = read_sweep(file, {"train.lr": "0.5"})
    assert [(c.norm.name, c.seed) for c in configs] == [("bn", 0), ("bn", 1), ("cn", 0), ("cn", 1)]
    assert {(c.train.epochs, c.train.lr) for c in configs} == {(3, 0.5)}


def test_several_grids_follow_one_another(tmp_path):
    text = "grid:\n- {norm: [bn, cn], train.lr: [0.5]}\n- {norm: [ln], train.lr: [0.25], seed: [0, 1]}\n"
    configs = read_sweep(write(tmp_path, text), {})
    assert [(c.norm.name, c.train.lr, c.seed) for c in configs] == [
        *(("bn", 0.5, 0), ("cn", 0.5, 0)),
        *(("ln", 0.25, 0), ("ln", 0.25, 1)),
    ]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("norms: [bn]", "unknown key 'norms'"),
        ("config: {}", "needs lists of values under `grid`"),
        ("grid: {norm: bn}", "not a list of values; legal: a list, not empty, such as"),
        ("grid: {norm: []}", "not a list of values"),
        ("grid: []", "needs lists of values under `grid`"),
        ("grid: [{norm: [bn]}, {norm: cn}]", r"grid\.1\.norm: 'cn' is not a list of values"),
        ("grid: [{norm: [bn]}, cn]", r"needs lists of values under `grid\.1`"),
        ("grid: [{norm: [bn]}, {norm: [bn, cm]}]", "did you mean 'cn'"),
        ("grid: {norm: [bn, cm]}", "did you mean 'cn'"),
        ("grid: {nrm: [bn]}", "did you mean 'norm'"),
        ("norm: bn\ntrain: {epochs: 3}", "write clnorm run --config"),
        ("config: 3\ngrid: {norm: [bn]}", "not a mapping"),
        (
            "grid: {norm: [bn]}\nsearch: {train.lr: [1, 2]}",
            "holds a search of hyper-parameters; write clnorm tune --search",
        ),
    ],
)
def test_bad_sweeps_are_refused_before_the_first_run(tmp_path, text, word):
    with pytest.raises(UserError, match=word):
        read_sweep(write(tmp_path, text), {})


def test_all_that_is_wrong_in_a_sweep_is_said_at_once(tmp_path):
    text = (
        "config: {train: {ephocs: 3}}\ngrids: 1\n"
        "grid: {norm: bn, seed: [0, -1], strategy: [naive, relpay], data.jitter: [true]}\n"
    )
    with pytest.raises(SeveralMistakesError) as caught:
        read_sweep(write(tmp_path, text), {"seed": 3})
    for word in (
        "unknown key 'grids'; did you mean 'grid'?",
        "grid.norm: 'bn' is not a list",
        "'seed' is varied by the grid",
        "unknown key 'train.ephocs'; did you mean 'train.epochs'?",
        "unknown strategy 'relpay'; did you mean 'replay'?",
    ):
        assert word in str(caught.value)
    assert len(caught.value.errors) == 5


def test_a_grid_is_bounded_before_it_is_made(tmp_path):
    keys = "".join(f"  k{index}: [{', '.join('0123456789')}]\n" for index in range(12))
    with pytest.raises(UserError, match="grid: makes 1,000,000,000,000 runs; legal: at most 10,000"):
        read_sweep(write(tmp_path, f"grid:\n{keys}"), {})


def test_what_the_grid_varies_cannot_be_set(tmp_path):
    with pytest.raises(UserError, match="varied by the grid"):
        read_sweep(write(tmp_path, "grid: {norm: [bn]}"), {"norm": "cn"})


def test_cells_are_named_by_what_varies(tmp_path):
    file = write(tmp_path, "grid: {train.epochs: [1, 2], norm: [bn, 'cn:groups=8'], train.compile: [true, false]}\n")
    names = name_cells(read_sweep(file, {"seed": "4"}))
    assert names[0] == "norm=bn train.epochs=1 train.compile=true"
    assert names[-1] == "norm=cn:groups=8 train.epochs=2 train.compile=false"
    assert name_cells(read_sweep(write(tmp_path, "grid: {norm: [bn]}"), {})) == ["norm=bn strategy=naive seed=0"]
