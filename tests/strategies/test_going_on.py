"""What the methods that hold something hold: a stopped run goes on to the same bits, and beginnings are shared."""

import pytest

import clnorm
from clnorm.catalogue import NORMS
from tests.training.states.continued import Notes, results
from tests.training.states.test_stopping import run_stopped

pytestmark = pytest.mark.slow

# Each with whether it trains the first experience as naive does.
STRATEGIES = {
    "ewc:lam=10,mode=online": True,
    "ewc:lam=10,fisher=avalanche": True,
    "si:c=1": False,
    "mas:lam=1": True,
    "lwf": True,
    "l2_init:lam=0.1": False,
}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_run_that_is_stopped_in_each_experience_goes_on_to_the_same_bits(tiny, tmp_path, monkeypatch, strategy):
    options = {"norm": "cn", "strategy": strategy, "train__ema": 0.5, "train__precision": "bf16"}
    whole, config = tiny(out=str(tmp_path / "whole"), **options), tiny(**options)
    expected = results(whole, clnorm.run(whole))
    run_stopped(config, monkeypatch, steps=3)
    run_stopped(config, monkeypatch, steps=4)
    notes = Notes()
    assert results(config, clnorm.run(config, reporter=notes)) == expected
    assert "Continuing after experience 2, epoch 2, step 1, of 2 experiences" in notes.texts


def test_those_that_begin_as_naive_take_over_its_first_experience(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("CLNORM_CACHE", str(tmp_path / "cache"))
    clnorm.run(tiny(norm="cn", train__epochs=1, save__prefixes="first"))
    for strategy, as_naive in STRATEGIES.items():
        options = {"norm": "cn", "train__epochs": 1, "strategy": strategy}
        alone = tiny(out=str(tmp_path / "alone"), **options)
        shared = tiny(out=str(tmp_path / "shared"), **options, save__prefixes="first")
        record = clnorm.run(shared)
        assert bool(record.reused) is as_naive, strategy
        assert results(shared, record) == results(alone, clnorm.run(alone)), strategy


@pytest.mark.parametrize("strategy", ["lwf", "mas:lam=0.1", "si"])
@pytest.mark.parametrize("norm", ["bn_task", "tbbn", "sn", "brn", "bn:eval=batch,recalibrate=current", "bn_frozen"])
def test_norms_that_must_be_told_of_a_batch(tiny, norm, strategy):
    assert norm.partition(":")[0] in NORMS.names()
    record = clnorm.run(tiny(norm=norm, strategy=strategy, train__epochs=1, keep_model=False))
    assert record.status == "finished"
