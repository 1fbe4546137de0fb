"""Comparisons that say in one sentence what differs."""

import torch
from torch import Tensor

from clnorm.conformance.norm_under_test import Outcome
from clnorm.conformance.report import Violation


def require_same(got: Outcome, expected: Outcome, *, when: str, tolerance: float = 0.0) -> None:
    """Check that two passes gave the same output, gradients and buffers.

    Args:
        got: the one.
        expected: the other.
        when: what was different about the first, which ends the sentence.
        tolerance: the largest difference allowed, relative to the largest value (at least 1); 0: equal to the bit.

    Raises:
        Violation: a tensor is missing or differs.
    """
    ours, theirs = dict(got.tensors()), dict(expected.tensors())
    if missing := sorted(ours.keys() ^ theirs.keys()):
        raise Violation(f"{' and '.join(missing)} is missing in one of the two passes: {when}")
    for name, tensor in ours.items():
        require_close(tensor, theirs[name], what=name, when=when, tolerance=tolerance)


def require_close(got: Tensor, expected: Tensor, *, what: str, when: str, tolerance: float = 0.0) -> None:
    """As `require_same`, for one tensor, which is called `what`."""
    if got.shape != expected.shape:
        raise Violation(f"{what} has shape {tuple(got.shape)} instead of {tuple(expected.shape)} {when}")
    if torch.equal(got, expected):
        return
    difference = float((got.double() - expected.double()).abs().max())
    if not difference <= tolerance * max(1.0, float(expected.double().abs().max())):  # nor where it is not a number
        raise Violation(f"{what} differs by up to {difference:.1e} {when}")


def require_finite(outcome: Outcome, *, when: str) -> None:
    """Check that there is no infinity and no NaN.

    Raises:
        Violation: there is.
    """
    for name, tensor in outcome.tensors():
        if not torch.isfinite(tensor).all():
            raise Violation(f"{name} is not finite {when}")
