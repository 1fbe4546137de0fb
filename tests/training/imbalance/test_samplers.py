"""Samplers: how often each class is drawn, which clips, in what order; and the counts that losses go by."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clnorm.training.epochs import plan_epoch
from clnorm.training.imbalance.samplers import BALANCED, OVERSAMPLE, SQRT, UNDERSAMPLE, count_classes, draw_quotas

COUNTS = st.lists(st.integers(1, 40), min_size=1, max_size=8)
ALL = [OVERSAMPLE, UNDERSAMPLE, BALANCED, SQRT]


def clips(counts):
    """Ids from 1000 on and labels of classes 3, 5, 7, ..., in an order that is not by class."""
    labels = np.repeat(3 + 2 * np.arange(len(counts)), counts)
    ids = 1000 + np.random.default_rng(0).permutation(len(labels))
    return ids, labels


def drawn(sampler, counts, seed=0):
    ids, labels = clips(counts)
    chosen = sampler.draw(ids, labels, np.random.default_rng(seed))
    label_of = dict(zip(ids.tolist(), labels.tolist(), strict=True))
    per_class = [sum(label_of[clip] == label for clip in chosen.tolist()) for label in np.unique(labels).tolist()]
    return chosen, per_class


@given(COUNTS)
def test_over_and_undersampling_make_all_classes_equal(counts):
    chosen, per_class = drawn(OVERSAMPLE, counts)
    assert per_class == [max(counts)] * len(counts)
    assert set(chosen) == set(clips(counts)[0]), "oversampling loses no clip"
    chosen, per_class = drawn(UNDERSAMPLE, counts)
    assert per_class == [min(counts)] * len(counts)
    assert len(set(chosen)) == len(chosen), "undersampling repeats no clip"


@pytest.mark.slow
@given(COUNTS, st.integers(0, 50))
def test_the_others_keep_the_epochs_length_and_hand_out_whole_shares(counts, seed):
    total = sum(counts)
    _, per_class = drawn(BALANCED, counts, seed)
    assert sum(per_class) == total
    assert all(abs(n - total / len(counts)) < 1 for n in per_class)
    _, per_class = drawn(SQRT, counts, seed)
    roots = [n**0.5 for n in counts]
    assert sum(per_class) == total
    assert all(abs(n - total * r / sum(roots)) < 1 for n, r in zip(per_class, roots, strict=True))


def test_by_hand():
    # Square roots 3, 2, 1 of 6 parts: of 14 clips 7, 4.67 and 2.33.
    assert {tuple(drawn(SQRT, [9, 4, 1], seed)[1]) for seed in range(30)} == {(7, 5, 2), (7, 4, 3)}
    assert {tuple(drawn(BALANCED, [9, 2, 1], seed)[1]) for seed in range(30)} == {(4, 4, 4)}


@pytest.mark.parametrize("sampler", ALL)
def test_no_clip_is_drawn_again_before_all_of_its_class_were(sampler):
    counts = [17, 5, 1, 8]
    chosen, per_class = drawn(sampler, counts)
    times = dict(zip(*np.unique(chosen, return_counts=True), strict=True))
    ids, labels = clips(counts)
    for label, quota, count in zip(np.unique(labels), per_class, counts, strict=True):
        often = [int(times.get(clip, 0)) for clip in ids[labels == label]]
        assert max(often) - min(often) <= 1
        assert sum(often) == quota
        assert max(often) == -(-quota // count)


@pytest.mark.parametrize("sampler", ALL)
def test_the_draw_follows_the_generator_and_its_length_the_counts(sampler):
    counts = [17, 5, 2, 8]
    assert drawn(sampler, counts, 1)[0].tolist() == drawn(sampler, counts, 1)[0].tolist()
    assert drawn(sampler, counts, 1)[0].tolist() != drawn(sampler, counts, 2)[0].tolist()
    assert len(drawn(sampler, counts, 3)[0]) == sampler.length(np.array(counts))


def test_undersampling_leaves_out_others_in_each_epoch():
    generator = np.random.default_rng(0)
    ids, labels = clips([30, 3])
    epochs = [set(UNDERSAMPLE.draw(ids, labels, generator)) for _ in range(60)]
    assert set().union(*epochs) == set(ids)


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=9), st.integers(0, 200), st.integers(0, 99))
def test_quotas_add_up_and_are_rounded_shares(weights, total, seed):
    shares = np.array(weights) / sum(weights)
    quotas = draw_quotas(shares, total, generator=np.random.default_rng(seed))
    assert quotas.sum() == total
    assert (np.abs(quotas - shares * total) < 1 + 1e-8).all()


@pytest.mark.slow
def test_quotas_are_exact_in_expectation():
    shares, generator = np.array([0.11, 0.26, 0.63]), np.random.default_rng(0)
    mean = np.mean([draw_quotas(shares, 7, generator=generator) for _ in range(20_000)], axis=0)
    np.testing.assert_allclose(mean, shares * 7, atol=0.02)


def test_counts_by_hand_and_as_the_batches_have_them():
    # Classes 2 and 3 are new, with 6 and 2 clips; memory holds 3 of class 0 and 1 of class 1. Batches of 4 with half
    # from memory: 4 steps, which recall 8 clips, each of the 4 twice.
    current, memory = np.array([2] * 6 + [3] * 2), np.array([0, 0, 0, 1])
    counts = count_classes(current, memory, recalled=8, num_classes=5)
    assert counts.clips.tolist() == [3, 1, 6, 2, 0]
    assert counts.shown.tolist() == [6, 2, 6, 2, 0]
    labels = np.concatenate([current, memory])
    batches = plan_epoch(np.arange(8), np.arange(8, 12), batch_size=4, recalled=2, generator=np.random.default_rng(0))
    assert np.bincount(labels[np.concatenate(batches)], minlength=5).tolist() == counts.shown.tolist()


def test_counts_are_the_expectation_where_a_shuffle_is_cut_off():
    current, memory = np.full(10, 1), np.array([0, 0, 0, 2])
    counts = count_classes(current, memory, recalled=10, num_classes=3)
    labels, seen = np.concatenate([current, memory]), np.zeros(3)
    for seed in range(2000):
        generator = np.random.default_rng(seed)
        batches = plan_epoch(np.arange(10), np.arange(10, 14), batch_size=4, recalled=2, generator=generator)
        seen += np.bincount(labels[np.concatenate(batches)], minlength=3)
    np.testing.assert_allclose(counts.shown, seen / 2000, rtol=0.02)


def test_without_memory_a_class_counts_its_clips():
    counts = count_classes(np.array([1, 1, 0]), np.empty(0, dtype=np.int64), recalled=0, num_classes=3)
    assert counts.shown.tolist() == counts.clips.tolist() == [1, 2, 0]
