"""Splits that no list gives: the long tail, the added unused clips, and the cut by group."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clnorm.data.datasets.splits import add_unused, count_long_tail, induce_long_tail, leaking_groups, split_by_group
from clnorm.errors import UserError


def make_frame(rows):
    return pd.DataFrame(rows, columns=["label", "split", "group"])


def balanced(classes, train, test=3):
    splits = ["train"] * train + ["test"] * test
    return make_frame([(label, use, f"{label}-{i}") for label in range(classes) for i, use in enumerate(splits)])


def test_the_long_tail_worked_by_hand():
    """100 * 10^(-c/2) = 100, 31.6, 10; and 70 * 100^(-c/3) = 70, 15.08, 3.25, 0.7."""
    assert count_long_tail(100, 3, imbalance=10) == [100, 32, 10]
    assert count_long_tail(70, 4, imbalance=100) == [70, 15, 3, 1]
    assert count_long_tail(7, 1, imbalance=5) == [7]


def test_an_induced_long_tail_has_the_counts_and_leaves_test_clips_alone():
    frame = balanced(5, 40)
    split = induce_long_tail(frame, imbalance=10, seed=1, where="toy")
    counts = frame.assign(split=split).groupby(["label", "split"]).size().unstack(fill_value=0)
    assert sorted(counts["train"], reverse=True) == count_long_tail(40, 5, imbalance=10) == [40, 22, 13, 7, 4]
    assert (counts["test"] == 3).all()
    assert (counts.sum(axis=1) == 43).all()
    assert frame["split"].tolist() == balanced(5, 40)["split"].tolist()


def test_the_long_tail_follows_its_seed_and_is_nested():
    frame = balanced(5, 40)
    kept = {
        (ratio, seed): set(
            np.flatnonzero(induce_long_tail(frame, imbalance=ratio, seed=seed, where="toy") == "train").tolist()
        )
        for ratio in (2, 10)
        for seed in (0, 1)
    }
    again = induce_long_tail(frame, imbalance=10, seed=1, where="toy")
    assert set(np.flatnonzero(again == "train").tolist()) == kept[10, 1]
    assert kept[10, 0] < kept[2, 0]
    assert kept[10, 0] != kept[10, 1]


def test_imbalance_one_leaves_unequal_classes_as_they_are():
    frame = make_frame([(0, "train", "a"), (0, "train", "b"), (1, "train", "c"), (1, "test", "d")])
    assert induce_long_tail(frame, imbalance=1, seed=0, where="toy").tolist() == frame["split"].tolist()


def test_unequal_classes_come_down_to_what_each_has():
    frame = pd.concat([balanced(1, 40), balanced(1, 20).assign(label=1)], ignore_index=True)
    split = induce_long_tail(frame, imbalance=4, seed=0, where="toy")
    assert sorted(frame["label"][split == "train"].value_counts()) == [5, 20]


def test_a_class_without_a_clip_left_is_an_error():
    with pytest.raises(UserError, match=r"toy: option 'imbalance'.* at most 4, the training clips that every class"):
        induce_long_tail(balanced(3, 4), imbalance=50, seed=0, where="toy")


def test_unused_clips_of_a_test_source_of_the_same_class_stay_out():
    frame = make_frame(
        [
            (0, "test", "film"),
            (0, "unused", "film"),  # leaks
            (0, "unused", "other"),
            (1, "unused", "film"),  # the same source, but of another class
            (1, "train", "a"),
        ]
    )
    assert add_unused(frame).tolist() == ["test", "unused", "train", "train", "train"]


def test_leaking_groups_are_named():
    frame = make_frame([(0, "train", "b"), (1, "test", "b"), (0, "train", "a"), (0, "unused", "c"), (0, "test", "c")])
    assert leaking_groups(frame) == ["b"]


def test_the_cut_by_group_worked_by_hand():
    """Groups of 6, 3 and 1 of 10 clips, 3 of them wanted. Shuffled 6, 3, 1 and 6, 1, 3 give {6}; 3 first gives {3};
    1, 3, 6 gives {1, 3}, since 4 is closer than 1; and 1, 6, 3 gives {1}."""
    groups = np.repeat([0, 1, 2], [6, 3, 1])
    chosen = set()
    for seed in range(40):
        tested = split_by_group(np.zeros(10, dtype=np.int64), groups, test_share=0.3, seed=seed)
        chosen.add(tuple(sorted(set(groups[tested].tolist()))))
    assert chosen == {(0,), (1,), (1, 2), (2,)}


@pytest.mark.slow
@settings(max_examples=60)
@given(
    sizes=st.lists(st.lists(st.integers(1, 5), min_size=2, max_size=8), min_size=1, max_size=5),
    share=st.floats(0.05, 0.95),
    seed=st.integers(0, 1000),
)
def test_no_group_is_divided_and_no_class_is_emptied(sizes, share, seed):
    labels = np.array([label for label, own in enumerate(sizes) for size in own for _ in range(size)])
    groups = np.array(
        [f"{label}-{k}" for label, own in enumerate(sizes) for k, size in enumerate(own) for _ in range(size)]
    )
    codes = pd.factorize(groups, sort=True)[0]
    tested = split_by_group(labels, codes, test_share=share, seed=seed)
    assert set(groups[tested]).isdisjoint(groups[~tested])
    for label, own in enumerate(sizes):
        count = int(tested[labels == label].sum())
        assert 0 < count < sum(own)
        # No choice of one group fewer or more is off by more than the largest group.
        assert abs(count - share * sum(own)) <= max(max(own), share * sum(own), (1 - share) * sum(own))
    order = np.random.default_rng(0).permutation(len(labels))
    assert (split_by_group(labels[order], codes[order], test_share=share, seed=seed) == tested[order]).all()


def test_a_group_of_several_classes_stays_whole():
    """`film` holds most of class 1's clips; both of its classes' clips go to the same side."""
    labels = np.array([0, 1, 1, 0, 0, 1, 1])
    groups = np.array([0, 0, 0, 1, 2, 3, 4])
    for seed in range(10):
        tested = split_by_group(labels, groups, test_share=0.5, seed=seed)
        assert len(set(tested[:3])) == 1


def test_a_class_of_one_group_has_no_test_clip():
    tested = split_by_group(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2]), test_share=0.5, seed=0)
    assert tested[:2].sum() == 0
    assert tested[2:].sum() == 1
