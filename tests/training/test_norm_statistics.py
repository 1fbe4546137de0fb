"""What norms are told in training, what they add to the loss, and what their running statistics do in a run."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from avalanche.core import SupervisedPlugin

from clnorm.catalogue import STRATEGIES
from clnorm.data.store.store import ClipStore
from clnorm.norms import RunningNorm, calibrate
from clnorm.norms.batch import BatchNorm
from clnorm.norms.layer import LayerNorm
from clnorm.seeding import numpy_generator
from clnorm.training import norm_statistics as statistics
from clnorm.training.norm_statistics import calibrate_on, experience_of_clips
from clnorm.training.trainer import ClipStrategy

STILL = "lsvit_nano:drop_path=0"


def create(setup):
    return STRATEGIES.get(setup.config.strategy.name).load()(setup, **setup.config.strategy.kwargs)


def running(model):
    return [module for module in model.modules() if isinstance(module, RunningNorm)]


def state_of(model, *names):
    """Copies of the tensors of all running norms with these names."""
    return [getattr(norm, name).detach().clone() for norm in running(model) for name in names]


STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@pytest.fixture
def told(monkeypatch):
    """Every context that strategies give, in their order."""
    given = []

    def record(model, context):
        given.append(context)
        provide(model, context)

    provide = statistics.provide_context
    monkeypatch.setattr(statistics, "provide_context", record)
    monkeypatch.setattr(calibrate, "provide_context", record)
    return given


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


def test_experiences_of_clips_follow_their_classes(build_setup):
    stream = build_setup().stream
    tasks = experience_of_clips(stream)
    for experience in stream.experiences:
        assert set(tasks[experience.train_ids]) == set(tasks[experience.test_ids]) == {experience.index}


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


@pytest.mark.parametrize("ema", [0.0, 0.9])
@pytest.mark.parametrize(("policy", "clips"), [("current", 8), ("buffer", 4)])
def test_the_evaluated_model_is_recalibrated_on_the_clips_named(build_setup, told, policy, clips, ema):
    setup = build_setup(
        norm=f"bn:recalibrate={policy}",
        backbone=STILL,
        strategy="replay:per_class=2",
        train__epochs=1,
        train__batch_size=8,
        train__ema=ema,
    )
    built = create(setup)
    built.train_experience(0)
    (context,) = [context for context in told if context is not None and context.progress == 1 / 3]
    assert len(context.tasks) == clips  # one batch, so statistics are plain moments
    norm = built.evaluated_model.blocks[0].norm1.norm
    ids = built.memory if policy == "buffer" else built.training_stream.experiences[0].train_ids
    tokens = []
    hook = norm.register_forward_pre_hook(lambda module, inputs: tokens.append(inputs[0]))
    with torch.no_grad():
        built.evaluated_model.eval()(setup.store.gather(ids).float() * (2 / 255) - 1)
    hook.remove()
    rows = tokens[0].flatten(0, 1)
    torch.testing.assert_close(norm.running_mean, rows.mean(0), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(norm.running_var, rows.var(0), rtol=1e-3, atol=1e-4)
    assert norm.num_batches_tracked == 1
    assert all(norm.context is None for norm in running(built.evaluated_model))
    trained = built.model.blocks[0].norm1.norm
    assert (trained is norm) == (ema == 0)
    if ema:  # what trains on keeps what it tracked
        assert not torch.allclose(trained.running_mean, norm.running_mean, rtol=1e-3, atol=1e-4)


def test_clips_are_calibrated_on_in_shuffled_batches_of_like_size(build_setup, monkeypatch):
    built, read = create(build_setup(norm="bn", train__batch_size=4)), []
    gather = ClipStore.gather
    monkeypatch.setattr(ClipStore, "gather", lambda store, ids: (read.append(ids.tolist()), gather(store, ids))[1])
    report = calibrate_on(built.model, built.inputs, np.arange(9), batch_size=4, generator=np.random.default_rng(3))
    assert report.clips == 9
    expected = np.random.default_rng(3).permutation(9).tolist()
    assert read == [expected[:3], expected[3:6], expected[6:]]


@pytest.mark.slow
def test_recalibration_is_seeded(build_setup):
    options = {"norm": "bn:recalibrate=current", "train__epochs": 1}
    first, second = (create(build_setup(**options)) for _ in range(2))
    for built in (first, second):
        built.train_experience(0)
    pairs = zip(state_of(first.model, *STATISTICS), state_of(second.model, *STATISTICS), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.slow
@pytest.mark.parametrize("recalibrate", ["none", "current"])
def test_statistics_are_frozen_to_the_bit_on_a_continued_run_too(build_setup, recalibrate):
    options = {"norm": f"cn:freeze_after=1,recalibrate={recalibrate}", "train__epochs": 1}
    built = create(build_setup(**options))
    start = state_of(built.model, *STATISTICS)
    built.train_experience(0)
    frozen, weights = state_of(built.model, *STATISTICS), state_of(built.model, "bias")
    assert not any(torch.equal(a, b) for a, b in zip(start, frozen, strict=True))
    continued = create(build_setup(**options))
    continued.load_state_dict(deepcopy(built.state_dict()))
    for strategy in (built, continued):
        strategy.train_experience(1)
        assert all(torch.equal(a, b) for a, b in zip(state_of(strategy.model, *STATISTICS), frozen, strict=True))
        assert not any(torch.equal(a, b) for a, b in zip(state_of(strategy.model, "bias"), weights, strict=True))
    pairs = zip(built.model.state_dict().values(), continued.model.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_policies_are_checked_before_anything_is_trained(build_setup):
    from clnorm.errors import UserError

    with pytest.raises(UserError, match=r"norm bn:recalibrate=buffer: recalibrate=buffer with the strategy ewc"):
        create(build_setup(norm="bn:recalibrate=buffer", strategy="ewc"))
    with pytest.raises(UserError, match=r"norm bn:freeze_after=2: freeze_after=2 of 2 experiences"):
        create(build_setup(norm="bn:freeze_after=2"))
    with pytest.raises(UserError, match=r"freeze_after=1 of 1 experiences leaves none"):
        create(build_setup(norm="bn:freeze_after=1", strategy="joint"))  # which trains on one experience
    create(build_setup(norm="bn_task:tasks=1", strategy="joint"))
    with pytest.raises(UserError, match=r"tasks=1, fewer than the 2 experiences"):
        create(build_setup(norm="bn_task:tasks=1"))


@pytest.mark.slow
def test_an_average_that_is_frozen_next_keeps_recalibrated_statistics(build_setup):
    setup = build_setup(
        norm="bn:freeze_after=2,recalibrate=current",
        protocol="even:experiences=4",
        train__ema=0.5,
    )
    built = create(setup)
    built.train_experience(0)
    by_training, by_average = state_of(built.model, "running_mean"), state_of(built.evaluated_model, "running_mean")
    assert not any(torch.allclose(a, b, atol=1e-4) for a, b in zip(by_training, by_average, strict=True))
    built.train_experience(1)
    recalibrated = state_of(built.model, *STATISTICS)
    ids = built.training_stream.experiences[1].train_ids
    again = deepcopy(built.model)
    generator = numpy_generator(setup.config.seed, "recalibration", 1)
    calibrate_on(again, built.inputs, ids, batch_size=4, generator=generator)
    assert all(torch.equal(a, b) for a, b in zip(state_of(again, *STATISTICS), recalibrated, strict=True))
    for index in (2, 3):
        built.train_experience(index)
        evaluated = state_of(built.evaluated_model, *STATISTICS)
        assert all(torch.equal(a, b) for a, b in zip(evaluated, recalibrated, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("update", ["memory_only", "none"])
def test_an_oracle_without_statistics_of_training_gets_those_of_the_buffer(build_setup, update):
    norm = f"bn_task:update={update},recalibrate=buffer"
    setup = build_setup(norm=norm, strategy="replay:per_class=2", train__epochs=1)
    built = create(setup)
    for index in range(2):
        built.train_experience(index)
    assert all((norm.num_batches_tracked[:2] > 0).all() for norm in running(built.evaluated_model))
