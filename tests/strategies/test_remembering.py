"""What all strategies with a memory have in common: what they hold, what they refuse, that they go on to the bit."""

import numpy as np
import pytest

import clnorm
from clnorm.catalogue import STRATEGIES
from clnorm.config.load import merge_config
from clnorm.data.synthetic.reader import list_clips
from clnorm.errors import UserError
from clnorm.memory.memory import Budget, Memory
from clnorm.streams.stream import create_stream
from clnorm.training.remembering import update_memory
from tests.training.states.continued import results
from tests.training.states.test_stopping import run_stopped
from tests.training.strategies import create

APART = ["er_ace", "der", "derpp", "agem"]
ALL = [*APART, "icarl"]


@pytest.mark.parametrize("select", ["random", "herding"])
def test_26_and_5_times_5_holds_five_clips_of_each_seen_class(select):
    """By ids alone: nothing is decoded."""
    chosen = {"dataset": "synthetic:classes=51,train=8,test=1", "protocol": "tcd:base=26,step=5"}
    config = merge_config({}, chosen)
    table = list_clips(None, **config.dataset.kwargs)
    stream = create_stream(table, config.protocol, seed=0, bad={})
    features = np.random.default_rng(0).standard_normal((len(table), 4))
    memory = Memory(Budget(5, None, select))
    for index in range(6):
        update_memory(memory, stream, index, seed=0, features=lambda ids: features[ids])
        assert np.bincount(memory.labels, minlength=51).tolist() == [5] * (26 + 5 * index) + [0] * (25 - 5 * index)
        assert (stream.targets[memory.ids] == memory.labels).all()


@pytest.mark.parametrize("name", ["replay", *ALL])
def test_the_defaults_of_a_memory_are_the_same(name):
    options = {key: option.default for key, option in STRATEGIES.get(name).options.items()}
    assert (options["per_class"], options["share"], options["total"]) == (5, 0.5, "none")


@pytest.mark.parametrize("name", APART)
@pytest.mark.parametrize("mix", ["mixup", "videomix"])
def test_mixing_of_what_is_treated_apart_is_refused(build_setup, name, mix):
    with pytest.raises(UserError, match=f"{mix} with the strategy {name}, which treats current clips .* apart"):
        create(build_setup(strategy=name, data__mix=mix))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("method", ["class_balanced", "logit_adjustment", "focal", "ldam"])
def test_another_loss_is_refused(build_setup, name, method):
    with pytest.raises(UserError, match=f"{method} is a loss of its own, and so is that of the strategy {name}"):
        create(build_setup(strategy=name, train__imbalance=method))


@pytest.mark.parametrize("name", ALL)
def test_samplers_go_with_them(build_setup, name):
    create(build_setup(strategy=name, train__imbalance="balanced"))


@pytest.mark.parametrize("name", ["der", "derpp", "icarl"])
def test_running_statistics_that_nothing_estimates_are_refused(build_setup, name):
    with pytest.raises(UserError, match="these are not estimated when it does"):
        create(build_setup(strategy=name, norm="bn:update=none,eval=batch"))


def test_agem_refuses_a_compiled_model(build_setup):
    from clnorm.execution.execution import Execution

    with pytest.raises(UserError, match="two backward passes of one forward pass"):
        create(build_setup(strategy="agem", execution=Execution(compile=True)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "changes"),
    [
        ("er_ace:per_class=2", {"train__accumulate": 2}),
        ("der:per_class=none,total=4", {"norm": "bn"}),
        ("derpp:per_class=none,select=reservoir,total=4", {"train__ema": 0.5}),
        ("agem:per_class=2", {"norm": "cn"}),
        ("icarl:per_class=2", {"norm": "bn_task:eval=task", "train__ema": 0.5}),
    ],
)
@pytest.mark.parametrize("steps", [7, 11])
def test_a_run_goes_on_within_an_experience_to_the_bit(tiny, tmp_path, monkeypatch, strategy, changes, steps):
    options = {"norm": "ln", "strategy": strategy, "protocol": "even:experiences=2", "train__epochs": 2, **changes}
    whole, config = tiny(out=str(tmp_path / "whole"), **options), tiny(**options)
    expected = results(whole, clnorm.run(whole))
    run_stopped(config, monkeypatch, steps=steps)
    assert results(config, clnorm.run(config)) == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", ["er_ace", "der", "derpp", "agem"])
def test_the_first_experience_is_naives(tiny, tmp_path, monkeypatch, name):
    monkeypatch.setenv("CLNORM_CACHE", str(tmp_path / "cache"))
    clnorm.run(tiny(save__prefixes="first", strategy="naive"))
    alone = tiny(strategy=f"{name}:per_class=2", out=str(tmp_path / "alone"))
    shared = tiny(strategy=f"{name}:per_class=2", save__prefixes="first", out=str(tmp_path / "shared"))
    record = clnorm.run(shared)
    assert [part["experience"] for part in record.reused] == [0]
    assert results(shared, record) == results(alone, clnorm.run(alone))
