"""Every metric of clnorm's own against a second implementation, as loops over clips and entries, on drawn runs."""

import math

import numpy as np
import pytest

from clnorm.evaluation.metrics import METRICS, RunData, evaluate
from tests.evaluation.drawn import draw_run

RUNS, PARTS = 1000, 4
NAN = float("nan")


class Naive:
    """The definitions written out; experiences from 0, the last one `T`."""

    def __init__(self, run):
        self.n, self.T = len(run.experiences), len(run.experiences) - 1
        self.R = [[float(value) for value in row] for row in np.asarray(run.matrix)]
        self.clips, self.classes = list(run.test_clips), [len(part) for part in run.experiences]
        self.owner = {label: index for index, part in enumerate(run.experiences) for label in part}
        self.train, self.untrained, self.joint = run.train_clips, list(run.untrained), run.joint[0]
        self.rows = run.frames["predictions"].to_dict("records")
        self.hits = {}
        for row in self.rows:
            self.hits.setdefault((row["after"], row["label"]), []).append(row["predicted"] == row["label"])
        self.last = [row for row in self.rows if row["after"] == self.T]
        self.steps = run.frames["steps"].to_dict("records")
        self.probes = run.frames["probes"].to_dict("records")

    def seen(self, R, t, weights):
        return sum(weights[j] * R[t][j] for j in range(t + 1)) / sum(weights[: t + 1])

    def a_bar(self, R, weights):
        return sum(self.seen(R, t, weights) for t in range(self.n)) / self.n

    def matrix_by(self, column):
        hits = [[[] for _ in range(self.n)] for _ in range(self.n)]
        for row in self.rows:
            hits[row["after"]][self.owner[row["label"]]].append(row[column] == row["label"])
        return [[sum(cell) / len(cell) if cell else NAN for cell in line] for line in hits]

    def of_class(self, t, label):
        found = self.hits[t, label]
        return sum(found) / len(found)

    def by_age(self, is_chosen):
        values = []
        for t in range(1, self.n):
            chosen = [label for label, owner in self.owner.items() if is_chosen(owner, t)]
            values.append(sum(self.of_class(t, label) for label in chosen) / len(chosen))
        return sum(values) / len(values)

    def third(self, is_in):
        count, chosen = len(self.train), []
        for label, n in enumerate(self.train):
            rank = (sum(m > n for m in self.train) + sum(m == n for m in self.train) / 2) / count
            if is_in(3 * rank):
                chosen.append(self.of_class(self.T, label))
        return sum(chosen) / len(chosen) if chosen and len(set(self.train)) > 1 else NAN

    def taken(self, row):
        return self.owner[row["predicted"]]

    def lowest(self, j):
        during = [row["accuracy"] for row in self.steps if row["tested"] == j and row["experience"] > j]
        return min(during + [self.R[t][j] for t in range(j + 1, self.n)])

    def calibration(self):
        total = 0.0
        for b in range(15):
            inside = [row for row in self.last if b / 15 < row["confidence"] <= (b + 1) / 15]
            if inside:
                right = sum(row["predicted"] == row["label"] for row in inside) / len(inside)
                sure = sum(float(row["confidence"]) for row in inside) / len(inside)
                total += len(inside) / len(self.last) * abs(right - sure)
        return total

    def probed(self, column, experiences):
        found = {row["tested"]: row[column] for row in self.probes if row["after"] == self.T}
        return sum(found[j] for j in experiences) / len(experiences)


def implement(run):
    """Every metric by key."""
    a = Naive(run)
    n, T, R, c, w = a.n, a.T, a.R, a.classes, a.clips
    old = [row for row in a.last if a.owner[row["label"]] < T]
    new = [row for row in a.last if a.owner[row["label"]] == T]
    wrong = [row for row in a.last if row["predicted"] != row["label"]]
    nme, ncm = a.matrix_by("nme"), a.matrix_by("ncm")
    minimum = sum(a.lowest(j) for j in range(T)) / T
    joint = sum(weight * value for weight, value in zip(w, a.joint, strict=True)) / sum(w)
    return {
        "accuracy": sum(R[T]) / n,
        "average_incremental_accuracy": a.a_bar(R, w),
        "average_incremental_accuracy_macro": a.a_bar(R, [1] * n),
        "forgetting": sum(max(R[t][j] for t in range(j, T)) - R[T][j] for j in range(T)) / T,
        "bwt": sum(R[T][j] - R[j][j] for j in range(T)) / T,
        "bwf": sum(R[j][j] - R[T][j] for j in range(T)) / T,
        "vclimb_forgetting": sum(c[j] * (R[j][j] - R[T][j]) for j in range(T)) / sum(c[:T]),
        "tcd_forgetting": sum(sum(w[j] * (R[t - 1][j] - R[t][j]) for j in range(t)) / sum(w[:t]) for t in range(1, n))
        / T,
        "base_drop": R[0][0] - R[T][0],
        "fwt": sum(R[j - 1][j] - a.untrained[j] for j in range(1, n)) / T,
        "learning_accuracy": sum(R[j][j] for j in range(n)) / n,
        "retention": a.a_bar(R, w) / joint,
        "mean_class_accuracy": sum(a.of_class(T, label) for label in a.owner) / len(a.owner),
        "head": a.third(lambda rank: rank < 1 - 1e-9),
        "mid": a.third(lambda rank: 1 - 1e-9 <= rank <= 2 + 1e-9),
        "tail": a.third(lambda rank: rank > 2 + 1e-9),
        "old_accuracy": a.by_age(lambda owner, t: owner < t),
        "new_accuracy": a.by_age(lambda owner, t: owner == t),
        "old_as_new": sum(a.taken(row) == T for row in old) / len(old),
        "new_as_old": sum(a.taken(row) < T for row in new) / len(new),
        "task_confusion": sum(a.taken(row) != a.owner[row["label"]] for row in wrong) / len(a.last),
        "within_task_error": sum(a.taken(row) == a.owner[row["label"]] for row in wrong) / len(a.last),
        "expected_calibration_error": a.calibration(),
        "nme_accuracy": sum(nme[T]) / n,
        "nme_average_incremental_accuracy": a.a_bar(nme, w),
        "ncm_accuracy": sum(ncm[T]) / n,
        "ncm_average_incremental_accuracy": a.a_bar(ncm, w),
        "minimum_accuracy": minimum,
        "worst_case_accuracy": R[T][T] / n + (1 - 1 / n) * minimum,
        "probe_accuracy": a.probed("probe_accuracy", range(n)),
        "cka": a.probed("cka", range(T)),
    }


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_every_metric_equals_a_second_implementation_on_a_thousand_runs(part):
    generator, undefined = np.random.default_rng(part), dict.fromkeys(METRICS, 0)
    for index in range(RUNS // PARTS):
        run = draw_run(generator)
        expected = implement(run)
        assert list(expected) == list(METRICS)
        for key, metric in METRICS.items():
            value, reason = evaluate(metric, run)
            assert abs(value - expected[key]) < 1e-12 or (math.isnan(value) and math.isnan(expected[key])), (index, key)
            assert bool(reason) == math.isnan(value), (index, key)
            undefined[key] += math.isnan(value)
    # No entry above the diagonal is evaluated, and few classes leave a third of them empty.
    assert undefined.pop("fwt") == RUNS // PARTS
    assert all(count == 0 for key, count in undefined.items() if key not in ("head", "mid", "tail"))


def test_forward_transfer_equals_it_where_experiences_to_come_are_tested():
    generator = np.random.default_rng(PARTS)
    for _ in range(RUNS):
        n = int(generator.integers(2, 7))
        R, untrained = generator.random((n, n)), generator.random(n)
        expected = sum(R[j - 1][j] - untrained[j] for j in range(1, n)) / (n - 1)
        run = RunData(R, [1] * n, [[j] for j in range(n)], untrained=untrained)
        assert evaluate(METRICS["fwt"], run)[0] == pytest.approx(expected, abs=1e-12)
