"""What norms are told in training, and what they add to the loss."""

from copy import deepcopy

import pytest
import torch
from avalanche.core import SupervisedPlugin

from clnorm.norms.batch import BatchNorm
from clnorm.norms.layer import LayerNorm
from clnorm.training.trainer import ClipStrategy
from tests.training.strategies import STATISTICS, STILL, create, running, state_of


class Targets(SupervisedPlugin):
    """Writes down the targets of each forward pass."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def before_forward(self, strategy, **kwargs):
        self.seen.append(strategy.mb_y.tolist())


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["naive", "replay:per_class=2", "joint"])
def test_each_forward_pass_is_told_whose_clips_it_has_and_how_far_the_run_is(build_setup, told, strategy):
    setup = build_setup(strategy=strategy, norm="bn")
    built, targets = create(setup), Targets()
    built.plugins.append(targets)
    steps = range(len(built.training_stream.experiences))
    for index in steps:
        built.train_experience(index)
    contexts = [context for context in told if context is not None]
    # Two classes an experience, in the order of the outputs; joint training has one experience only.
    owner = [[0 if strategy == "joint" else target // 2 for target in seen] for seen in targets.seen]
    assert [context.tasks.tolist() for context in contexts] == owner
    count = {"naive": 2 * (2 + 2), "joint": 2 * 4, "replay:per_class=2": 2 * (2 + 4)}[strategy]
    assert [context.progress for context in contexts] == [step / count for step in range(count)]
    in_first = count if strategy == "joint" else 4
    assert [context.experience for context in contexts] == [0] * in_first + [1] * (count - in_first)
    remembers = strategy == "replay:per_class=2"  # once the first experience is over
    assert [context.has_memory for context in contexts] == [remembers and step >= 4 for step in range(count)]


@pytest.mark.slow
def test_pieces_are_told_of_their_own_clips_and_of_one_step(build_setup, told):
    setup = build_setup(strategy="replay:per_class=2", norm="bn", train__accumulate=2, train__epochs=1)
    built, targets = create(setup), Targets()
    built.plugins.append(targets)
    for index in range(2):
        built.train_experience(index)
    contexts = [context for context in told if context is not None]
    assert [context.tasks.tolist() for context in contexts] == [[t // 2 for t in seen] for seen in targets.seen]
    assert {len(context.tasks) for context in contexts} == {2}
    assert [context.progress for context in contexts] == [step / 6 for step in range(6) for _ in range(2)]


@pytest.mark.slow
def test_a_continued_run_is_told_the_same_progress(build_setup, told):
    options = {"strategy": "replay:per_class=2", "norm": "bn", "train__epochs": 1}
    first = create(build_setup(**options))
    first.train_experience(0)
    continued = create(build_setup(**options))
    continued.load_state_dict(first.state_dict())
    told.clear()
    continued.train_experience(1)
    assert [context.progress for context in told if context is not None] == [2 / 6, 3 / 6, 4 / 6, 5 / 6]


class Pulling(LayerNorm):
    """A norm that adds the sum of its weights, in a graph, to the loss."""

    def normalize(self, x):
        if self.training:
            self.auxiliary_loss = 0.25 * self.weight.sum() + 0 * x.sum()
        return super().normalize(x)


def gradients(setup):
    """The gradients of all norms' weights before the first step, and the strategy after its first experience."""
    found = []

    class Spy(SupervisedPlugin):
        def before_update(self, strategy, **kwargs):
            if not found:
                norms = [module for module in strategy.model.modules() if isinstance(module, LayerNorm)]
                found.extend(norm.weight.grad.clone() for norm in norms)

    built = ClipStrategy(setup=setup, plugins=[Spy()])
    built.train_experience(0)
    return found, built


@pytest.mark.slow
@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_what_norms_add_to_the_loss_enters_the_gradient_once_and_leaves_nothing_behind(
    build_setup, pieces, checkpointing
):
    options = {"backbone": STILL, "train__epochs": 1, "train__grad_clip": 0.0, "train__ema": 0.5}
    plain, _ = gradients(build_setup(**options))
    setup = build_setup(train__accumulate=pieces, train__checkpointing=checkpointing, **options)
    for module in setup.model.modules():
        if type(module) is LayerNorm:
            module.__class__ = Pulling
    pulled, built = gradients(setup)
    assert len(plain) == 13
    for without, with_it in zip(plain, pulled, strict=True):
        torch.testing.assert_close(with_it - without, torch.full_like(without, 0.25), rtol=1e-4, atol=1e-5)
    copied = deepcopy(built.model)  # a tensor in a graph could not be copied
    for model in (built.model, built.evaluated_model, copied):
        norms = [module for module in model.modules() if isinstance(module, LayerNorm)]
        assert len(norms) == 13
        assert all(norm.context is None and getattr(norm, "auxiliary_loss", None) is None for norm in norms)


@pytest.mark.slow
def test_the_fisher_is_told_of_each_single_clip(build_setup):
    setup, tasks = build_setup(strategy="ewc:lam=10", norm="bn", train__epochs=1), []

    class Asking(BatchNorm):
        def by_running(self, x):
            tasks.append(self.require_context().tasks.tolist())
            return super().by_running(x)

    for norm in running(setup.model):
        norm.__class__ = Asking
    built = create(setup)
    for index in range(2):
        built.train_experience(index)
    assert tasks == [[0]] * 8 * 13 + [[1]] * 8 * 13
    assert all(norm.context is None for norm in running(setup.model))


def test_nothing_is_tracked_under_none_and_the_weights_train(build_setup):
    setup = build_setup(norm="bn:update=none,eval=batch", train__epochs=1)
    before, weights = state_of(setup.model, *STATISTICS), state_of(setup.model, "bias")
    create(setup).train_experience(0)
    assert all(torch.equal(a, b) for a, b in zip(state_of(setup.model, *STATISTICS), before, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(state_of(setup.model, "bias"), weights, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["current_only", "memory_only", "balanced"])
def test_norms_weigh_the_clips_that_they_are_told_of(build_setup, told, policy):
    setup = build_setup(norm=f"bn:update={policy}", strategy="replay:per_class=2,share=0.25", train__epochs=1)
    built, norm, weights = create(setup), running(setup.model)[-1], []
    norm.register_forward_pre_hook(lambda *_: weights.append(norm.tracked_weights(len(norm.context.tasks))))
    for index in range(2):
        built.train_experience(index)
    contexts = [context for context in told if context is not None]
    first, later = weights[:2], [of_clips.tolist() for (of_clips,) in weights[2:]]
    assert all(given == () if policy == "memory_only" else len(set(given[0].tolist())) == 1 for given in first)
    # Three current clips and one of the memory, two and one in the last batch.
    expected = {"current_only": [1, 1, 1, 0], "memory_only": [0, 0, 0, 1], "balanced": [1 / 3, 1 / 3, 1 / 3, 1]}
    assert later[0] == pytest.approx(expected[policy])
    assert contexts[-1].tasks.tolist() == [1, 1, 0]
    assert len(later[-1]) == 3


@pytest.mark.slow
def test_a_piece_without_clips_of_the_memory_is_not_tracked(build_setup):
    setup = build_setup(
        norm="bn:update=memory_only",
        strategy="replay:per_class=2,share=0.25",
        train__epochs=1,
        train__accumulate=4,
    )
    built = create(setup)
    for index in range(2):
        built.train_experience(index)
    # Two batches of four pieces, then in each of three batches the one piece that is a clip of the memory.
    assert {norm.num_batches_tracked.item() for norm in running(setup.model)} == {2 * 4 + 3}
