"""Shares in per cent, as people round them."""

import pytest

from clnorm.results.percent import percent


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.0625, "6.3"), (-0.0625, "-6.3"), (0.6655, "66.6"), (1.0, "100.0"), (-0.0001, "0.0"), (0.1 + 0.2, "30.0")],
)
def test_halves_go_away_from_zero_and_nothing_has_no_sign(share, shown):
    assert percent(share) == shown


def test_a_sign_is_shown_where_it_is_asked_for():
    assert [percent(share, sign="+") for share in (0.0625, -0.0625)] == ["+6.3", "-6.3"]


def test_a_number_of_any_size_is_shown():
    assert percent(1e308) == f"1{'0' * 310}.0"
    assert percent(-1e-300) == "0.0"
