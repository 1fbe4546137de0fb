import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clnorm.errors import UserError
from clnorm.evaluation import metrics
from clnorm.evaluation.class_metrics import CLASS_METRICS
from clnorm.evaluation.metrics import METRICS, MatrixContext

NAN = float("nan")
R = np.array([[0.6, 0.2, 0.1], [0.8, 0.9, 0.4], [0.5, 0.7, 1.0]])
LOWER = np.where(np.tri(3, dtype=bool), R, NAN)
CONTEXT = MatrixContext((10, 20, 30), (1, 2, 3), untrained=(0.1, 0.05, 0.3), joint=[[0.9, 0.9, 0.6]])
MICRO = (0.6 + 26 / 30 + 49 / 60) / 3
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


OF_CLASSES = {metric.key for metric in CLASS_METRICS}  # which have a test file of their own


def compute(R, context):
    """All metrics that need nothing of single classes."""
    return {key: value for key, value in metrics.compute(R, context).items() if key not in OF_CLASSES}


def test_every_metric_by_hand():
    assert compute(R, CONTEXT) == pytest.approx(BY_HAND)


def test_order_of_display_is_the_order_of_the_table():
    assert list(metrics.compute(R, CONTEXT)) == list(METRICS)
    assert list(compute(R, CONTEXT)) == list(BY_HAND)


def test_what_was_not_evaluated_matters_only_to_forward_transfer():
    expected = BY_HAND | {"fwt": NAN}
    assert compute(LOWER, CONTEXT) == pytest.approx(expected, nan_ok=True)


def test_without_an_untrained_row_or_joint_training_two_are_undefined():
    bare = compute(R, MatrixContext((10, 20, 30), (1, 2, 3)))
    assert {key for key, value in bare.items() if np.isnan(value)} == {"fwt", "retention"}


def test_one_experience_forgets_nothing_that_could_be_measured():
    one = compute([[0.4]], MatrixContext([5], [2], untrained=[0.1], joint=[[0.5]]))
    assert {key for key, value in one.items() if np.isnan(value)} == STREAM_ONLY
    assert one["accuracy"] == one["learning_accuracy"] == one["average_incremental_accuracy"] == 0.4
    assert one["retention"] == pytest.approx(0.8)


def test_joint_training_has_only_accuracies():
    joint = compute([[0.9, 0.9, 0.6]], CONTEXT)
    assert {key for key, value in joint.items() if np.isnan(value)} == {*STREAM_ONLY, "learning_accuracy"}
    assert joint["accuracy"] == joint["average_incremental_accuracy_macro"] == pytest.approx(0.8)
    assert joint["average_incremental_accuracy"] == pytest.approx(0.75)
    assert joint["retention"] == 1


def test_an_unfinished_stream_has_no_metric():
    assert np.isnan(list(compute(R[:2], CONTEXT).values())).all()
    stopped = R.copy()
    stopped[2] = NAN
    values = compute(stopped, CONTEXT)
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
    values = compute(holed, CONTEXT)
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
    }


def square(low, high):
    shares = st.floats(0, 1)
    return st.integers(low, high).flatmap(
        lambda n: st.tuples(
            arrays(float, (n, n), elements=shares),
            st.lists(st.integers(1, 50), min_size=n, max_size=n),
        )
    )


def naive(R, weights):
    """The same definitions as loops over entries, with T the last index."""
    n, T = len(R), len(R) - 1
    w = weights
    return {
        "accuracy": sum(R[T][j] for j in range(n)) / n,
        "average_incremental_accuracy": sum(
            sum(w[j] * R[t][j] for j in range(t + 1)) / sum(w[: t + 1]) for t in range(n)
        )
        / n,
        "forgetting": sum(max(R[t][j] for t in range(j, T)) - R[T][j] for j in range(T)) / T,
        "bwt": sum(R[T][j] - R[j][j] for j in range(T)) / T,
        "vclimb_forgetting": sum(w[j] * (R[j][j] - R[T][j]) for j in range(T)) / sum(w[:T]),
        "tcd_forgetting": sum(sum(w[j] * (R[t - 1][j] - R[t][j]) for j in range(t)) / sum(w[:t]) for t in range(1, n))
        / T,
        "learning_accuracy": sum(R[j][j] for j in range(n)) / n,
    }


@pytest.mark.slow
@given(square(2, 6))
def test_agrees_with_loops(drawn):
    matrix, weights = drawn
    lower = np.where(np.tri(len(matrix), dtype=bool), matrix, NAN)
    values = compute(lower, MatrixContext(weights, weights))
    expected = naive(matrix.tolist(), weights)
    assert {key: values[key] for key in expected} == pytest.approx(expected, abs=1e-12)


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
    constant = compute(np.full((n, n), share), MatrixContext([1] * n, [1] * n))
    for key in ("forgetting", "bwt", "bwf", "vclimb_forgetting", "tcd_forgetting", "base_drop"):
        assert constant[key] == 0
    assert constant["accuracy"] == pytest.approx(share)
    assert constant["average_incremental_accuracy"] == pytest.approx(share)
