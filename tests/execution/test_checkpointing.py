"""Checkpointed blocks: the plain model's gradients, statistics and draws to the bit, with fewer activations kept."""

import copy

import pytest
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from clnorm.errors import UserError
from clnorm.execution.checkpointing import checkpoint_blocks
from clnorm.models.create import create_model
from clnorm.norms.sites.adapter import NormSite


class TorchBatchNorm(nn.Module):
    """A norm of one's own around torch's BatchNorm1d."""

    def __init__(self, channels):
        super().__init__()
        self.inner = nn.BatchNorm1d(channels)

    def forward(self, x):
        return self.inner(x.transpose(1, 2)).transpose(1, 2)


class RunningScale(nn.Module):
    """A norm whose output in training depends on its running statistic, which it then replaces."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.register_buffer("scale", torch.ones(channels))
        self.register_buffer("unused", None)

    def forward(self, x):
        y = x / self.scale * self.weight
        if self.training:
            self.scale = 0.5 * self.scale + x.detach().abs().mean((0, 1))
        return y


def create_pair(norm, backbone="lsvit_nano", **options):
    """The same model twice, the second one checkpointed."""
    text = f"{backbone}:" + ",".join(f"{key}={value}" for key, value in {"drop_path": 0.0, **options}.items())
    plain = create_model(text, norm=norm if isinstance(norm, str) else "ln", num_classes=3, image_size=16, num_frames=4)
    nn.init.normal_(plain.head.weight, generator=torch.Generator().manual_seed(0))
    if not isinstance(norm, str):
        for module in plain.modules():
            if isinstance(module, NormSite):
                module.norm = norm(module.norm.num_channels)
    checkpointed = copy.deepcopy(plain)
    checkpoint_blocks(checkpointed)
    return plain, checkpointed


def train_steps(model, count=2):
    generator = torch.Generator().manual_seed(1)
    for _ in range(count):
        model(torch.rand(2, 4, 3, 16, 16, generator=generator)).square().sum().backward()


def run_both(plain, checkpointed):
    with torch.random.fork_rng():
        for model in (plain, checkpointed):
            torch.manual_seed(0)
            train_steps(model)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["bn", "cn", TorchBatchNorm, RunningScale])
def test_gradients_and_running_statistics_are_those_of_the_plain_model(norm):
    plain, checkpointed = create_pair(norm)
    run_both(plain, checkpointed)
    for (name, expected), value in zip(plain.named_parameters(), checkpointed.parameters(), strict=True):
        assert torch.equal(value.grad, expected.grad), name
    for (name, expected), value in zip(plain.named_buffers(), checkpointed.buffers(), strict=True):
        assert torch.equal(value, expected), name
        if name.endswith("num_batches_tracked"):
            assert value == 2
    assert list(plain.state_dict()) == list(checkpointed.state_dict())


@pytest.mark.slow
@pytest.mark.parametrize("smif", ["pixels", "frames"])
def test_dropout_and_stochastic_depth_draw_the_same_again(smif):
    plain, checkpointed = create_pair("cn", "lsvit_signed_nano", drop_path=0.5, dropout=0.3, smif=smif)
    run_both(plain, checkpointed)
    for expected, value in zip(plain.parameters(), checkpointed.parameters(), strict=True):
        assert torch.equal(value.grad, expected.grad)


def count_saved(model):
    """Numbers that autograd keeps from a forward pass."""
    saved = 0

    def pack(tensor):
        nonlocal saved
        saved += tensor.numel()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        model(torch.rand(2, 4, 3, 16, 16))
    return saved


def test_it_keeps_a_fraction_of_the_activations_in_training():
    plain, checkpointed = create_pair("cn")
    assert count_saved(checkpointed) < 0.2 * count_saved(plain)


def test_in_evaluation_the_plain_forward_runs():
    plain, checkpointed = create_pair("cn")
    assert count_saved(checkpointed.eval()) == count_saved(plain.eval())


@pytest.mark.parametrize("again", [1, 2])
def test_the_buffers_come_back_when_the_second_computation_is_cut_short(again):
    # The second computation stops by an exception as soon as what backward needs is there: before the last norm's end.
    _, checkpointed = create_pair("bn")
    buffers = dict(checkpointed.named_buffers())
    loss = checkpointed(torch.rand(2, 4, 3, 16, 16)).sum()
    after_forward = {name: buffer.clone() for name, buffer in buffers.items()}
    for index in range(again):
        loss.backward(retain_graph=index + 1 < again)
    for name, buffer in checkpointed.named_buffers():
        assert buffer is buffers[name]
        assert torch.equal(buffer, after_forward[name])


def test_a_graph_that_is_kept_is_computed_again_from_the_same_statistics():
    _, checkpointed = create_pair(RunningScale)
    loss = checkpointed(torch.rand(2, 4, 3, 16, 16)).square().sum()
    first = torch.autograd.grad(loss, list(checkpointed.parameters()), retain_graph=True)
    second = torch.autograd.grad(loss, list(checkpointed.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_copy_of_a_checkpointed_model_is_of_its_own():
    _, checkpointed = create_pair("cn")
    other = copy.deepcopy(checkpointed)
    train_steps(other, 1)
    assert all(parameter.grad is not None for parameter in other.parameters())
    assert all(parameter.grad is None for parameter in checkpointed.parameters())


def test_a_model_without_blocks_is_refused():
    with pytest.raises(UserError, match=r"train\.checkpointing: the backbone Linear has no `blocks`"):
        checkpoint_blocks(nn.Linear(2, 2))
