"""Metrics of single classes, worked by hand and against loops."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clnorm.errors import UserError
from clnorm.evaluation.formulas.classes import (
    HEAD,
    MID,
    TAIL,
    accuracies_by_age,
    mean_class_accuracy,
    new_accuracy,
    old_accuracy,
    rank_group_accuracy,
    rank_groups,
)
from clnorm.evaluation.matrix import class_accuracies
from clnorm.evaluation.metrics import METRICS, RunData, compute

NAN = float("nan")
# Classes 0 and 3 come first, then 1, then 2 and 4.
EXPERIENCES = [0, 1, 2, 0, 2]
A = np.array(
    [
        [0.8, NAN, NAN, 0.6, NAN],
        [0.5, 1.0, NAN, 0.3, NAN],
        [0.4, 0.7, 0.9, 0.0, 0.5],
    ]
)
CLIPS = [50, 10, 20, 40, 30]  # ranked 0, 3, 4, 2, 1
BY_HAND = {
    "mean_class_accuracy": (0.4 + 0.7 + 0.9 + 0.0 + 0.5) / 5,
    "head": (0.4 + 0.0) / 2,  # q = 0.1, 0.3
    "mid": 0.5,  # q = 0.5
    "tail": (0.9 + 0.7) / 2,  # q = 0.7, 0.9
    "old_accuracy": ((0.5 + 0.3) / 2 + (0.4 + 0.7 + 0.0) / 3) / 2,
    "new_accuracy": (1.0 + (0.9 + 0.5) / 2) / 2,
}


def predictions_of(accuracies):
    """Ten predictions of each class and step, of which as many are right as the accuracy says."""
    rows = [
        (after, 10 * label + clip, label, label if clip < round(10 * share) else 1 - min(label, 1), 0)
        for after, row in enumerate(accuracies)
        for label, share in enumerate(row)
        if not np.isnan(share)
        for clip in range(10)
    ]
    return pd.DataFrame(rows, columns=["after", "clip", "label", "predicted", "rank"])


def computed(accuracies=A, experiences=EXPERIENCES, clips=CLIPS, **changes):
    count = max(experiences) + 1
    groups = [[label for label, owner in enumerate(experiences) if owner == index] for index in range(count)]
    frames = {"predictions": predictions_of(accuracies)}
    run = RunData(np.zeros((len(accuracies), count)), [1] * count, groups, train_clips=clips, frames=frames)
    values = compute(replace(run, **changes))
    return {key: values[key] for key in BY_HAND}


def test_by_hand():
    assert computed() == pytest.approx(BY_HAND)


def test_without_predictions_they_are_undefined():
    assert all(np.isnan(value) for value in computed(frames={}).values())


def test_thirds_are_undefined_without_numbers_of_training_clips():
    values = computed(train_clips=None)
    assert {key for key, value in values.items() if np.isnan(value)} == {"head", "mid", "tail"}


def test_old_and_new_after_each_experience():
    expected = [[NAN, 0.7], [0.4, 1.0], [(0.4 + 0.7 + 0.0) / 3, 0.7]]
    np.testing.assert_allclose(accuracies_by_age(A, EXPERIENCES), expected)
    assert accuracies_by_age(A[-1:], EXPERIENCES).shape == (0, 2)


def test_joint_training_has_no_old_and_new_classes():
    values = computed(A[-1:])
    assert values == pytest.approx({**BY_HAND, "old_accuracy": NAN, "new_accuracy": NAN}, nan_ok=True)


def test_an_unfinished_stream_has_none():
    assert all(np.isnan(value) for value in computed(A[:2]).values())


def test_a_class_that_was_not_evaluated_empties_what_needs_it():
    holed = A.copy()
    holed[2, 3] = NAN
    expected = {**BY_HAND, "mean_class_accuracy": NAN, "head": NAN, "old_accuracy": NAN}
    assert computed(holed) == pytest.approx(expected, nan_ok=True)


def test_equal_classes_have_neither_head_nor_mid_nor_tail():
    values = computed(clips=[7] * 5)
    assert all(np.isnan(values[key]) for key in ("head", "mid", "tail"))
    assert values["mean_class_accuracy"] == pytest.approx(BY_HAND["mean_class_accuracy"])


@pytest.mark.parametrize(
    ("clips", "groups"),
    [
        ([3, 2, 1], [HEAD, MID, TAIL]),
        ([5, 50, 5, 50], [TAIL, HEAD, TAIL, HEAD]),
        ([100, 10, 10, 10], [HEAD, MID, MID, MID]),
        ([10, 10, 1], [MID, MID, TAIL]),  # q = 1/3 exactly
        ([10, 1, 1], [HEAD, MID, MID]),  # q = 2/3 exactly
        ([9, 8, 7, 6, 5, 4, 3, 2, 1], [HEAD] * 3 + [MID] * 3 + [TAIL] * 3),
        ([1], [MID]),
    ],
)
def test_thirds_by_hand(clips, groups):
    assert rank_groups(clips).tolist() == groups


def test_a_third_without_classes_is_undefined():
    assert np.isnan(rank_group_accuracy(A, EXPERIENCES, [50, 5, 50, 50, 50], group=HEAD))
    two = [[0.2, 0.8]]
    assert rank_group_accuracy(two, [0, 0], [9, 1], group=TAIL) == 0.8
    assert np.isnan(rank_group_accuracy(two, [0, 0], [9, 1], group=MID))


@pytest.mark.slow
@given(st.lists(st.integers(0, 8), min_size=1, max_size=15), st.randoms(use_true_random=False))
def test_thirds_do_not_depend_on_order_or_scale_and_mirror(clips, random):
    groups = rank_groups(clips)
    order = list(range(len(clips)))
    random.shuffle(order)
    assert rank_groups([clips[i] for i in order]).tolist() == groups[order].tolist()
    assert rank_groups([3 * n + 1 for n in clips]).tolist() == groups.tolist()
    assert rank_groups([-n for n in clips]).tolist() == (2 - groups).tolist()
    for i, n in enumerate(clips):
        assert all(groups[i] <= groups[j] for j, other in enumerate(clips) if other <= n)
    if len(set(clips)) == len(clips):
        assert abs((groups == HEAD).sum() - len(clips) / 3) < 1


SHARES = st.floats(0, 1)


@pytest.mark.slow
@given(
    st.lists(st.integers(1, 3), min_size=2, max_size=4).flatmap(
        lambda sizes: st.tuples(
            st.just(np.repeat(range(len(sizes)), sizes)),
            arrays(float, (len(sizes), sum(sizes)), elements=SHARES),
        )
    )
)
def test_agrees_with_loops(drawn):
    experiences, matrix = drawn
    steps, classes = matrix.shape
    old = [np.mean([matrix[t][c] for c in range(classes) if experiences[c] < t]) for t in range(1, steps)]
    new = [np.mean([matrix[t][c] for c in range(classes) if experiences[c] == t]) for t in range(1, steps)]
    assert old_accuracy(matrix, experiences) == pytest.approx(np.mean(old))
    assert new_accuracy(matrix, experiences) == pytest.approx(np.mean(new))
    assert mean_class_accuracy(matrix, experiences) == pytest.approx(sum(matrix[-1]) / classes)
    third = [rank_group_accuracy(matrix, experiences, range(classes), group=group) for group in (HEAD, MID, TAIL)]
    sizes = np.bincount(rank_groups(range(classes)), minlength=3)
    whole = sum(size * share for size, share in zip(sizes, third, strict=True) if size)
    assert whole / classes == pytest.approx(mean_class_accuracy(matrix, experiences))


def test_class_accuracies_by_hand():
    frame = pd.DataFrame(
        [(0, 10, 0, 0, 0), (0, 11, 0, 1, 1), (1, 10, 0, 0, 0), (1, 11, 0, 0, 0), (1, 12, 2, 0, 1)],
        columns=["after", "clip", "label", "predicted", "rank"],
    )
    np.testing.assert_array_equal(class_accuracies(frame, num_classes=3), [[0.5, NAN, NAN], [1.0, NAN, 0.0]])


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: mean_class_accuracy([0.1], [0]), "shape"),
        (lambda: mean_class_accuracy([[1.5]], [0]), r"outside \[0, 1\]"),
        (lambda: mean_class_accuracy(A, [0, 1]), "one a class"),
        (lambda: rank_group_accuracy(A, EXPERIENCES, [1, 2], group=TAIL), "2 counts"),
    ],
)
def test_refuses_what_does_not_fit(function, message):
    with pytest.raises(UserError, match=message):
        function()


def test_they_stand_among_the_metrics_with_formula_and_source():
    for key in BY_HAND:
        assert METRICS[key].higher_is_better
        assert METRICS[key].source
        assert METRICS[key].formula_latex
