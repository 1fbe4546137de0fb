"""TaskBatchNorm: what it must be told, and statistics of experiences that are absent, new or of little."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from clnorm.errors import ClnormError
from clnorm.norms import StepContext, provide_context
from tests.norms.steps import C, draw
from tests.norms.steps import build as build_spec

TASKS = 4


def build(options: str = "") -> nn.Module:
    return build_spec(f"bn_task:tasks={TASKS}{options}")


def context(*tasks: int) -> StepContext:
    return StepContext(torch.tensor(tasks), experience=max(tasks), progress=0.5)


def test_statistics_of_absent_experiences_stay_to_the_bit():
    norm = build()
    provide_context(norm, context(0, 0))
    norm(draw(4, 7, C, mean=3.0))
    mean, var = norm.running_mean[0].clone(), norm.running_var[0].clone()
    provide_context(norm, context(1, 1))
    norm(draw(4, 7, C, seed=1))
    assert torch.equal(norm.running_mean[0], mean)
    assert torch.equal(norm.running_var[0], var)
    assert norm.num_batches_tracked.tolist() == [1, 1, 0, 0]


def test_weights_of_clips_in_the_statistics(weighing):
    norm = build(",momentum=1")
    x = draw(8, 7, C)
    norm.statistics = weighing(1, 0, 3, 0)
    provide_context(norm, context(0, 1, 0, 1))
    plain = build()
    provide_context(plain, context(0, 1, 0, 1))
    assert torch.equal(norm(x), plain(x))
    weights = torch.tensor([1.0, 1, 3, 3]).repeat_interleave(7).unsqueeze(1) / 56
    values = x[[0, 1, 4, 5]].flatten(0, 1)
    mean = (weights * values).sum(0)
    torch.testing.assert_close(norm.running_mean[0], mean)
    biased = (weights * (values - mean).square()).sum(0)
    torch.testing.assert_close(norm.running_var[0], biased * 28 / 27)
    assert norm.num_batches_tracked.tolist() == [1, 0, 0, 0]
    assert torch.equal(norm.running_var[1], torch.ones(C))


def test_it_must_be_told_the_experiences_in_evaluation_too():
    norm = build()
    assert norm.oracle
    for training in (True, False):
        with pytest.raises(ClnormError, match="TaskBatchNorm needs tasks of the batch"):
            norm.train(training)(draw(4, 7, C))
    provide_context(norm, context(0, 0, 0))
    with pytest.raises(ClnormError, match="4 samples with a context of 3 clips"):
        norm.train()(draw(4, 7, C))


@pytest.mark.parametrize("wrong", [TASKS, -1])
def test_an_experience_out_of_range(wrong):
    with pytest.raises(ClnormError, match=rf"clips of experience {wrong}; legal: 0 to 3"):
        provide_context(build(), StepContext(torch.tensor([0, wrong]), 0, 0.0))


@pytest.mark.parametrize("given", ["before eval()", "after eval()"])
def test_an_experience_that_was_never_trained(given):
    norm = build()
    provide_context(norm, context(0, 0))
    norm(draw(4, 7, C))
    if given == "after eval()":
        norm.eval()
    provide_context(norm, context(0, 2))
    with pytest.raises(ClnormError, match="no statistics of experience 2, which it was never trained on"):
        norm.eval()(draw(4, 7, C))
    norm.train()(draw(4, 7, C))
    assert norm.eval()(draw(4, 7, C)).isfinite().all()


@pytest.mark.parametrize("weights", [(), (1, 1, 1, 0)])
def test_an_experience_with_a_single_value(weights, weighing):
    norm = build()
    tasks = (0, 0, 1, 1) if weights else (0, 0, 1)
    norm.statistics = weighing(*weights) if weights else norm.statistics
    provide_context(norm, context(*tasks))
    with pytest.raises(ClnormError, match="one value per channel of experience 1"):
        norm(draw(len(tasks), 1, C))
    assert norm(draw(len(tasks), 2, C)).isfinite().all()
    assert norm(draw(2 * len(tasks), 1, C)).isfinite().all()
    assert norm.running_var.isfinite().all()


def test_a_momentum_of_none_averages_the_batches_of_each_experience():
    norm = build()
    norm.momentum = None
    batches = [draw(4, 7, C, seed=step, mean=step) for step in range(4)]
    for step, x in enumerate(batches):
        provide_context(norm, context(0, 0) if step < 3 else context(0, 1))
        norm(x)
    means = [*(x.mean((0, 1)) for x in batches[:3]), batches[3][:2].mean((0, 1))]
    torch.testing.assert_close(norm.running_mean[0], torch.stack(means).mean(0))
    torch.testing.assert_close(norm.running_mean[1], batches[3][2:].mean((0, 1)))


def test_one_experience_is_batch_norm():
    norm, x = build(), draw(6, 7, C)
    provide_context(norm, context(2, 2, 2))
    expected = F.batch_norm(x.transpose(1, 2), None, None, norm.weight, norm.bias, True).transpose(1, 2)
    torch.testing.assert_close(norm(x), expected)
