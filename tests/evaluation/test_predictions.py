"""Metrics of predictions, of measurements every few steps, and of probes, worked by hand."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from clnorm.errors import ClnormError, UserError
from clnorm.evaluation import metrics
from clnorm.evaluation.metrics import METRICS, RunData, evaluate
from clnorm.evaluation.metrics.needs import describe_need

NAN = float("nan")
# Classes 0 and 1 come first, then 2 and 3. Of the six clips after the last experience two are right; one old clip
# is taken for the other old class, one for a new one; one new clip for the other new class, one for an old one.
LAST = pd.DataFrame(
    {
        "after": 1,
        "clip": range(6),
        "label": [0, 0, 1, 2, 3, 3],
        "predicted": [0, 1, 3, 2, 2, 0],
        "rank": [0, 1, 1, 0, 1, 2],
        "confidence": [1.0, 0.5, 0.5, 1 / 15, 0.75, 0.1],
        "nme": [0, 0, 1, 3, 3, 0],
    }
)
FIRST = pd.DataFrame({"after": 0, "clip": range(3), "label": [0, 0, 1], "predicted": [0, 0, 0], "rank": 0, "nme": 1})
RUN = RunData(
    matrix=[[2 / 3, NAN], [1 / 3, 1 / 3]],
    test_clips=[3, 3],
    experiences=[[0, 1], [2, 3]],
    frames={
        "predictions": pd.concat([FIRST, LAST], ignore_index=True),
        "steps": pd.DataFrame(
            {
                "experience": [0, 1, 1, 1],
                "tested": [0, 0, 0, 1],
                "step": [1, 2, 3, 3],
                "accuracy": [0.0, 0.25, 0.5, 0.1],
            }
        ),
        "probes": pd.DataFrame(
            {"after": [0, 1, 1], "tested": [0, 1, 0], "probe_accuracy": [1.0, 0.5, 0.75], "cka": [1.0, 1.0, 0.25]}
        ),
    },
)
BY_HAND = {
    "old_as_new": 1 / 3,
    "new_as_old": 1 / 3,
    "task_confusion": 2 / 6,
    "within_task_error": 2 / 6,
    # Bins of a fifteenth: {1.0} right, {0.5, 0.5}, {0.75}, {1/15} in the first and right, {0.1} in the second.
    "expected_calibration_error": (0 + 2 * 0.5 + 0.75 + 14 / 15 + 0.1) / 6,
    "nme_accuracy": (1 + 1 / 3) / 2,
    "nme_average_incremental_accuracy": (1 / 3 + 4 / 6) / 2,
    "minimum_accuracy": 0.25,  # what was measured while experience 0 itself was learned does not count
    "worst_case_accuracy": 1 / 3 / 2 + 0.25 / 2,
    "probe_accuracy": 0.625,
    "cka": 0.25,
}


@pytest.mark.parametrize("key", BY_HAND)
def test_by_hand(key):
    assert evaluate(METRICS[key], RUN) == (pytest.approx(BY_HAND[key]), "")


def changed(**changes):
    return replace(RUN, **changes)


def with_frame(name, frame):
    return changed(frames={**RUN.frames, name: frame})


def test_the_lowest_accuracy_may_be_that_at_the_end_of_an_experience():
    steps = RUN.frames["steps"].assign(accuracy=0.9)
    assert METRICS["minimum_accuracy"](with_frame("steps", steps)) == pytest.approx(1 / 3)


def test_joint_training_has_no_newest_experience_and_confuses_all_the_same():
    joint = changed(matrix=[[1 / 3, 1 / 3]], frames={"predictions": LAST.assign(after=0), "steps": RUN.frames["steps"]})
    for key in ("old_as_new", "new_as_old", "minimum_accuracy", "worst_case_accuracy"):
        assert evaluate(METRICS[key], joint)[1] == "it did not learn two or more experiences in turn"
    assert METRICS["task_confusion"](joint) == pytest.approx(2 / 6)


def test_experiences_that_share_classes_are_not_confused():
    shared = changed(experiences=[[0, 1], [0, 1, 2, 3]])
    for key in ("old_as_new", "task_confusion", "within_task_error", "old_accuracy"):
        assert evaluate(METRICS[key], shared)[1] == "its experiences share classes"
    assert METRICS["mean_class_accuracy"](shared) == pytest.approx((1 / 2 + 0 + 1 + 0) / 4)


def test_clips_without_a_nearest_mean_leave_no_number():
    rows = RUN.frames["predictions"]
    holed = with_frame("predictions", rows.assign(nme=rows["nme"].where(rows["label"] != 3)))
    np.testing.assert_array_equal(holed.matrix_of("nme"), [[1 / 3, NAN], [1, NAN]])
    for kept in (rows["label"] < 2, rows["after"] < 1, rows["after"] < 0):
        holed = with_frame("predictions", rows.assign(nme=rows["nme"].where(kept)))
        assert math.isnan(evaluate(METRICS["nme_accuracy"], holed)[0])
    last = with_frame("predictions", rows.assign(nme=rows["nme"].where(rows["after"] == 1)))
    assert METRICS["nme_accuracy"](last) == pytest.approx((1 + 1 / 3) / 2), "evaluated at the end alone"
    assert math.isnan(METRICS["nme_average_incremental_accuracy"](last))


def test_an_experience_that_was_never_measured_later_or_never_probed_leaves_no_number():
    steps, probes = RUN.frames["steps"], RUN.frames["probes"]
    assert math.isnan(evaluate(METRICS["minimum_accuracy"], with_frame("steps", steps[steps["experience"] == 0]))[0])
    assert math.isnan(evaluate(METRICS["probe_accuracy"], with_frame("probes", probes[:2]))[0])
    with pytest.raises(ClnormError, match="stands twice"):
        METRICS["cka"](with_frame("probes", pd.concat([probes, probes])))


def test_a_clip_that_is_taken_for_no_class_is_confused_with_none_and_counts_as_an_error():
    """As by nearest means, where no class that it may be has one; such predictions have no confidence."""
    rows = RUN.frames["predictions"]
    none = rows.assign(predicted=rows["predicted"].where(rows["after"] == 0, -1), confidence=NAN)
    run = with_frame("predictions", none)
    values = [METRICS[key](run) for key in ("task_confusion", "within_task_error", "old_as_new", "new_as_old")]
    assert values == [1, 0, 0, 0]
    assert evaluate(METRICS["expected_calibration_error"], run)[1].startswith("it is undefined here")


@pytest.mark.parametrize("confidence", [-0.1, 1.1, math.inf])
def test_a_confidence_that_is_no_probability_is_refused(confidence):
    with pytest.raises(UserError, match="outside"):
        metrics.expected_calibration_error([0.5, confidence], [True, False])


def test_a_perfectly_sure_and_a_perfectly_calibrated_model():
    assert metrics.expected_calibration_error([1.0] * 4, [False] * 4) == 1
    assert metrics.expected_calibration_error([0.75] * 4, [True, True, True, False]) == 0
    assert metrics.expected_calibration_error(np.float32([1 + 1e-7]), [True]) == pytest.approx(0, abs=1e-6)


def test_of_no_clips_there_is_no_share():
    assert math.isnan(metrics.expected_calibration_error([], []))
    assert math.isnan(metrics.task_confusion([], []))
    assert math.isnan(metrics.old_as_new([1], [1], newest=1))


@pytest.mark.parametrize("wrong", [([0], [0, 1]), ([[0]], [[0]])])
def test_arrays_that_do_not_fit_are_refused(wrong):
    for function in (metrics.task_confusion, metrics.expected_calibration_error):
        with pytest.raises(UserError, match="shapes"):
            function(*wrong)
    with pytest.raises(UserError, match="shapes"):
        metrics.minimum_accuracy([[1.0]], [0], [0, 1], [0.5])


def test_what_is_needed_is_described_for_the_reference():
    nme = "`predictions.parquet` with its column `nme`, kept with `eval.nearest=exemplars`"
    assert describe_need("predictions.nme") == nme
    assert describe_need("steps") == "`steps.parquet`, kept with `eval.every=N`"
    assert describe_need("drift") == "`drift.parquet`"
    assert all(describe_need(name) for metric in METRICS.values() for name in metric.needs)
