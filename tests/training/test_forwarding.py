"""Current clips and those of the memory in one forward pass, or in two."""

import numpy as np
import pytest
import torch

from clnorm.errors import UserError
from clnorm.training.epochs import plan_epoch
from clnorm.training.forwarding import has_half_of_one
from tests.training.strategies import STILL, create, running


def at_second_experience(build_setup, **changes):
    """A replay strategy in the second experience, with a batch that has 2 clips of each kind."""
    setup = build_setup(strategy="replay:per_class=2", backbone=STILL, train__batch_size=4, **changes)
    strategy = create(setup)
    strategy.train_experience(0)
    seen = []

    def hold():
        seen.append((strategy.batch, strategy.mb_output.detach().clone()))
        strategy._stop_training = True

    strategy.on_step = hold
    return strategy, seen


@pytest.mark.parametrize("norm", ["bn", "ln"])
def test_separate_halves_have_statistics_of_their_own(build_setup, norm):
    """By hand: each half passes a copy of the model alone; outputs and running statistics are those of the two."""
    strategy, seen = at_second_experience(build_setup, norm=norm, train__forward="separate", train__epochs=1)
    begun = {name: value.clone() for name, value in strategy.model.state_dict().items()}
    strategy.train_experience(1)
    batch, outputs = seen[0]
    assert batch.recalled.tolist() == [False, False, True, True]
    after = [norm.running_mean.clone() for norm in running(strategy.model)]
    strategy.model.load_state_dict(begun)
    strategy.model.train()
    with torch.no_grad():
        parts = [strategy.model(clips) for clips in (batch.clips[:2], batch.clips[2:])]
        means = [norm.running_mean.clone() for norm in running(strategy.model)]
        joint = strategy.model(batch.clips)
    torch.testing.assert_close(torch.cat(parts), outputs)
    torch.testing.assert_close(means, after)
    assert torch.allclose(joint, outputs, atol=1e-5) == (norm == "ln")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"norm": "tbbn"}, "weighs the experiences within one batch"),
        ({"norm": "adab2n"}, "weighs the experiences within one batch"),
        ({"norm": "bn:update=balanced"}, "weighs the experiences within one batch"),
        ({"norm": "bn", "train.batch_size": 2}, "whose statistics would be of one clip"),
        ({"norm": "bn", "train.accumulate": 4}, "whose statistics would be of one clip"),
        ({"data.mix": "mixup"}, "mixes current clips with those of the memory"),
        ({"train.imbalance": "ldam"}, "separate with ldam, whose loss reads what passed the model last"),
    ],
)
def test_what_cannot_pass_separately_is_refused(build_setup, changes, words):
    setup = build_setup(**{"strategy": "replay:per_class=2", "train__forward": "separate", **changes})
    with pytest.raises(UserError, match=words):
        create(setup)


def test_a_strategy_without_memory_says_that_there_is_nothing_to_separate(build_setup):
    setup, notes = build_setup(strategy="naive", train__forward="separate"), []
    setup.reporter.note = notes.append
    create(setup)
    assert notes == ["train.forward=separate changes nothing for naive, whose batches have no clips of a memory."]


def test_a_half_of_one_clip_is_fine_for_norms_of_single_clips(build_setup):
    create(build_setup(strategy="replay:per_class=2", train__forward="separate", train__batch_size=2, norm="ln"))


@pytest.mark.parametrize("imbalance", ["class_balanced", "focal", "logit_adjustment", "oversample"])
def test_losses_of_outputs_alone_pass_separately(build_setup, imbalance):
    options = {"train__imbalance": imbalance, "train__forward": "separate", "norm": "ln"}
    create(build_setup(strategy="replay:per_class=2", **options))


@pytest.mark.parametrize("forward", ["joint", "separate"])
def test_what_norms_add_to_the_loss_counts_once_whatever_passes_together(build_setup, forward):
    """Each half by its share of the clips, so that a mean over clips is the batch's, and a constant is itself."""
    options = {"backbone": STILL, "train__forward": forward, "train__epochs": 1, "norm": "ln"}
    setup = build_setup(strategy="replay:per_class=2,share=0.25", train__batch_size=4, **options)
    strategy, steps = create(setup), []

    def leave(model, inputs, outputs):
        model.auxiliary_loss = inputs[0].mean() + 1

    def hold():
        batch = strategy.batch
        steps.append(batch.recalled.tolist())
        expected = strategy.classify(strategy.mb_output.float(), batch) + batch.clips.mean() + 1
        assert strategy.loss.item() == pytest.approx(expected.item(), rel=1e-5)

    strategy.model.register_forward_hook(leave)
    strategy.on_step = hold
    for index in range(2):
        strategy.train_experience(index)
    assert steps[2:] == [[False] * 3 + [True]] * 2 + [[False] * 2 + [True]]


@pytest.mark.parametrize("accumulate", [1, 2, 3, 7])
@pytest.mark.parametrize("recalled", [1, 2, 3, 5])
def test_which_batches_have_a_half_of_one_clip_as_they_are_cut(accumulate, recalled):
    for own in range(1, 9):
        kinds = torch.arange(own + recalled) >= own
        pieces = min(accumulate, own + recalled)
        cut = [kinds[start::pieces].tolist() for start in range(pieces)]
        assert has_half_of_one(own, recalled, accumulate) == any(
            piece.count(kind) == 1 for piece in cut for kind in (0, 1)
        )


@pytest.mark.parametrize(
    ("norm", "train", "noted"),
    # Two experiences with 2 classes: 2, 4 or 5 clips of each are cut into 3 current ones a batch of 6.
    [("bn", 5, True), ("bn", 4, False), ("bn", 2, True), ("ln", 5, False)],
)
def test_a_last_batch_with_a_half_of_one_clip_is_told_of(build_setup, norm, train, noted):
    dataset, notes = f"synthetic:classes=4,train={train},test=2", []
    options = {"train__forward": "separate", "train__batch_size": 6, "norm": norm, "dataset": dataset}
    setup = build_setup(strategy="replay:per_class=2", **options)
    setup.reporter.note = notes.append
    lengths = create(setup).lengths
    ids = setup.stream.experiences[1].train_ids
    last = plan_epoch(ids, ids[:4], batch_size=6, recalled=3, generator=np.random.default_rng(0))[-1]
    assert sum(lengths.last_batch(1)) == len(last)
    expected = (
        f"train.forward=separate: in experience 2 the last batch of each epoch passes a half of one clip, and the norm "
        f"{norm} takes its statistics from that clip alone."
    )
    assert notes == ([expected] if noted else [])
