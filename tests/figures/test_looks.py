"""A norm looks the same in every figure, and no two look alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clnorm.catalogue import NORMS
from clnorm.errors import UserError
from clnorm.figures.looks import looks_of
from clnorm.figures.of_matrices import plot_accuracy
from tests.figures.test_figures import matrices

OWN = [name for name in NORMS.names() if isinstance(NORMS.get(name).target, str)]
OTHERS = [*(f"bn:momentum=0.{digit}" for digit in range(9)), "my.norms:Mine", "cn (transductive)"]


def test_a_norm_of_the_catalogue_looks_the_same_whatever_stands_beside_it():
    together = looks_of(OWN)
    assert len(set(together.values())) == len(OWN) == 17
    for name in OWN:
        assert looks_of([name]) == {name: together[name]}
        assert looks_of(["aa.bb:C", *OTHERS, name])[name] == together[name]


def test_a_norm_is_drawn_in_its_colour_whichever_others_are():
    frame = matrices()

    def drawn(rows):
        (line,) = (line for line in plot_accuracy(rows).axes[0].lines if len(line.get_xdata()) == 2 and is_cn(line))
        return line.get_color(), line.get_marker(), line.get_linestyle()

    def is_cn(line):
        return line.get_ydata()[0] == 45.0

    assert drawn(frame) == drawn(frame[frame["norm"] == "cn"])


def test_the_norms_that_are_compared_most_have_a_colour_each():
    most = looks_of(["ln", "bn", "gn", "cn", "in", "rms", "brn", "sn"])
    assert len({look.color for look in most.values()}) == 8


@given(st.lists(st.sampled_from([*OWN, *OTHERS]), unique=True))
def test_no_two_are_alike_and_the_order_does_not_matter(names):
    looks = looks_of(names)
    assert list(looks) == names
    for parts in (("color", "marker", "fillstyle"), ("marker", "linestyle", "fillstyle"), ("color", "hatch")):
        assert len({tuple(str(getattr(look, part)) for part in parts) for look in looks.values()}) == len(names), parts
    assert looks_of(names[::-1]) == looks


def test_a_norm_with_options_has_a_colour_that_no_other_has_and_no_look_of_the_catalogue():
    name = "bn:recalibrate=buffer"
    looks = looks_of(["bn", name, "cn"])
    assert len({look.color for look in looks.values()}) == 3
    assert looks[name] not in looks_of(OWN).values()
    assert looks_of(["bn", name])[name] == looks[name]


def test_more_norms_than_looks_are_refused():
    with pytest.raises(UserError, match="48 norms with options or of plug-ins; legal: up to 47"):
        looks_of([f"m:N{index}" for index in range(48)])
