"""Reading clips in training: jitter in time is the same for every norm, and without a store all is as with one."""

from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

import clnorm
from clnorm.execution.inputs import pixels_to_input, split_batches
from clnorm.seeding import numpy_generator
from clnorm.strategies.baselines import naive
from clnorm.training.imbalance.base import TrainedExperience
from clnorm.training.norms.statistics import calibrate_on

CHOICE = {"data__keep": "all", "data__jitter": True}


def read_epochs(strategy, *, count, memory=()):
    """What each clip shows in each of the first epochs of the second experience, {clip: frames} an epoch."""
    strategy.experience = SimpleNamespace(current_experience=1)
    if memory:
        strategy.memory, strategy.lengths = torch.tensor(memory).numpy(), replace(strategy.lengths, share=0.5)
    strategy.make_train_dataloader()
    return [
        {clip: frames for ids, pixels in strategy.dataloader for clip, frames in zip(ids.tolist(), pixels, strict=True)}
        for _ in range(count)
    ]


def is_equal(one, other):
    return all(torch.equal(one[clip], other[clip]) for clip in one)


@pytest.mark.slow
def test_each_epoch_draws_anew_and_every_norm_and_memory_see_the_same(build_setup):
    epochs = read_epochs(naive(build_setup(**CHOICE)), count=2)
    assert epochs[0].keys() == epochs[1].keys()
    assert not any(torch.equal(epochs[0][clip], epochs[1][clip]) for clip in epochs[0])
    assert all(map(is_equal, epochs, read_epochs(naive(build_setup(norm="bn", **CHOICE)), count=2)))
    beside = read_epochs(naive(build_setup(**CHOICE)), count=2, memory=[14, 15])
    assert {14, 15} <= beside[0].keys()
    assert all(map(is_equal, epochs, beside))


@pytest.mark.parametrize("keep", ["T", "2T"])
def test_without_jitter_clips_show_what_is_evaluated(build_setup, keep):
    strategy = naive(build_setup(data__keep=keep))
    for epoch in read_epochs(strategy, count=2):
        ids = list(epoch)
        assert torch.equal(torch.stack(list(epoch.values())), strategy.setup.store.gather(ids))


DRAWN = {"data__augment": "strong", "data__mix": "mixup", **CHOICE}


@pytest.mark.parametrize("norm", ["cn", "bn"])
def test_what_is_not_training_reads_clips_as_they_are_evaluated(build_setup, norm):
    strategy = naive(build_setup(norm=norm, train__imbalance="feature_smote:k=2", **DRAWN))
    store, ids = strategy.setup.store, strategy.training_stream.experiences[0].train_ids
    strategy.model.eval()
    shown = pixels_to_input(store.gather(ids))
    singly = list(strategy.inputs.read_singly(strategy.model, split_batches(ids, 3)))
    assert [clip_id for clip_id, _ in singly] == ids.tolist()
    assert torch.equal(torch.cat([clip for _, clip in singly]), shown)
    with torch.no_grad():
        expected = strategy.model.forward_features(shown)
    trained = TrainedExperience(index=0, ids=ids, seen=2, model=strategy.model, inputs=strategy.inputs)
    features = torch.from_numpy(strategy.balancing._features(trained))
    torch.testing.assert_close(features.float(), expected, atol=1e-5, rtol=1e-5)


def test_statistics_are_estimated_on_clips_as_they_are_evaluated(build_setup):
    states = []
    for options in ({"data__keep": "all"}, DRAWN):
        strategy = naive(build_setup(norm="bn", **options))
        ids = strategy.training_stream.experiences[0].train_ids
        initial = {name: value.clone() for name, value in strategy.model.state_dict().items()}
        generator = numpy_generator(0, "calibration")
        calibrate_on(strategy.model, strategy.inputs, ids, batch_size=4, generator=generator)
        states.append(strategy.model.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not all(torch.equal(initial[name], states[0][name]) for name in initial)


@pytest.mark.slow
def test_a_run_without_a_store_is_the_run_with_one(tiny, tmp_path):
    runs = {
        cache: clnorm.run(tiny(out=str(tmp_path / cache), data__cache=cache, **CHOICE)) for cache in ("store", "none")
    }
    tables = [pd.read_parquet(tmp_path / cache / record.run / "predictions.parquet") for cache, record in runs.items()]
    pd.testing.assert_frame_equal(*tables)
    assert runs["store"].run == runs["none"].run
    assert runs["store"].data == runs["none"].data
