"""A batch in pieces: the whole batch's gradient, Avalanche's hooks in their order, penalties once."""

import pytest
import torch
from avalanche.core import SupervisedPlugin
from avalanche.training.templates import SupervisedTemplate

from clnorm import run
from clnorm.errors import UserError
from clnorm.strategies.baselines import naive
from clnorm.training.trainer import ClipStrategy

HOOKS = [
    f"{when}_{what}"
    for what in ("training_exp", "training_epoch", "training_iteration", "forward", "backward", "update")
    for when in ("before", "after")
]


class Recorder(SupervisedPlugin, supports_distributed=True):
    """Writes down each hook that is called, with the clips, the loss and the outputs that it sees."""

    def __init__(self):
        super().__init__()
        self.calls = []


def _record(hook):
    def called(self, strategy, **kwargs):
        clips = len(strategy.mb_y) if strategy.mbatch is not None else 0
        self.calls.append((hook, clips, strategy.loss.detach().clone(), strategy.mb_output))

    return called


for _hook in HOOKS:
    setattr(Recorder, _hook, _record(_hook))


class Penalty(SupervisedPlugin, supports_distributed=True):
    """Adds the squared norm of the parameters to the loss, as EWC adds its penalty."""

    def before_backward(self, strategy, **kwargs):
        strategy.loss += 0.1 * sum(parameter.square().sum() for parameter in strategy.model.parameters())


def train(build_setup, *plugins, **changes):
    """Gradients before the first update, weights at the end, and steps of the optimizer, of one experience."""
    setup = build_setup(backbone="lsvit_nano:drop_path=0", train__epochs=1, train__grad_clip=0.0, **changes)
    torch.nn.init.normal_(setup.model.head.weight, generator=torch.Generator().manual_seed(0))
    gradients, rates = [], []

    class Spy(SupervisedPlugin):
        def before_update(self, strategy, **kwargs):
            gradients.append([parameter.grad.clone() for parameter in strategy.model.parameters()])
            rates.append(strategy.optimizer.param_groups[0]["lr"])

    ClipStrategy(setup=setup, plugins=[*plugins, Spy()]).train_experience(0)
    return gradients, rates


@pytest.mark.slow
@pytest.mark.parametrize("pieces", [2, 3, 4])
def test_gradients_in_pieces_are_those_of_the_whole_batch_penalty_included(build_setup, pieces):
    expected, rates = train(build_setup, Penalty())
    gradients, rates_in_pieces = train(build_setup, Penalty(), train__accumulate=pieces)
    assert rates_in_pieces == rates
    torch.testing.assert_close(gradients[0], expected[0], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_one_piece_is_avalanches_own_loop_to_the_bit(build_setup, monkeypatch):
    ours = Recorder()
    gradients, _ = train(build_setup, ours, Penalty())
    monkeypatch.setattr(ClipStrategy, "training_epoch", SupervisedTemplate.training_epoch)
    theirs = Recorder()
    expected, _ = train(build_setup, theirs, Penalty())
    assert [call[:2] for call in ours.calls] == [call[:2] for call in theirs.calls]
    assert all(torch.equal(call[2], other[2]) for call, other in zip(ours.calls, theirs.calls, strict=True))
    for step, other in zip(gradients, expected, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(step, other, strict=True))


def test_hooks_see_pieces_around_forward_and_backward_and_the_batch_elsewhere(build_setup):
    recorder = Recorder()
    train(build_setup, recorder, train__accumulate=3)
    first = [(hook, clips) for hook, clips, _, _ in recorder.calls][2 : 2 + 16]
    around = ["before_forward", "after_forward", "before_backward", "after_backward"]
    assert first == [
        ("before_training_iteration", 4),
        *((hook, clips) for clips in (2, 1, 1) for hook in around),
        ("before_update", 4),
        ("after_update", 4),
        ("after_training_iteration", 4),
    ]


@pytest.mark.slow
def test_the_batch_has_its_own_loss_and_outputs_after_the_pieces(build_setup):
    whole, pieces = Recorder(), Recorder()
    train(build_setup, whole)
    train(build_setup, pieces, train__accumulate=3)
    expected, given = (
        next(call for call in recorder.calls if call[0] == "after_update") for recorder in (whole, pieces)
    )
    torch.testing.assert_close(given[2], expected[2])
    torch.testing.assert_close(given[3], expected[3].detach(), rtol=1e-4, atol=1e-5)
    assert not given[3].requires_grad


@pytest.mark.slow
def test_a_smaller_last_batch_has_no_empty_piece(build_setup):
    # Eight clips in batches of five: the last one of three clips in four pieces.
    recorder = Recorder()
    train(build_setup, recorder, train__batch_size=5, train__accumulate=4)
    sizes = [clips for hook, clips, _, _ in recorder.calls if hook == "before_forward"]
    assert sizes == [2, 1, 1, 1, 1, 1, 1]


@pytest.mark.slow
def test_pieces_mix_what_stands_at_the_batchs_end(build_setup):
    from clnorm.strategies.replay import replay

    setup = build_setup(train__accumulate=2, train__epochs=1)
    seen = []

    class Spy(SupervisedPlugin):
        def before_forward(self, strategy, **kwargs):
            if strategy.experience.current_experience == 1 and len(strategy.mb_y) == 2:
                seen.append(int((strategy.mb_y < 2).sum()))

    strategy = replay(setup, per_class=2, share=0.5)
    strategy.plugins.insert(0, Spy())
    for index in range(2):
        strategy.train_experience(index)
    assert set(seen) == {1}


def test_more_pieces_than_clips_are_refused(build_setup):
    with pytest.raises(UserError, match=r"train\.accumulate: 5 pieces of a batch of 4 clips; legal: 1 to 4"):
        naive(build_setup(train__accumulate=5))


@pytest.mark.parametrize(
    ("norm", "pieces", "told"), [("bn", 2, True), ("prepbn", 4, True), ("ln", 2, False), ("bn", 1, False)]
)
def test_norms_that_see_a_piece_of_the_batch_are_told_of(build_setup, norm, pieces, told):
    setup, notes = build_setup(norm=norm, train__accumulate=pieces), []
    setup.reporter.note = notes.append
    naive(setup)
    at_once = f"{4 // pieces} clips at a time, not of 4."
    what = f"train.accumulate={pieces}: norms by batch compute their statistics of {at_once}"
    assert notes == ([what] if told else [])


@pytest.mark.slow
def test_the_record_has_the_number_of_clips_that_norms_see_at_once(tiny):
    at_once = [run(tiny(train__accumulate=pieces, train__epochs=1)).swap.get("clips_at_once") for pieces in (1, 3)]
    assert at_once == [None, 2]
