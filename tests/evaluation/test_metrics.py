import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clnorm.errors import UserError
from clnorm.evaluation import metrics
from clnorm.evaluation.metrics import METRICS, RunData
from clnorm.evaluation.metrics.of_matrix import MATRIX_METRICS

NAN = float("nan")
R = np.array([[0.6, 0.2, 0.1], [0.8, 0.9, 0.4], [0.5, 0.7, 1.0]])
LOWER = np.where(np.tri(3, dtype=bool), R, NAN)
KNOWN = {"untrained": (0.1, 0.05, 0.3), "joint": [[0.9, 0.9, 0.6]]}
MICRO = (0.6 + 26 / 30 + 49 / 60) / 3
OF_MATRIX = [metric.key for metric in MATRIX_METRICS]
BY_HAND = {
    "accuracy": 2.2 / 3,
    "average_incremental_accuracy": MICRO,
    "average_incremental_accuracy_macro": (0.6 + 0.85 + 2.2 / 3) / 3,
    "forgetting": (0.3 + 0.2) / 2,
    "bwt": -(0.1 + 0.2) / 2,
    "bwf": (0.1 + 0.2) / 2,
    "vclimb_forgetting": (1 * 0.1 + 2 * 0.2) / 3,
    "tcd_forgetting": (-0.2 + (10 * 0.3 + 20 * 0.2) / 30) / 2,
    "base_drop": 0.1,
    "fwt": (0.15 + 0.1) / 2,
    "learning_accuracy": 2.5 / 3,
    "retention": MICRO / 0.75,
}
AVERAGES = {"average_incremental_accuracy", "average_incremental_accuracy_macro"}
STREAM_ONLY = {"forgetting", "bwt", "bwf", "vclimb_forgetting", "tcd_forgetting", "base_drop", "fwt"}


def describe(R, clips, classes, **known):
    """A run of which the matrix is known, and what else is given: `classes` is how many each experience has."""
    ends = np.cumsum(classes)
    experiences = [list(range(end - count, end)) for end, count in zip(ends, classes, strict=True)]
    return RunData(R, clips, experiences, **known)


def compute(R, clips=(10, 20, 30), classes=(1, 2, 3), **known):
    """All metrics of the matrix; those of predictions and more have test files of their own."""
    values = metrics.compute(describe(R, clips, classes, **known))
    assert all(np.isnan(value) for key, value in values.items() if key not in OF_MATRIX)
    return {key: values[key] for key in OF_MATRIX}


def test_every_metric_by_hand():
    assert compute(R, **KNOWN) == pytest.approx(BY_HAND)


def test_order_of_display_is_the_order_of_the_table():
    assert list(metrics.compute(describe(R, (1, 2, 3), (1, 2, 3)))) == list(METRICS)
    assert list(METRICS)[: len(BY_HAND)] == OF_MATRIX == list(BY_HAND)


def test_what_was_not_evaluated_matters_only_to_forward_transfer():
    expected = BY_HAND | {"fwt": NAN}
    assert compute(LOWER, **KNOWN) == pytest.approx(expected, nan_ok=True)


def test_without_an_untrained_row_or_joint_training_two_are_undefined():
    bare = compute(R)
    assert {key for key, value in bare.items() if np.isnan(value)} == {"fwt", "retention"}


def test_one_experience_forgets_nothing_that_could_be_measured():
    one = compute([[0.4]], [5], [2], untrained=[0.1], joint=[[0.5]])
    assert {key for key, value in one.items() if np.isnan(value)} == STREAM_ONLY
    assert one["accuracy"] == one["learning_accuracy"] == one["average_incremental_accuracy"] == 0.4
    assert one["retention"] == pytest.approx(0.8)


def test_joint_training_has_only_accuracies():
    joint = compute([[0.9, 0.9, 0.6]], **KNOWN)
    assert {key for key, value in joint.items() if np.isnan(value)} == {*STREAM_ONLY, "learning_accuracy"}
    assert joint["accuracy"] == joint["average_incremental_accuracy_macro"] == pytest.approx(0.8)
    assert joint["average_incremental_accuracy"] == pytest.approx(0.75)
    assert joint["retention"] == 1


def test_an_unfinished_stream_has_no_metric():
    assert np.isnan(list(compute(R[:2], **KNOWN).values())).all()
    stopped = R.copy()
    stopped[2] = NAN
    values = compute(stopped, **KNOWN)
    assert {key for key, value in values.items() if not np.isnan(value)} == {"fwt"}


@pytest.mark.parametrize(
    ("row", "column", "still_defined"),
    [
        (0, 0, {"accuracy", "fwt"}),
        (1, 0, set(BY_HAND) - {"forgetting", "tcd_forgetting", "retention"} - AVERAGES),
        (2, 1, {"base_drop", "fwt", "learning_accuracy"}),
    ],
)
def test_a_missing_entry_empties_what_needs_it(row, column, still_defined):
    holed = R.copy()
    holed[row, column] = NAN
    values = compute(holed, **KNOWN)
    defined = {key: value for key, value in values.items() if not np.isnan(value)}
    assert defined == pytest.approx({key: BY_HAND[key] for key in still_defined})


def test_weights_that_are_all_zero_define_nothing():
    assert np.isnan(metrics.tcd_forgetting(R, [0, 0, 0]))


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([0.1, 0.2], "shape"),
        (np.zeros((0, 3)), "shape"),
        (np.zeros((3, 2)), "more rows than columns"),
        ([[50.0]], r"outside \[0, 1\]"),
        ([[-0.1]], r"outside \[0, 1\]"),
        ([[np.inf]], r"outside \[0, 1\]"),
        ([["high"]], "not numbers"),
        ([[0.1], [0.1, 0.2]], "not numbers"),
    ],
)
@pytest.mark.parametrize("function", [metrics.accuracy, metrics.forgetting, metrics.bwt, metrics.learning_accuracy])
def test_refuses_what_is_no_matrix_of_accuracies(function, matrix, message):
    with pytest.raises(UserError, match=message):
        function(matrix)


@pytest.mark.parametrize("weights", [(1, 2), (1, 2, -3), (1, 2, NAN), ((1, 2, 3),)])
def test_refuses_weights_that_do_not_fit(weights):
    with pytest.raises(UserError, match="weights"):
        metrics.average_incremental_accuracy(R, weights)


def test_refuses_an_untrained_row_that_does_not_fit():
    with pytest.raises(UserError, match="untrained has 2 entries"):
        metrics.fwt(R, (0.1, 0.2))


def test_every_definition_names_its_formula_and_source():
    for key, metric in METRICS.items():
        assert metric.key == key
        assert metric.title
        assert metric.symbol
        assert metric.formula
        assert metric.formula_latex
        assert metric.source
    assert {key for key, metric in METRICS.items() if not metric.higher_is_better} == {
        "forgetting",
        "bwf",
        "vclimb_forgetting",
        "tcd_forgetting",
        "base_drop",
        "old_as_new",
        "new_as_old",
        "task_confusion",
        "within_task_error",
        "expected_calibration_error",
    }


def square(low, high):
    shares = st.floats(0, 1)
    return st.integers(low, high).flatmap(
        lambda n: st.tuples(
            arrays(float, (n, n), elements=shares),
            st.lists(st.integers(1, 50), min_size=n, max_size=n),
        )
    )


@pytest.mark.slow
@given(square(2, 6))
def test_invariants(drawn):
    matrix, _ = drawn
    assert metrics.bwt(matrix) == -metrics.bwf(matrix)
    assert metrics.forgetting(matrix) >= metrics.bwf(matrix) - 1e-12
    equal = [3] * len(matrix)
    assert metrics.vclimb_forgetting(matrix, equal) == pytest.approx(metrics.bwf(matrix), abs=1e-12)
    last = metrics.accuracy(matrix) * len(matrix)
    first = metrics.learning_accuracy(matrix) * len(matrix)
    assert last - first == pytest.approx(metrics.bwt(matrix) * (len(matrix) - 1), abs=1e-12)


@given(st.integers(2, 6), st.floats(0, 1))
def test_what_never_changes_is_never_forgotten(n, share):
    constant = compute(np.full((n, n), share), [1] * n, [1] * n)
    for key in ("forgetting", "bwt", "bwf", "vclimb_forgetting", "tcd_forgetting", "base_drop"):
        assert constant[key] == 0
    assert constant["accuracy"] == pytest.approx(share)
    assert constant["average_incremental_accuracy"] == pytest.approx(share)
