"""Current clips and those of the memory in one forward pass, or in two."""

import pytest
import torch

from clnorm.errors import UserError
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
