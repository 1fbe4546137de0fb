"""Identities that are known from the norms' definitions, and nothing where there is none."""

import pytest
import torch

from clnorm.card.folding import fold_norm
from clnorm.card.identities import EVALUATION, MOMENTS, find_identities, fit_channels, folds
from clnorm.catalogue import NORMS
from clnorm.config.config import Config
from clnorm.conformance.kit import calibrate_if_asked
from clnorm.conformance.norm_under_test import NormUnderTest

FIRST, HALFWAY, LAST, _ = MOMENTS


def find(name):
    subject, _ = calibrate_if_asked(NormUnderTest(NORMS.parse(name), 48))
    identities = find_identities(subject)
    return {(each.moment, each.other, each.is_scaled) for each in identities}, folds(identities)


@pytest.mark.parametrize(
    ("norm", "expected", "can_fold"),
    [
        ("ln", set(), False),
        # Its last stage goes by running statistics then.
        ("cn", {(EVALUATION, "gn", True)}, False),
        ("bn", {(EVALUATION, "identity", True)}, True),
        # By its definition it is LN at the start of a run.
        ("prepbn", {(FIRST, "ln", False), (EVALUATION, "identity", True)}, True),
        # The batch of the first step has no memory that would weigh more.
        ("tbbn", {(FIRST, "bn", False), (EVALUATION, "bn", False), (EVALUATION, "identity", True)}, True),
        # Test clips are normalized together, so that nothing is fixed.
        ("bn:eval=batch", {(moment, "bn", False) for moment in (FIRST, HALFWAY, LAST)}, False),
        ("torch.nn.LayerNorm", {(moment, "ln", False) for moment in MOMENTS}, False),
        # Its statistics stay those of the first experience.
        (
            "bn_frozen",
            {(FIRST, "bn", False), *((moment, "identity", True) for moment in (HALFWAY, LAST, EVALUATION))},
            True,
        ),
    ],
)
def test_known_identities(norm, expected, can_fold):
    assert find(norm) == (expected, can_fold)


def test_batch_renorm_is_batch_norm_until_it_is_corrected():
    identities, _ = find("brn")
    assert (FIRST, "bn", False) in identities
    assert (HALFWAY, "bn", False) not in identities


def test_a_norm_is_not_held_against_itself():
    assert not any(other == "gn" for _, other, _ in find("gn")[0])


def test_the_fit_of_channels_is_that_of_least_squares():
    generator = torch.Generator().manual_seed(0)
    x, noise = torch.randn(2, 20, 3, generator=generator, dtype=torch.float64)
    x[:, 2] = 5.0
    y = x * torch.tensor([2.0, -1.0, 4.0]) + torch.tensor([0.5, 3.0, 1.0]) + 0.1 * noise
    scale, shift = fit_channels(x, y)
    for channel in range(2):
        columns = torch.stack([x[:, channel], torch.ones(20, dtype=torch.float64)], dim=1)
        solution = torch.linalg.lstsq(columns, y[:, channel : channel + 1]).solution.flatten()
        torch.testing.assert_close(torch.stack([scale[channel], shift[channel]]), solution)
    assert scale[2] == 0
    assert shift[2].item() == pytest.approx(y[:, 2].mean().item())


@pytest.mark.parametrize(
    ("norm", "said"),
    [("bn", "folded into the linear layer behind"), ("cn", "became GroupNorm"), ("ln", "13 LayerNorm kept")],
)
def test_what_an_export_makes_of_it(norm, said):
    folding = fold_norm(Config(norm=norm, data={"frames": 4, "image_size": 16}))
    assert folding.sites == 13
    assert said in folding.summary
    assert folding.largest > 0.1
    assert folding.difference < 1e-4 * folding.largest
