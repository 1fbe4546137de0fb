"""The reference's hypotheses, tested on records that a hand wrote."""

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from clnorm.errors import UserError
from clnorm.results.explanation import write_explanation
from tests.results.kept import EXPLANATION
from tests.results.records import FINISHED

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "results" / "reference" / "hypotheses.py"))
tabulate, explain, judge_split2 = SCRIPT["tabulate"], SCRIPT["explain"], SCRIPT["judge_split2"]


def keep(root, folder, norm, strategy, seed, *, name="", protocol="a", setting="s", **metrics):
    run = f"{norm}-{strategy}-s{seed}{name}"
    names = {**FINISHED.names, "norm": norm, "strategy": strategy, "protocol": protocol}
    record = replace(FINISHED, run=run, names=names, seed=seed, setting=setting, metrics=metrics)
    (root / folder / run).mkdir(parents=True)
    (root / folder / run / "record.json").write_text(record.to_json(), encoding="utf-8")
    return root / folder / run


@pytest.fixture
def drawn(tmp_path):
    """Runs of all cells but those of one epoch, and their values by norm, strategy and metric."""
    generator, values = np.random.default_rng(0), {}
    for norm in ("ln", "bn", "bn_frozen", "gn", "cn"):
        for strategy in ("naive", "replay", "joint"):
            accuracy, forgetting = (generator.uniform(0.2, 0.8, 5) for _ in range(2))
            values[norm, strategy, "accuracy"], values[norm, strategy, "forgetting"] = accuracy, forgetting
            for seed in range(5):
                run = keep(tmp_path, "main", norm, strategy, seed, accuracy=accuracy[seed], forgetting=forgetting[seed])
                if (norm, strategy) == ("bn", "naive"):
                    part = EXPLANATION.statistics[0] + seed / 10
                    write_explanation(run, replace(EXPLANATION, run=run.name, statistics=[part, 0.0]))
    return tmp_path, values


def rows(root):
    lines = [line for line in tabulate(root).splitlines() if line.startswith("| ") and ":--" not in line]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {(cell[0], cell[1]): cell[2:] for cell in cells}


def test_each_difference_is_that_of_scipy(drawn):
    root, values = drawn
    found = rows(root)
    expected = {
        ("H1", "cn - bn, replay, ACC"): values["cn", "replay", "accuracy"] - values["bn", "replay", "accuracy"],
        ("H2", "bn - bn_frozen, naive, forgetting"): values["bn", "naive", "forgetting"]
        - values["bn_frozen", "naive", "forgetting"],
        ("H3", "statistics' part of bn's forgetting, naive"): np.arange(0.2, 0.7, 0.1) / 2,
        ("H4", "(gn - bn under replay) - (gn - bn in joint training), ACC"): values["gn", "replay", "accuracy"]
        - values["bn", "replay", "accuracy"]
        - values["gn", "joint", "accuracy"]
        + values["bn", "joint", "accuracy"],
    }
    for key, differences in expected.items():
        test = ttest_1samp(differences, 0.0)
        interval = test.confidence_interval()
        half = (interval.high - interval.low) / 2
        assert found[key][0] == f"{100 * differences.mean():+.1f} ± {100 * half:.1f}"
        assert found[key][1] == f"{test.pvalue:.3f}"
    assert found["H1", "cn - bn, replay, ACC"][1] == found["H1", "cn - bn, replay, ACC"][2], "it is alone"
    third = found["H3", "statistics' part of bn's forgetting, naive"]
    # Six in its family, one of which could not be tested; it has the smallest p of them.
    smallest = ttest_1samp(np.arange(0.2, 0.7, 0.1) / 2, 0.0).pvalue
    assert third[2:] == [f"{6 * smallest:.3f}", "as expected"]
    assert found["H5", "(cn - bn in one epoch) - (cn - bn in six), replay, ACC"][-1] == (
        "incomplete, lacks: online cn replay 0, 1, 2, 3, 4; online bn replay 0, 1, 2, 3, 4"
    )


def test_a_missing_seed_is_said_and_nothing_is_tested_without_it(drawn):
    root, _ = drawn
    (root / "main" / "cn-replay-s3" / "record.json").unlink()
    assert rows(root)["H1", "cn - bn, replay, ACC"] == ["--", "--", "--", "incomplete, lacks: main cn replay 3"]


def test_an_undefined_value_is_a_missing_one(drawn):
    root, _ = drawn
    (root / "main" / "cn-replay-s3" / "record.json").unlink()
    keep(root, "main", "cn", "replay", 3, name="-undefined", accuracy=None)
    assert rows(root)["H1", "cn - bn, replay, ACC"][-1] == "incomplete, lacks: main cn replay 3"


def test_a_run_of_another_setting_is_refused(drawn):
    root, _ = drawn
    keep(root, "main", "tbbn", "replay", 0, setting="t", accuracy=0.5)
    with pytest.raises(UserError, match=r"holds runs of 2 settings, .*\['s', 't'\]"):
        tabulate(root)


def test_differences_that_do_not_vary_are_not_tested(tmp_path):
    for norm, accuracy in (("bn", 0.25), ("cn", 0.5)):
        for seed in range(5):
            keep(tmp_path, "main", norm, "replay", seed, accuracy=accuracy)
    found = rows(tmp_path)["H1", "cn - bn, replay, ACC"]
    assert found == ["+25.0 ± 0.0", "--", "--", "no test: the differences do not vary"]


def test_two_runs_of_one_cell_are_refused(drawn):
    root, _ = drawn
    keep(root, "main", "cn", "replay", 3, name="-again", accuracy=0.5)
    with pytest.raises(UserError, match="cn with replay and seed 3 is there twice: cn-replay-s3, cn-replay-s3-again"):
        tabulate(root)


def test_every_value_is_named_with_its_run(drawn):
    root, values = drawn
    told = explain(root, "H2").splitlines()
    forgetting = 100 * values["bn_frozen", "replay", "forgetting"][4]
    assert f"  - {forgetting:6.2f}  seed 4  forgetting  main/bn_frozen-replay-s4" in told
    assert len(told) == 2 + 2 * 2 * 5


def test_what_is_explored_is_told_apart_by_order_and_is_not_corrected(drawn):
    root, _ = drawn
    hard, easy = np.array([0.3, 0.4, 0.5, 0.3, 0.4]), np.array([0.5, 0.5, 0.6, 0.6, 0.5])
    for order, values in (("hard", hard), ("easy", easy)):
        for seed in range(5):
            protocol = f"vclimb:experiences=7,order={order}"
            keep(root, "orders", "cn", "replay", seed, name=order, protocol=protocol, accuracy=values[seed])
    test = ttest_1samp(hard - easy, 0.0)
    found = rows(root)["orders", "cn: hard - easy, replay, accuracy"]
    assert found == ["-16.0 ± 11.1", f"{test.pvalue:.3f}", ""]
    assert rows(root)["orders", "ln: hard - easy, replay, accuracy"] == [
        *("--", "--"),
        "incomplete, lacks: orders ln replay 0, 1, 2, 3, 4; orders ln replay 0, 1, 2, 3, 4",
    ]


@pytest.mark.parametrize(
    ("means", "told"),
    [
        # Ranks 1 to 5 beside 1, 3, 2, 5, 4: squared distances 0, 1, 1, 1, 1, so 1 - 6 * 4 / (5 * 24) = 0.8.
        ((0.1, 0.3, 0.2, 0.5, 0.4), "rank correlation +0.80: it is no other one"),
        # Beside 5, 1, 4, 2, 3: squared distances 16, 1, 1, 4, 4, so 1 - 6 * 26 / 120 = -0.3.
        ((0.5, 0.1, 0.4, 0.2, 0.3), "rank correlation -0.30: nothing on split 1 is claimed"),
        ((0.2,) * 5, "not judged, the means of all norms are one"),
    ],
)
def test_split_2_is_judged_by_the_ranks_of_the_means(means, told, tmp_path):
    for norm, first, second in zip(SCRIPT["NORMS"], (0.1, 0.2, 0.3, 0.4, 0.5), means, strict=True):
        for seed in range(5):
            keep(tmp_path, "main", norm, "replay", seed, accuracy=first + (seed - 2) / 4)
            keep(tmp_path, "split2", norm, "replay", seed, accuracy=second)
    assert told in tabulate(tmp_path)


def test_split_2_is_not_judged_where_a_seed_is_lacking(drawn):
    root, _ = drawn
    for norm in ("ln", "bn", "bn_frozen", "gn"):
        for seed in range(5):
            keep(root, "split2", norm, "replay", seed, accuracy=seed / 10)
    assert judge_split2(SCRIPT["Values"](root)) == "not judged, incomplete, lacks: split2 cn replay 0, 1, 2, 3, 4"
