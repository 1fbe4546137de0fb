"""CumulativeBatchNorm: its average after a calibration, and between experiences."""

import pytest
import torch

from clnorm.norms import StepContext, provide_context
from clnorm.norms.calibrate import calibrate_norms
from tests.norms.steps import C, build, draw


def context(experience: int) -> StepContext:
    return StepContext(torch.full((5,), experience), experience, progress=0.5)


@pytest.mark.parametrize("reset", [False, True])
def test_after_a_calibration_the_average_goes_on_or_with_reset_starts_anew(reset):
    norm, batches = build(f"bn_cma:reset={reset}"), [draw(5, 7, C, seed=seed, mean=10.0) for seed in range(3)]
    calibrate_norms(norm, batches)
    calibrated = torch.stack([batch.mean((0, 1)) for batch in batches]).mean(0)
    torch.testing.assert_close(norm.running_mean, calibrated)
    provide_context(norm, context(0))
    assert norm.running_mean.allclose(calibrated), "what is known stays until the first batch"
    first = draw(5, 7, C, seed=4)
    norm(first)
    own = first.mean((0, 1))
    torch.testing.assert_close(norm.running_mean, own if reset else (3 * calibrated + own) / 4)
    # One after training, as at the end of an experience, leaves the next one its start.
    contexts = [context(0)] * 3
    calibrate_norms(norm, batches, contexts=contexts)
    assert norm.num_batches_tracked == 3
    provide_context(norm, context(1))
    norm(first)
    torch.testing.assert_close(norm.running_mean, own if reset else (3 * calibrated + own) / 4)


def test_what_is_known_stays_until_the_first_batch_of_the_next_experience():
    norm = build("bn_cma:reset=true")
    provide_context(norm, context(0))
    norm(draw(5, 7, C, mean=3.0))
    mean = norm.running_mean.clone()
    provide_context(norm, context(1))
    assert torch.equal(norm.running_mean, mean)
