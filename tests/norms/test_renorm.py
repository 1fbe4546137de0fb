"""BatchRenorm: its limits along the schedule, each alone, and what they leave."""

import pytest
import torch

from clnorm.errors import UserError
from tests.norms import oracles
from tests.norms.steps import C, Step, assert_same, build, draw, results_of, tell

OPTIONS = {"rmax": 1.5, "dmax": 0.4, "begin": 0.2, "end": 0.6, "momentum": 0.3, "eps": 1e-2}
LIMITS = {0.0: (1.0, 0.0), 0.2: (1.0, 0.0), 0.3: (1.125, 0.1), 0.5: (1.375, 0.3), 0.6: (1.5, 0.4), 1.0: (1.5, 0.4)}


def build_both(**changes):
    options = OPTIONS | changes
    norm = build("brn:" + ",".join(f"{name}={value}" for name, value in options.items()))
    return norm, oracles.Renorm(norm, **options)


def at(progress: float) -> Step:
    return Step((0,) * 5, 0, progress)


@pytest.mark.parametrize("shape", [(5, 7, C), (5, 1, C)], ids=str)
def test_the_limits_along_the_schedule_where_both_clip_on_both_sides(shape):
    norm, oracle = build_both()
    for seed, (progress, limits) in enumerate(LIMITS.items()):
        assert oracle.limits(progress) == pytest.approx(limits)
        there_and_back = (-1) ** seed * torch.linspace(-1, 1, C)
        x = draw(*shape, seed=seed) * 3**there_and_back + 3 * there_and_back
        tell(norm, at(progress))
        assert_same(results_of(norm, x), oracle.results(x, at(progress), training=True))
        assert oracle.clipped


@pytest.mark.parametrize("changes", [{"dmax": 0.0}, {"rmax": 1.0}], ids=["rmax", "dmax"])
def test_each_limit_alone(changes):
    (norm, oracle), x = build_both(**changes), draw(5, 7, C, mean=2.0)
    tell(norm, at(1.0))
    assert_same(results_of(norm, x), oracle.results(x, at(1.0), training=True))


def test_where_nothing_is_clipped_training_is_evaluation():
    norm = build("brn:rmax=1000,dmax=1000,eps=0.5")
    norm.running_mean.copy_(draw(C, seed=6)), norm.running_var.copy_(draw(C, seed=7).square())
    tell(norm, at(1.0))
    x = draw(5, 7, C, mean=3.0)
    expected = norm.eval()(x)
    torch.testing.assert_close(norm.train()(x), expected, rtol=1e-5, atol=1e-5)


def test_defaults():
    norm = build("brn")
    assert (norm.eps, norm.momentum, norm.rmax, norm.dmax, norm.begin, norm.end) == (1e-5, 0.1, 3.0, 5.0, 0.1, 0.5)


def test_a_schedule_of_no_length_is_a_step():
    norm = build("brn:begin=0.5,end=0.5")
    tell(norm, at(0.49))
    assert [float(limit) for limit in norm._limits(torch.float32)] == [1.0, 0.0]
    tell(norm, at(0.5))
    assert [float(limit) for limit in norm._limits(torch.float32)] == [3.0, 5.0]


def test_an_end_before_the_beginning():
    with pytest.raises(UserError, match=r"brn: end=0\.2 is before begin=0\.6; legal: end from 0\.6 to 1"):
        build("brn:begin=0.6,end=0.2")
