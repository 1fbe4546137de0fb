"""Reading clips in training: jitter in time is the same for every norm, and without a store all is as with one."""

from types import SimpleNamespace

import pandas as pd
import pytest
import torch

import clnorm
from clnorm.strategies.builtin import naive

CHOICE = {"data__keep": "all", "data__jitter": True}


def read_epochs(strategy, *, count, memory=()):
    """What each clip shows in each of the first epochs of the first experience, {clip: frames} an epoch."""
    strategy.experience = SimpleNamespace(current_experience=0)
    if memory:
        strategy.memory, strategy.share = torch.tensor(memory).numpy(), 0.5
    strategy.make_train_dataloader()
    return [
        {clip: frames for ids, pixels in strategy.dataloader for clip, frames in zip(ids.tolist(), pixels, strict=True)}
        for _ in range(count)
    ]


def is_equal(one, other):
    return all(torch.equal(one[clip], other[clip]) for clip in one)


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


def test_a_run_without_a_store_is_the_run_with_one(tiny, tmp_path):
    runs = {
        cache: clnorm.run(tiny(out=str(tmp_path / cache), data__cache=cache, **CHOICE)) for cache in ("store", "none")
    }
    tables = [pd.read_parquet(tmp_path / cache / record.run / "predictions.parquet") for cache, record in runs.items()]
    pd.testing.assert_frame_equal(*tables)
    assert runs["store"].run == runs["none"].run
    assert runs["store"].data == runs["none"].data
