"""Class orders and experiences, against the published ones and for every number of classes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clnorm.errors import UserError
from clnorm.streams.protocols import even, tcd

# Park et al. 2021 on HMDB51: the base classes, then the stages of five.
PUBLISHED = {
    1000: "9 34 8 43 29 6 3 26 2 15 45 39 50 16 17 19 49 4 32 44 22 31 11 12 5 14 | 10 21 18 13 37 | 33 42 35 24 47"
    " | 20 38 36 27 46 | 41 40 25 48 1 | 28 30 0 7 23",
    1993: "43 41 23 14 13 40 42 22 16 45 17 10 27 46 35 8 2 34 1 37 21 0 18 36 38 24 | 12 6 15 20 25 | 48 30 19 44 26"
    " | 7 28 11 5 32 | 4 9 47 39 31 | 3 29 50 49 33",
    2021: "15 19 13 34 11 32 49 8 39 41 4 40 31 48 25 23 9 42 35 14 10 37 28 5 20 46 | 18 47 17 3 16 | 2 26 36 1 7"
    " | 33 38 6 12 24 | 43 50 29 27 44 | 22 30 45 0 21",
}


@pytest.mark.parametrize("order", PUBLISHED)
def test_tcd_gives_the_published_orders(order):
    expected = [[int(label) for label in group.split()] for group in PUBLISHED[order].split("|")]
    assert tcd(51, seed=5, base=26, step=5, order=order) == expected


def test_tcd_single_steps():
    assert [len(group) for group in tcd(51, seed=0, base=26, step=1, order=1993)] == [26] + [1] * 25


@pytest.mark.parametrize(("base", "step"), [(26, 4), (52, 1)])
def test_tcd_sizes_must_add_up(base, step):
    with pytest.raises(UserError, match="51"):
        tcd(51, seed=0, base=base, step=step, order=1000)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 5))
def test_even_drops_no_class_and_sizes_differ_by_one_at_most(classes, experiences, seed):
    if experiences > classes:
        with pytest.raises(UserError, match="cannot be made"):
            even(classes, seed=seed, experiences=experiences)
        return
    groups = even(classes, seed=seed, experiences=experiences)
    sizes = [len(group) for group in groups]
    assert len(groups) == experiences
    assert sorted(label for group in groups for label in group) == list(range(classes))
    assert sizes == sorted(sizes)
    assert sizes[-1] - sizes[0] <= 1


def test_even_keeps_the_51st_class_in_ten_experiences():
    assert [len(group) for group in even(51, seed=0, experiences=10)] == [5] * 9 + [6]


def test_even_order_follows_the_seed():
    assert even(20, seed=1, experiences=4) == even(20, seed=1, experiences=4)
    assert even(20, seed=1, experiences=4) != even(20, seed=2, experiences=4)
