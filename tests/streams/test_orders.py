"""Hard and easy orders, against all orders there are, and the similarities that they go by."""

import itertools
import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clnorm.errors import UserError
from clnorm.streams.orders import arrange, mean_similarity, order_classes
from clnorm.streams.similarity import compare_names, read_similarity, write_similarity


def draw_similarity(seed, count):
    features = np.random.default_rng(seed).normal(size=(count, 4))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features @ features.T


def split(order, sizes):
    return [list(group) for group in np.split(np.asarray(order), np.cumsum(sizes)[:-1])]


def all_values(similarity, sizes):
    """S of every order, by its definition."""
    values = []
    for order in itertools.permutations(range(len(similarity))):
        groups = split(order, sizes)
        pairs = [similarity[a][b] for one, two in itertools.pairwise(groups) for a in one for b in two]
        values.append(sum(pairs) / len(pairs))
    return values


@pytest.mark.slow
@settings(max_examples=25)
@given(st.integers(0, 99), st.sampled_from([[2, 2, 2], [1, 1, 1, 1, 1], [3, 1, 2], [4, 2], [2, 2, 3]]))
def test_hard_and_easy_are_the_ends_of_all_orders(seed, sizes):
    similarity = draw_similarity(seed, sum(sizes))
    values = all_values(similarity, sizes)
    hard, easy = (split(arrange(similarity, sizes, hard=hard), sizes) for hard in (True, False))
    assert mean_similarity(similarity, hard) == pytest.approx(min(values))
    assert mean_similarity(similarity, easy) == pytest.approx(max(values))
    assert all(group == sorted(group) for group in [*hard, *easy])


def test_hard_is_far_below_random_orders_of_many_classes_and_easy_far_above():
    similarity, sizes = draw_similarity(0, 51), [5] * 9 + [6]
    drawn = [
        mean_similarity(similarity, split(np.random.default_rng(seed).permutation(51), sizes)) for seed in range(50)
    ]
    hard, easy = (
        mean_similarity(similarity, split(arrange(similarity, sizes, hard=hard), sizes)) for hard in (True, False)
    )
    assert hard < min(drawn) - 3 * np.std(drawn)
    assert easy > max(drawn) + 3 * np.std(drawn)


def test_one_experience_has_any_order():
    assert sorted(arrange(draw_similarity(1, 4), [4], hard=True)) == [0, 1, 2, 3]
    assert math.isnan(mean_similarity(draw_similarity(1, 4), [[0, 1, 2, 3]]))


def test_names_are_alike_by_their_trigrams():
    """`hand` and `hands` share three of four and five trigrams: " ha", "han", "and"."""
    found = compare_names(["hand", "hands", "KickBall", "kick_ball", "é"])
    assert found[0, 1] == pytest.approx(3 / math.sqrt(4 * 5))
    assert found[2, 3] == pytest.approx(1)
    assert found[0, 2] == 0
    np.testing.assert_allclose(np.diag(found), 1)
    np.testing.assert_array_equal(found, found.T)


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6))
def test_similarity_of_any_names_is_the_cosine_of_counts(names):
    found = compare_names(names)
    assert found.shape == (len(names), len(names))
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert (found <= 1 + 1e-12).all()


def test_trigrams_counted_by_hand():
    one, two = Counter([" ab", "aba", "bab", "ab "]), Counter([" ba", "bab", "ab "])
    dot = sum(one[key] * two[key] for key in one)
    lengths = math.sqrt(sum(n * n for n in one.values()) * sum(n * n for n in two.values()))
    assert compare_names(["abab", "bab"])[0, 1] == pytest.approx(dot / lengths)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "similarity.json"
    write_similarity(path, ["c", "a", "b"], np.array([[1, 0.5, 0.25], [0.5, 1, 0], [0.25, 0, 1]]), made={"by": "hand"})
    return path


def test_a_file_is_read_by_the_names_in_it(file):
    np.testing.assert_allclose(read_similarity(str(file), ["a", "c"]), [[1, 0.5], [0.5, 1]])
    order = order_classes(
        3, [1, 1, 1], seed=0, names=["a", "b", "c"], order="easy", similarity=str(file)
    )  # a and b are never neighbours
    assert order[1] == 2
    assert json.loads(file.read_text())["made"] == {"by": "hand"}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{", "is no JSON"),
        ("[]", "holds no similarities"),
        ('{"format": "clnorm class similarity 1", "classes": ["a"], "similarity": [[1, 2]]}', "not a square"),
        ('{"format": "clnorm class similarity 1", "classes": ["a"], "similarity": [["x"]]}', "not a square"),
        ('{"format": "clnorm class similarity 1", "classes": ["a"], "similarity": [[NaN]]}', "not a square"),
        ('{"format": "clnorm class similarity 1", "similarity": [[1]]}', "not a square"),
        (
            '{"format": "clnorm class similarity 1", "classes": ["a", "b"], "similarity": [[1, 0], [1, 1]]}',
            "not symmetric",
        ),
    ],
)
def test_a_file_that_holds_none(file, text, word):
    file.write_text(text)
    with pytest.raises(UserError, match=word):
        read_similarity(str(file), ["a"])


def test_a_class_that_the_file_lacks(file):
    with pytest.raises(UserError, match="there is no class 'aa' in it"):
        read_similarity(str(file), ["aa"])
    with pytest.raises(UserError, match="cannot be read"):
        read_similarity(str(file) + "x", ["a"])
