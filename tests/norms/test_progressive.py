"""PRepBN: where it starts, where its mixture ends, and what it mixes when its statistics stand still."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from clnorm.norms import build_norm
from clnorm.norms.calibrate import calibrate_norms
from tests.norms import oracles
from tests.norms.steps import C, Step, assert_same, build, draw, results_of, tell


def build_both(until: float) -> tuple[nn.Module, oracles.Oracle]:
    norm = build(f"prepbn:eps=1e-3,until={until},momentum=0.3")
    return norm, oracles.Progressive(norm, eps=1e-3, until=until, momentum=0.3)


def at(progress: float) -> Step:
    return Step((0,) * 4, 0, progress)


def test_what_it_starts_from():
    norm, x = build_norm("prepbn", C), draw(4, 5, C)
    tell(norm, at(0.0))
    torch.testing.assert_close(norm(x), F.layer_norm(x, (C,), eps=1e-5))
    fresh = build_norm("prepbn", C).eval()
    torch.testing.assert_close(fresh(x), 2 * x, rtol=1e-4, atol=1e-4)  # BN is the identity, and eta is 1
    assert fresh.eta.shape == ()


def test_until_zero_is_rep_bn_from_the_start():
    (norm, oracle), x = build_both(until=0), draw(4, 5, C)
    tell(norm, at(0.0))
    assert_same(results_of(norm, x), oracle.results(x, at(0.0), training=True))


@pytest.mark.parametrize(
    ("mean", "progress"),
    [(1000.0, 1), (1000 * draw(C, seed=4), 1), (1000 * draw(C, seed=4), 0.5)],
    ids=["BN, one mean", "BN", "half LN"],  # torch's own layer_norm is off by more where all channels have one mean
)
def test_precision_survives_large_means(mean, progress):
    (norm, oracle), x = build_both(until=1), draw(16, 9, C, mean=mean)
    tell(norm, at(progress))
    assert_same(results_of(norm, x), oracle.results(x, at(progress), training=True))


def test_frozen_training_mixes_with_the_running_statistics():
    norm, _ = build_both(until=0.8)
    tell(norm, at(0.4))
    norm(draw(4, 5, C, mean=2.0))
    norm.frozen = True
    given, x = dict(norm.named_parameters()), draw(4, 5, C, seed=3)
    layer = F.layer_norm(x, (C,), given["layer_weight"], given["layer_bias"], 1e-3)
    torch.testing.assert_close(norm(x), 0.5 * layer + 0.5 * norm.eval()(x))


def test_calibration_sees_what_evaluation_will_see():
    """Two norms in a row, at the start of a run, when training is LN: the second one's statistics are of RepBN."""
    norms = nn.Sequential(*(build_norm("prepbn", C) for _ in range(2)))
    batches = [draw(4, 5, C, seed=seed, mean=3.0) for seed in range(3)]
    calibrate_norms(norms, batches)
    seen = torch.cat([norms[0].eval()(batch) for batch in batches])
    torch.testing.assert_close(norms[1].running_mean, seen.mean((0, 1)), atol=0.1, rtol=0.05)
    assert norms[1].running_mean.mean() > 2  # eta * x keeps the mean, which LN would have taken away
