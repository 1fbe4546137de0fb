"""Class orders and experiences, against the published ones and for every number of classes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clnorm.catalogue import PROTOCOLS
from clnorm.data.augment.looks import Look
from clnorm.errors import UserError
from clnorm.streams.protocols import (
    blurry,
    domain_incremental,
    even,
    online,
    task_incremental,
    tcd,
    tcd_1x25,
    tcd_5x5,
    vclimb,
)
from clnorm.streams.stream import cut_classes

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


@pytest.mark.parametrize("order", PUBLISHED)
def test_tcd_by_name_is_the_published_cut(order):
    groups = [[int(label) for label in group.split()] for group in PUBLISHED[order].split("|")]
    assert tcd_5x5(51, seed=3, order=order) == groups
    later = [label for group in groups[1:] for label in group]
    assert tcd_1x25(51, seed=3, order=order) == [groups[0], *([label] for label in later)]


@pytest.mark.parametrize("cut", [tcd_5x5, tcd_1x25])
@pytest.mark.parametrize("classes", [31, 50, 52, 101])
def test_tcd_by_name_is_for_51_classes(cut, classes):
    with pytest.raises(UserError, match=f"a cut of 51 classes, and there are {classes}.*HMDB51"):
        cut(classes, seed=0)


def test_vclimb_states_a_remainder_and_has_one_order_for_all_seeds():
    cut = vclimb(51, seed=1, experiences=10)
    assert [len(group) for group in cut.classes] == [5] * 9 + [6]
    assert cut.note == "51 classes are not 10 equal experiences: they are 9 experiences of 5 and 1 experience of 6"
    assert vclimb(51, seed=2, experiences=10) == cut
    assert vclimb(100, seed=2, experiences=20).note == ""
    assert vclimb(51, seed=1, order="seed") != vclimb(51, seed=2, order="seed")


def test_random_n_is_the_order_that_seed_n_draws():
    assert even(12, seed=7, order="random:3") == even(12, seed=3)


def test_online_is_even_and_task_incremental_says_that_tasks_are_known():
    assert online(9, seed=4, experiences=3) == even(9, seed=4, experiences=3)
    cut = task_incremental(9, seed=4, experiences=3)
    assert (cut.classes, cut.knows_tasks) == (even(9, seed=4, experiences=3), True)
    assert blurry(9, seed=4, experiences=3, share=0.3).share == 0.3


NAMES = [f"class_{letter}" for letter in "hgfedcba"]


def test_alphabetical_and_official_differ_where_the_list_is_not_sorted():
    assert even(8, seed=0, names=NAMES, experiences=2, order="official") == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert even(8, seed=0, names=NAMES, experiences=2, order="alphabetical") == [[7, 6, 5, 4], [3, 2, 1, 0]]


@pytest.mark.parametrize(
    ("order", "word"),
    [
        ("hardest", "did you mean 'hard'"),
        ("random", "did you mean 'random:N'"),
        ("random:-1", "N is a whole number"),
        ("random:1.5", "N is a whole number"),
        ("random:x", "N is a whole number"),
        ("", "is not legal; legal: alphabetical, easy"),
    ],
)
def test_an_order_that_there_is_not(order, word):
    with pytest.raises(UserError, match=word):
        even(8, seed=0, names=NAMES, experiences=2, order=order)


@pytest.mark.parametrize("order", ["hard", "easy"])
def test_one_experience_is_neither_hard_nor_easy(order):
    with pytest.raises(UserError, match="one experience has no other to be like"):
        even(8, seed=0, names=NAMES, experiences=1, order=order)


def test_a_similarity_that_nothing_goes_by_is_refused():
    with pytest.raises(UserError, match="order=seed goes by no similarity"):
        even(8, seed=0, names=NAMES, similarity="some.json")


@pytest.mark.parametrize("change", ["brightness", "contrast", "blur", "colour"])
def test_domains_begin_as_recorded_and_end_at_full_strength(change):
    cut = domain_incremental(4, seed=0, change=change, experiences=3, strength=0.8)
    assert cut.classes == [[0, 1, 2, 3]] * 3
    assert cut.looks[0] == Look()
    last = {
        "brightness": Look(brightness=0.8),
        "contrast": Look(contrast=0.2),
        "blur": Look(blur=0.05),
        "colour": Look(hue=0.4),
    }
    for name, value in vars(last[change]).items():
        assert getattr(cut.looks[2], name) == pytest.approx(value)
        assert getattr(cut.looks[1], name) == pytest.approx((value + getattr(Look(), name)) / 2)


def test_sources_keep_their_look():
    cut = domain_incremental(4, seed=0, change="source", experiences=2)
    assert (cut.divided, cut.looks) == ("sources", ())


CLASS_CUTS = ["even", "vclimb", "online", "task-incremental", "blurry"]


@settings(max_examples=50)
@given(st.sampled_from(CLASS_CUTS), st.integers(2, 30), st.integers(2, 30), st.integers(0, 5), st.data())
def test_every_class_is_in_exactly_one_experience(name, classes, experiences, seed, data):
    orders = ["seed", "random:4", "official", "alphabetical", "hard", "easy"]
    order = data.draw(st.sampled_from(orders))
    names = [f"word{label % 7} other{label}" for label in range(classes)]
    spec = PROTOCOLS.parse(f"{name}:experiences={experiences},order={order}")
    if experiences > classes:
        with pytest.raises(UserError, match="cannot be made"):
            cut_classes(spec, names, seed=seed)
        return
    cut = cut_classes(spec, names, seed=seed)
    sizes = [len(group) for group in cut.classes]
    assert sorted(label for group in cut.classes for label in group) == list(range(classes))
    assert len(sizes) == experiences
    assert sizes[-1] - sizes[0] in (0, 1)
    assert cut_classes(spec, names, seed=seed) == cut
