"""Options of the template: label smoothing by hand, the average of the weights, and compiled models."""

import math
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from torch import nn

import clnorm
from clnorm.errors import ClnormError
from clnorm.execution.execution import Execution
from clnorm.strategies.baselines import naive
from clnorm.strategies.ewc import ewc
from clnorm.training.averaging import WeightAverage
from clnorm.training.batch import Batch
from tests.training.states.kills import run_killed


@pytest.mark.parametrize("loss", ["seen", "all"])
def test_label_smoothing_by_hand(build_setup, loss):
    # Logits ln 1, ln 2, ln 4, ln 8 and target 1. Two classes are seen: p = 1/3, 2/3; of all four, the sum is 15. With
    # smoothing 0.2 the target is 0.8 on the class and 0.2 spread over all classes of the softmax.
    strategy = naive(build_setup(train__label_smoothing=0.2, train__loss=loss))
    strategy.experience = SimpleNamespace(current_experience=0)
    strategy.mb_output = torch.tensor([[1.0, 2.0, 4.0, 8.0]]).log()
    one = torch.tensor([1])
    strategy.mbatch = Batch(ids=one, clips=one, targets=one, partners=one, tasks=one, recalled=one > 1)
    if loss == "seen":
        expected = -0.9 * math.log(2 / 3) - 0.1 * math.log(1 / 3)
    else:
        expected = -0.8 * math.log(2 / 15) - 0.05 * sum(math.log(v / 15) for v in (1, 2, 4, 8))
    assert strategy.criterion().item() == pytest.approx(expected, rel=1e-5)


class Tracked(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0]))
        self.register_buffer("running_mean", torch.tensor([0.0]))
        self.register_buffer("num_batches_tracked", torch.tensor(0))


def test_the_average_by_hand_and_counts_stay_counts():
    model = Tracked()
    average = WeightAverage(model, decay=0.25)

    def follow(values):
        for step, value in enumerate(values, start=1):
            with torch.no_grad():
                model.weight.fill_(value)
                model.running_mean.fill_(10 * value)
                model.num_batches_tracked.fill_(step)
            average.update_parameters(model)

    # 2, then with (2 - 1) / (2 + 3) = 1/5 < 1/4: (2 + 4 * 4) / 5 = 3.6, then, as 2/6 > 1/4, with 1/4.
    follow([2.0, 4.0, 8.0])
    assert average.module.weight.item() == pytest.approx(0.25 * 3.6 + 0.75 * 8)
    assert average.module.running_mean.item() == pytest.approx(10 * (0.25 * 3.6 + 0.75 * 8))
    assert average.module.num_batches_tracked.item() == 3
    assert average.module.num_batches_tracked.dtype == torch.int64
    average.restart()
    follow([7.0])
    assert average.module.weight.item() == 7


@pytest.mark.slow
def test_the_average_follows_the_steps_of_an_experience_and_is_what_is_evaluated(build_setup):
    setup = build_setup(train__ema=0.9, norm="cn", train__epochs=1)
    strategy, count, expected = naive(setup), 0, []
    step = strategy.optimizer_step

    def followed():
        nonlocal expected, count
        step()
        decay = min(0.9, count / (count + 4))
        now = [parameter.detach().clone() for parameter in setup.model.parameters()]
        expected = [decay * e + (1 - decay) * n for e, n in zip(expected or now, now, strict=True)]
        count += 1

    assert strategy.evaluated_model is setup.model, "before the first step there is no average"
    strategy.optimizer_step = followed
    for index in range(2):
        count, expected = 0, []
        strategy.train_experience(index)
    averaged = list(strategy.evaluated_model.parameters())
    assert len(averaged) == len(expected)
    for given, wanted in zip(averaged, expected, strict=True):
        torch.testing.assert_close(given.detach(), wanted, rtol=1e-4, atol=1e-6)
    assert not torch.equal(averaged[-1], setup.model.head.bias)


def test_without_average_the_model_itself_is_evaluated(build_setup):
    setup = build_setup()
    assert naive(setup).evaluated_model is setup.model


def predictions(config, record):
    from pathlib import Path

    return pd.read_parquet(Path(config.out) / record.run / "predictions.parquet")


@pytest.mark.slow
def test_the_averages_predictions_stand_in_the_run_and_continue_to_the_bit(tiny, tmp_path, monkeypatch):
    whole = tiny(norm="cn", train__ema=0.8, out=str(tmp_path / "whole"))
    expected = predictions(whole, clnorm.run(whole))
    plain = tiny(norm="cn", out=str(tmp_path / "plain"))
    assert not predictions(plain, clnorm.run(plain))["confidence"].equals(expected["confidence"])
    config = tiny(norm="cn", train__ema=0.8)
    run_killed(config, monkeypatch, after=1)
    assert predictions(config, clnorm.run(config)).equals(expected)


@pytest.mark.slow
def test_a_run_with_checkpointing_has_the_same_predictions(tiny, tmp_path):
    runs = [tiny(norm="cn", train__checkpointing=on, out=str(tmp_path / str(on))) for on in (False, True)]
    plain, checkpointed = (predictions(config, clnorm.run(config)) for config in runs)
    assert plain.equals(checkpointed)


@pytest.mark.slow
def test_a_run_with_explicit_attention_differs_by_rounding(tiny, tmp_path):
    runs = [tiny(train__attention=kind, out=str(tmp_path / kind)) for kind in ("fused", "explicit")]
    fused, explicit = (predictions(config, clnorm.run(config))["confidence"] for config in runs)
    assert not fused.equals(explicit)
    assert (fused - explicit).abs().max() < 1e-3


@pytest.mark.slow
def test_a_compiled_strategy_trains_as_the_plain_one_ewc_and_average_included(build_setup):
    """In float64: the gradient of a key's bias is 0 but for rounding, and Adam divides it by its own size."""
    options = {"norm": "cn", "backbone": "lsvit_nano:drop_path=0", "train__ema": 0.5, "train__epochs": 1}
    states, graphs = [], []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    for execution in (Execution(), Execution(compile=True)):
        setup = build_setup(execution=execution, backend=backend, **options)
        del setup.model.blocks[1:]
        setup.model.double().smif.register_forward_pre_hook(lambda smif, given: (given[0].double(),))
        strategy = ewc(setup, lam=10.0, fisher="exact")
        strategy.train_experience(0)
        states.append(strategy.state_dict())
    plain, compiled = states
    assert len(graphs) == 1  # of the training step: the Fisher keeps its graphs, which compiled code does not allow
    assert list(plain["model"]) == list(compiled["model"])
    assert list(plain["average"]) == list(compiled["average"])
    for part in ("model", "average"):
        for name, value in plain[part].items():
            torch.testing.assert_close(compiled[part][name], value, rtol=1e-10, atol=1e-12, msg=name)
    assert setup.model._compiled_call_impl is not None
    assert strategy.evaluated_model._compiled_call_impl is not None


@pytest.mark.slow
def test_a_run_whose_model_cannot_be_compiled_stops_and_says_so(tiny, monkeypatch):
    def give_up(graph, inputs):
        raise RuntimeError("no compiler")

    monkeypatch.setattr(
        "clnorm.execution.execution.compile_model", lambda model, backend: model.compile(backend=give_up)
    )
    with pytest.raises(ClnormError, match=r"train\.compile: the model cannot be compiled: .*no compiler"):
        clnorm.run(tiny(train__compile=True, train__epochs=1))


@pytest.mark.parametrize("clip", [0.0, 1e-3])
def test_the_gradient_is_clipped_to_its_norm(build_setup, clip):
    strategy, norms = naive(build_setup(train__grad_clip=clip, train__epochs=1)), []
    step = strategy.optimizer_step

    def measured():
        step()
        gradients = [p.grad.flatten() for p in strategy.model.parameters() if p.grad is not None]
        norms.append(torch.cat(gradients).norm().item())

    strategy.optimizer_step = measured
    strategy.train_experience(0)
    assert norms
    assert all(norm <= 1.001e-3 for norm in norms) == bool(clip)
