"""What a search finds, what it writes, and that it goes on where it was stopped."""

import math
import re

import pandas as pd
import pytest

import clnorm
from clnorm.cli.main import main
from clnorm.config.tuned import read_tuning
from clnorm.errors import ClnormError
from clnorm.tuning.axis import draw_points
from clnorm.tuning.search import list_trials
from clnorm.tuning.search_file import read_search
from clnorm.tuning.tune import tune

pytestmark = pytest.mark.slow
AT = {"bn": -3.5, "cn": -2.5}  # the best learning rate's power of ten


def hill(config):
    return 1 - abs(math.log10(config.train.lr) - AT[config.norm.name]) / 4


@pytest.fixture
def run_search(write_search, sizes):
    """Runs a search of the file with `changes`; gives it, its points and what was found."""

    def run(**changes):
        search = read_search(write_search(**changes), sizes)
        points = draw_points(search.axes, search.trials, seed=search.sampler_seed)
        return search, points, tune(search, list_trials(search, points), retries=0)

    return run


def test_each_cell_gets_its_best_trial_and_all_are_logged(run_search, score, tmp_path):
    score(hill)
    _, points, tuning = run_search(trials=8)
    for cell in tuning.cells:
        best = min(range(8), key=lambda index: abs(math.log10(points[index]["train.lr"]) - AT[cell["norm"]]))
        assert (cell["trial"], cell["values"]["train.lr"]) == (best, points[best]["train.lr"])
        assert cell["values"].get("ewc.lam") == (points[best]["ewc.lam"] if cell["strategy"] == "ewc" else None)
        assert cell["failed"] == 0
    assert [(cell["norm"], cell["strategy"]) for cell in tuning.cells] == [
        ("bn", "naive"),
        ("bn", "ewc"),
        ("cn", "naive"),
        ("cn", "ewc"),
    ]
    assert tuning == read_tuning(tmp_path / "tune/tuned.yaml")
    assert (tuning.trials, tuning.experiences, tuning.validation, tuning.seeds) == (8, 2, 0.2, [0])
    log = pd.read_csv(tmp_path / "tune/trials.csv")
    assert len(log) == 2 * 2 * 8
    assert log["what"].isna().all()
    assert log["accuracy"].tolist() == pytest.approx(
        [1 - abs(math.log10(lr) - AT[norm]) / 4 for lr, norm in zip(log["train.lr"], log["norm"], strict=True)]
    )


def test_given_again_it_repeats_nothing_and_more_trials_add_to_it(run_search, score, tmp_path):
    done = score(hill)
    _, _, first = run_search(trials=2)
    content = (tmp_path / "tune/tuned.yaml").read_bytes()
    assert len(done) == 8
    run_search(trials=2)
    assert len(done) == 8
    assert (tmp_path / "tune/tuned.yaml").read_bytes() == content
    _, _, more = run_search(trials=3)
    assert len(done) == 12
    assert more.digest != first.digest


def test_a_failed_trial_is_never_the_best_and_stands_in_the_log(run_search, score, tmp_path):
    score(lambda config: None if config.train.lr > 1e-3 else hill(config))
    _, points, tuning = run_search(trials=4)
    high = sum(point["train.lr"] > 1e-3 for point in points)
    assert 0 < high < 4
    assert all(cell["failed"] == high and cell["values"]["train.lr"] <= 1e-3 for cell in tuning.cells)
    log = pd.read_csv(tmp_path / "tune/trials.csv")
    assert (log["what"].dropna() == "the loss is nan").all()
    assert log["what"].notna().sum() == 4 * high == log["accuracy"].isna().sum()


def test_a_cell_without_any_value_is_an_error_and_nothing_is_written(run_search, score, tmp_path):
    score(lambda config: None if config.norm.name == "cn" else 0.5)
    with pytest.raises(ClnormError, match=r"no trial has a value for cn with naive \(the loss is nan\); cn with ewc"):
        run_search(trials=2)
    assert not (tmp_path / "tune/tuned.yaml").exists()
    assert len(pd.read_csv(tmp_path / "tune/trials.csv")) == 8


def test_a_metric_that_is_undefined_counts_as_no_value(run_search, score):
    score(lambda config: 0.5, metrics=lambda config: {"forgetting": None})
    with pytest.raises(ClnormError, match=r"no trial has a value for bn with naive \(forgetting is undefined\)"):
        run_search(trials=2, metric="forgetting")


def test_less_is_better_where_the_metric_says_so(run_search, score):
    changes = {"search": {"train.lr": [1e-4, 1e-3]}, "grid": {"norm": ["bn"]}, "trials": 4}
    score(lambda config: config.train.lr)
    assert run_search(**changes)[2].cells[0]["values"] == {"train.lr": 1e-3}
    loss = {"metric": "forgetting", "sampler_seed": 1}
    score(lambda config: 0.5, metrics=lambda config: {"forgetting": config.train.lr})
    assert run_search(**changes, **loss, seeds=[1])[2].cells[0]["values"] == {"train.lr": 1e-4}


def test_the_value_is_the_mean_over_seeds_and_all_of_them_are_needed(run_search, score):
    values = {(1e-4, 0): 0.9, (1e-4, 1): 0.1, (1e-3, 0): 0.6, (1e-3, 1): 0.6, (1e-2, 0): 1.0, (1e-2, 1): None}
    score(lambda config: values[config.train.lr, config.seed])
    changes = {"search": {"train.lr": [1e-4, 1e-3, 1e-2]}, "grid": {"norm": ["bn"]}, "seeds": [0, 1], "trials": 8}
    (cell,) = run_search(**changes)[2].cells
    assert (cell["values"], cell["value"]) == ({"train.lr": 1e-3}, 0.6)


def test_a_best_value_at_the_edge_of_what_was_tried_is_named(run_search, score):
    score(lambda config: config.train.lr)
    _, _, tuning = run_search(trials=4)
    assert [cell["edges"].get("train.lr") for cell in tuning.cells] == ["highest"] * 4
    score(hill)
    _, _, tuning = run_search(trials=4, search={"train.lr": {"low": 1e-5, "high": 1.0, "log": True}})
    assert [cell["edges"] for cell in tuning.cells] == [{}] * 4


def test_from_a_search_to_a_table(write_search, sizes, tmp_path, capsys):
    given = [word for key, value in sizes.items() for word in ("--set", f"{key}={value}")]
    file = write_search(trials=2, grid={"norm": ["bn"], "strategy": ["naive", "ewc"]}, config={"train": {"epochs": 1}})
    out = ["--out", str(tmp_path / "tune")]
    assert main(["tune", "--search", str(file), *given, *out, "--dry-run"]) == 0
    assert "strategy=ewc:lam=" in capsys.readouterr().out
    assert main(["tune", "--search", str(file), *given, *out, "--launcher", "local:processes=1"]) == 0
    assert "clnorm sweep GRID.yaml --tuned" in capsys.readouterr().out
    tuned, grid = tmp_path / "tune/tuned.yaml", tmp_path / "grid.yaml"
    grid.write_text("grid: {norm: [bn], strategy: [naive, ewc]}\nconfig: {train: {epochs: 2}}\n")
    sweep = ["sweep", str(grid), *given, "--launcher", "local:processes=1", "--tuned", str(tuned)]
    assert main([*sweep, "--out", str(tmp_path / "runs")]) == 0
    capsys.readouterr()
    results = clnorm.load_results(tmp_path / "runs", columns=["config"])
    assert set(results["strategy"]) == {"naive", "ewc"}
    assert set(results["train.lr"]) == {cell["values"]["train.lr"] for cell in read_tuning(tuned).cells}
    caption = " ".join(clnorm.make_table(results).split())
    assert "learning rate tuned" in caption
    assert (
        "Tuned on the first 2 experiences, the same 2 trials for each norm and strategy, by ACC on 20 % of" in caption
    )
    assert "with train.epochs 1 (" in caption
    assert re.search(r"\): learning rate and ewc.lam\. ewc: .*lam tuned", caption)
