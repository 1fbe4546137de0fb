import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clnorm.errors import UserError
from clnorm.evaluation.formulas.matrix import average_incremental_accuracy
from clnorm.evaluation.matrix import accuracy_matrix, class_accuracies

EXPERIENCE_OF_CLASS = [0, 1, 0]


def frame(rows):
    return pd.DataFrame(rows, columns=["after", "clip", "label", "predicted", "rank"])


def matrix(predictions, **options):
    options = {"experience_of_class": EXPERIENCE_OF_CLASS, "num_experiences": 2} | options
    return accuracy_matrix(predictions, **options)


HAND = frame(
    [
        (0, 10, 0, 0, 0),
        (0, 11, 2, 0, 1),
        (0, 12, 2, 2, 0),
        (1, 10, 0, 1, 2),
        (1, 11, 2, 2, 0),
        (1, 12, 2, 1, 1),
        (1, 13, 1, 1, 0),
    ]
)


def test_matrix_by_hand():
    np.testing.assert_allclose(matrix(HAND), [[2 / 3, np.nan], [1 / 3, 1.0]])


def test_order_of_rows_does_not_matter():
    np.testing.assert_array_equal(matrix(HAND.sample(frac=1, random_state=1)), matrix(HAND))


def test_the_prediction_decides_a_tie_in_rank():
    tied = frame([(0, 10, 0, 1, 0)])
    assert matrix(tied)[0, 0] == 0


def test_experience_that_was_left_out_is_nan():
    skipped = HAND[HAND["after"] == 1].assign(after=2)
    np.testing.assert_array_equal(np.isnan(matrix(skipped, num_experiences=3)).all(axis=1), [True, True, False])


def test_joint_training_gives_one_row():
    assert matrix(HAND[HAND["after"] == 1].assign(after=0)).shape == (1, 2)


@pytest.mark.parametrize(
    ("predictions", "options", "message"),
    [
        (HAND.iloc[:0], {}, "no prediction"),
        (HAND.drop(columns="rank"), {}, "columns rank are missing"),
        (pd.concat([HAND, HAND[:1]]), {}, "twice"),
        (HAND.assign(after=-1), {}, "after"),
        (HAND.assign(label=3), {}, "label 3"),
        (HAND.assign(label=-1), {}, "label -1"),
        (HAND, {"num_experiences": 1}, "class 1 belongs to experience 1"),
        (HAND.assign(experience=2), {}, "experience 2 is none"),
    ],
)
def test_refuses(predictions, options, message):
    if message == "after":
        predictions = predictions.drop_duplicates("clip")
    with pytest.raises(UserError, match=message):
        matrix(predictions, **options)


def test_an_experience_of_its_own_counts_instead_of_that_of_the_class():
    rows = frame([(0, 0, 0, 0, 0), (0, 1, 0, 1, 1), (0, 2, 1, 1, 0)]).assign(experience=[0, 1, 1])
    R = accuracy_matrix(rows, experience_of_class=[0, 0], num_experiences=2)
    assert R.tolist() == [[1.0, 0.5]]
    assert class_accuracies(rows, num_classes=2).tolist() == [[0.5, 1.0]]


@st.composite
def streams(draw):
    """Predictions of every clip of the classes seen, for 1 to 4 experiences of one or two classes."""
    sizes = draw(st.lists(st.integers(1, 2), min_size=1, max_size=4))
    experience_of_class = np.repeat(np.arange(len(sizes)), sizes)
    labels = [label for label in range(sum(sizes)) for _ in range(draw(st.integers(1, 3)))]
    rows = [
        (after, clip, label, draw(st.integers(0, sum(sizes) - 1)), 0)
        for after in range(len(sizes))
        for clip, label in enumerate(labels)
        if experience_of_class[label] <= after
    ]
    return frame(rows), experience_of_class, len(sizes)


@pytest.mark.slow
@given(streams())
def test_matrix_agrees_with_counting(stream):
    predictions, experience_of_class, n = stream
    R = accuracy_matrix(predictions, experience_of_class=experience_of_class, num_experiences=n)
    for t in range(n):
        for j in range(n):
            hits = [
                row.predicted == row.label
                for row in predictions.itertuples()
                if row.after == t and experience_of_class[row.label] == j
            ]
            expected = sum(hits) / len(hits) if hits else np.nan
            np.testing.assert_allclose(R[t, j], expected)


@pytest.mark.slow
@given(streams())
def test_micro_average_is_the_mean_accuracy_on_seen(stream):
    predictions, experience_of_class, n = stream
    R = accuracy_matrix(predictions, experience_of_class=experience_of_class, num_experiences=n)
    last = predictions[predictions["after"] == n - 1]
    clips = np.bincount(experience_of_class[last["label"]], minlength=n)
    shares = (predictions["predicted"] == predictions["label"]).groupby(predictions["after"]).mean()
    np.testing.assert_allclose(average_incremental_accuracy(R, clips), shares.mean())
