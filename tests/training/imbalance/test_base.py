"""How a method for unequal classes enters training: epochs, batches, counts, and what follows an experience."""

import numpy as np
import pytest
import torch

from clnorm.strategies.baselines import joint, naive
from clnorm.strategies.replay import replay

UNEQUAL = {"dataset": "synthetic:classes=4,train=6,test=2,imbalance=3", "train__epochs": 2}


def trained_ids(strategy, index):
    """The ids of each epoch's batches in experience `index`, which is trained."""
    from clnorm.training import epochs

    seen, plan = [], epochs.plan_epoch

    def recorded(*args, **options):
        seen.append(plan(*args, **options))
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(epochs, "plan_epoch", recorded)
        strategy.train_experience(index)
    return seen


def per_class(strategy, batches, index):
    ids = np.concatenate(batches)
    ids = ids[np.isin(ids, strategy.training_stream.experiences[index].train_ids)]
    return np.bincount(strategy.setup.stream.targets[ids], minlength=4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("none", lambda n: n.sum()),
        ("oversample", lambda n: 2 * n.max()),
        ("undersample", lambda n: 2 * n.min()),
        ("balanced", lambda n: n.sum()),
    ],
)
def test_epochs_clips_and_steps_are_what_was_announced(build_setup, method, expected):
    strategy = replay(build_setup(train__imbalance=method, **UNEQUAL), per_class=2, share=0.5)
    for index in range(2):
        counts = strategy.setup.stream.train_clips_per_class[list(strategy.setup.stream.experiences[index].classes)]
        strategy.monitor.clips_trained = 0
        epochs = trained_ids(strategy, index)
        shown = per_class(strategy, epochs[0], index)
        assert shown.sum() == expected(counts)
        if method in ("oversample", "undersample"):
            assert len(set(shown[shown > 0])) == 1
        passed = sum(len(batch) for epoch in epochs for batch in epoch)
        assert strategy.monitor.clips_trained == strategy.lengths.clips(index) == passed
        assert sum(map(len, epochs)) == strategy.lengths.steps(index)


@pytest.mark.slow
def test_the_memory_keeps_its_share_beside_a_sampler(build_setup):
    strategy = replay(build_setup(train__imbalance="oversample", **UNEQUAL), per_class=2, share=0.5)
    strategy.train_experience(0)
    memory = set(strategy.memory.tolist())
    for epoch in trained_ids(strategy, 1):
        assert all(sum(clip in memory for clip in batch.tolist()) == 2 for batch in epoch)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["balanced", "undersample", "feature_smote"])
def test_the_draws_are_the_same_for_every_norm(build_setup, method):
    plans = [
        [batch.tolist() for epoch in trained_ids(naive(build_setup(norm=norm, **UNEQUAL)), 0) for batch in epoch]
        for norm in ("ln", "bn")
    ]
    assert plans[0] == plans[1]


def test_joint_training_balances_all_classes(build_setup):
    strategy = joint(build_setup(train__imbalance="undersample", **UNEQUAL))
    assert per_class(strategy, trained_ids(strategy, 0)[0], 0).tolist() == [2, 2, 2, 2]


@pytest.mark.slow
def test_losses_go_by_what_an_epoch_shows_replay_included(build_setup):
    strategy = replay(build_setup(train__imbalance="logit_adjustment", **UNEQUAL), per_class=2, share=0.5)
    for index in range(2):
        shown = np.zeros(4)
        for epoch in trained_ids(strategy, index):
            shown += np.bincount(strategy.setup.stream.targets[np.concatenate(epoch)], minlength=4) / 2
        # Two of each old class are in memory, so that each epoch recalls both classes alike.
        np.testing.assert_allclose(strategy.balancing.shown, shown, atol=1)
        assert strategy.balancing.shown.sum().item() == shown.sum()
    assert strategy.balancing.clips[:2].tolist() == [2, 2]


@pytest.mark.slow
def test_without_memory_old_classes_have_no_clips(build_setup):
    strategy = naive(build_setup(train__imbalance="logit_adjustment", **UNEQUAL))
    head = []
    for index in range(2):
        strategy.train_experience(index)
        head.append(strategy.model.head.weight.detach().clone())
    assert strategy.balancing.shown[:2].tolist() == [0, 0]
    # What moves the rows of old classes is weight decay alone, which scales them.
    cosine = torch.nn.functional.cosine_similarity(head[0][:2], head[1][:2])
    torch.testing.assert_close(cosine, torch.ones(2))


@pytest.mark.slow
def test_the_deferred_part_of_ldam_begins_with_its_epoch(build_setup):
    strategy = naive(build_setup(train__imbalance="ldam:defer=0.5", **{**UNEQUAL, "train__epochs": 4}))
    seen, loss = [], strategy.balancing.loss

    def recorded(*args, **options):
        seen.append(strategy.balancing.done)
        return loss(*args, **options)

    strategy.balancing.loss = recorded
    strategy.train_experience(0)
    assert sorted(set(seen)) == [0.0, 0.25, 0.5, 0.75]
    assert seen == sorted(seen)


@pytest.mark.slow
def test_the_fisher_is_that_of_the_plain_likelihood(build_setup):
    from clnorm.strategies.ewc import EWCPlugin

    measured = []
    for method in ("none", "focal", "logit_adjustment", "class_balanced"):
        strategy = naive(build_setup(train__imbalance=method, **UNEQUAL))
        strategy.experience = strategy.benchmark.train_stream[0]
        measured.append(EWCPlugin(1.0, fisher="empirical").measure(strategy))
    for other in measured[1:]:
        assert all(torch.equal(other[name], held) for name, held in measured[0].items())
