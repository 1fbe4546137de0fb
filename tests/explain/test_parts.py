"""Forgetting cut into parts: by hand, and that they sum to it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clnorm.errors import UserError
from clnorm.evaluation.formulas.matrix import forgetting
from clnorm.explain.parts import best_before, split_forgetting

R = [[0.9, None, None], [0.95, 0.8, None], [0.2, 0.85, 1.0]]
SHARES = st.lists(st.floats(0, 1), min_size=3, max_size=3).map(np.array)


def test_the_best_is_of_the_steps_before_the_last():
    assert best_before(R).tolist() == [0.95, 0.8]
    assert (best_before(R) - np.array([0.2, 0.85])).mean() == pytest.approx(
        forgetting([[np.nan if value is None else value for value in row] for row in R])
    )


@pytest.mark.parametrize("matrix", [[[0.5, 0.5]], [[0.5]], [], [[None, None], [0.5, 0.5]], [[0.5, None], [None, 0.5]]])
def test_a_matrix_without_old_experiences_is_refused(matrix):
    with pytest.raises(UserError, match="no old experience"):
        best_before(matrix)


def test_the_parts_by_hand_in_both_orders():
    best, final, both = np.array([0.9]), np.array([0.2]), np.array([0.8])
    parts = split_forgetting(best, final, np.array([0.3]), both, statistics_first=True)
    shown = [parts.forgetting, parts.statistics, parts.head, parts.features]
    assert np.concatenate(shown) == pytest.approx([0.7, 0.1, 0.5, 0.1])
    parts = split_forgetting(best, final, np.array([0.75]), both, statistics_first=False)
    shown = [parts.forgetting, parts.statistics, parts.head, parts.features]
    assert np.concatenate(shown) == pytest.approx([0.7, 0.05, 0.55, 0.1])


@settings(max_examples=40)
@given(SHARES, SHARES, SHARES, SHARES, st.booleans())
def test_the_parts_sum_to_the_whole(best, final, first, both, statistics_first):
    parts = split_forgetting(best, final, first, both, statistics_first=statistics_first)
    np.testing.assert_allclose(parts.statistics + parts.head + parts.features, parts.forgetting, atol=1e-15)
    np.testing.assert_array_equal(parts.forgetting, best - final)
