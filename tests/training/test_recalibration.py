"""Running statistics after an experience: estimated anew, frozen, or averaged."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from clnorm.data.store.store import ClipStore
from clnorm.seeding import numpy_generator
from clnorm.training.norms.statistics import calibrate_on
from tests.training.strategies import STATISTICS, STILL, create, running, state_of


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
