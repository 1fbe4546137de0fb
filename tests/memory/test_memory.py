"""The memory: its size, who stays when it is cut, and that a uniform choice stays uniform."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clnorm.errors import UserError
from clnorm.memory.herding import herd
from clnorm.memory.memory import Budget, Memory

LABELS = np.repeat(np.arange(3), [8, 2, 5])
IDS = np.arange(100, 115)


def filled(per_class=4, seed=0, **budget):
    memory = Memory(Budget(per_class, **{"total": None, **budget}))
    memory.update(IDS, LABELS, generator=np.random.default_rng(seed))
    return memory


@given(st.integers(1, 10), st.integers(0, 100))
def test_each_class_keeps_the_same_number_or_all_it_has(per_class, seed):
    memory = filled(per_class, seed)
    assert np.bincount(LABELS[memory.ids - 100], minlength=3).tolist() == [min(per_class, n) for n in (8, 2, 5)]
    assert memory.labels.tolist() == LABELS[memory.ids - 100].tolist()
    assert len(set(memory.ids)) == len(memory)


def test_the_choice_is_the_beginning_of_a_permutation_of_each_class():
    """Runs that were made before memories could be cut keep their bits."""
    generator = np.random.default_rng(3)
    expected = [generator.permutation(IDS[label == LABELS])[:4] for label in range(3)]
    assert filled(4, seed=3).ids.tolist() == np.concatenate(expected).tolist()


def test_it_grows_and_keeps_what_it_had():
    memory = filled()
    before = memory.ids.tolist()
    memory.update(np.array([200, 201]), np.array([7, 7]), generator=np.random.default_rng(1))
    assert memory.ids[: len(before)].tolist() == before
    assert sorted(memory.ids[len(before) :]) == [200, 201]


def test_a_total_is_shared_by_the_classes_seen_and_cut_from_the_end():
    memory = filled(None, total=7)
    assert Counter(memory.labels.tolist()) == {0: 3, 1: 2, 2: 2}
    first = memory.ids[memory.labels == 0].tolist()
    memory.update(np.arange(200, 210), np.full(10, 3), generator=np.random.default_rng(1))
    assert Counter(memory.labels.tolist()) == {0: 2, 1: 2, 2: 2, 3: 1}
    assert memory.ids[memory.labels == 0].tolist() == first[:2]


@pytest.mark.parametrize("budget", [{"per_class": 3, "total": None}, {"per_class": None, "total": 6}])
def test_a_class_that_comes_twice_is_sampled_uniformly_from_all_its_clips(budget):
    """Each of 3 + 9 clips of class 0 stays equally often: 3 of 12 in 1,000 memories, within 5 standard deviations."""
    kept, rounds = Counter(), 1000
    for seed in range(rounds):
        memory = Memory(Budget(**budget))
        for part in (np.arange(3), np.arange(3, 12)):
            labels = np.concatenate([np.zeros(len(part), dtype=int), np.ones(3, dtype=int)])
            ids = np.concatenate([part, 100 + part[:3]])
            memory.update(ids, labels, generator=np.random.default_rng([seed, len(part)]))
        kept.update(memory.ids[memory.labels == 0].tolist())
    spread = np.sqrt(rounds * 0.25 * 0.75)
    assert max(abs(kept[clip] - rounds / 4) for clip in range(12)) < 5 * spread


def test_a_reservoir_is_a_uniform_sample_of_all_clips_seen():
    kept, rounds = Counter(), 1000
    for seed in range(rounds):
        memory = Memory(Budget(None, 4, "reservoir"))
        for part in (np.arange(5), np.arange(5, 6), np.arange(6, 16)):
            memory.update(part, part // 8, generator=np.random.default_rng([seed, len(part)]))
        assert len(memory) == 4
        kept.update(memory.ids.tolist())
    spread = np.sqrt(rounds * 0.25 * 0.75)
    assert max(abs(kept[clip] - rounds / 4) for clip in range(16)) < 5 * spread


def test_payload_goes_with_its_clip():
    memory = filled(None, total=7)
    memory.add_payload(memory.ids, {"logits": torch.as_tensor(memory.ids).double()[:, None]})
    memory.update(np.arange(200, 210), np.full(10, 3), generator=np.random.default_rng(1))
    taken = memory.ids[memory.ids >= 200]
    memory.add_payload(taken, {"logits": torch.as_tensor(taken).double()[:, None]})
    assert memory.payload["logits"][:, 0].tolist() == memory.ids.tolist()


def test_a_state_is_the_whole_memory():
    memory = filled(None, total=7)
    memory.add_payload(memory.ids, {"logits": torch.as_tensor(memory.ids)})
    other = Memory(memory.budget)
    other.load_state_dict(memory.state_dict())
    for each in (memory, other):
        each.update(np.arange(200, 210), np.full(10, 3), generator=np.random.default_rng(1))
    assert other.ids.tolist() == memory.ids.tolist()
    assert other.payload["logits"].tolist() == memory.payload["logits"].tolist()


def herd_slowly(features, count):
    """Algorithm 4 of Rebuffi et al. 2017, as it stands there."""
    points = [row / np.linalg.norm(row) for row in features]
    mean, chosen = sum(points) / len(points), []
    for k in range(1, count + 1):
        distance = {
            i: np.linalg.norm(mean - (points[i] + sum(points[j] for j in chosen)) / k)
            for i in range(len(points))
            if i not in chosen
        }
        chosen.append(min(distance, key=distance.get))
    return chosen


@given(st.integers(0, 1000), st.integers(3, 12))  # of two clips, both are as far from their mean
def test_herding_is_the_algorithm_of_the_paper(seed, clips):
    features = np.random.default_rng(seed).standard_normal((clips, 5))
    assert herd(features, clips // 2).tolist() == herd_slowly(features, clips // 2)


def test_herding_keeps_its_order_when_the_memory_is_cut():
    points = np.random.default_rng(0).standard_normal((300, 4))
    memory = Memory(Budget(None, 8, "herding"))
    memory.update(IDS[:8], LABELS[:8], generator=np.random.default_rng(0), features=lambda ids: points[ids])
    chosen = memory.ids.tolist()
    own = herd_slowly(points[IDS[:8]], 8)
    assert [IDS[place] for place in own] == sorted(chosen, key=chosen.index)
    memory.update(np.arange(200, 210), np.full(10, 3), generator=np.random.default_rng(1), features=lambda i: points[i])
    assert memory.ids[memory.labels == 0].tolist() == chosen[:4]


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ((5, 50, "random"), "both: per_class=5 and total=50"),
        ((None, None, "random"), "neither"),
        ((5, None, "reservoir"), "select=reservoir samples from all clips alike"),
    ],
)
def test_a_memory_has_one_size(budget, words):
    with pytest.raises(UserError, match=words):
        Budget(*budget)


def test_a_total_smaller_than_the_classes_is_refused():
    with pytest.raises(UserError, match="total=4 clips cannot hold one of each of 5 classes; legal: total=5"):
        Budget(None, 4).check(5)
