"""What the motion modules keep for their backward pass, counted in bytes."""

import pytest
import torch

from clnorm.models.motion import LMI, SMIF
from clnorm.models.signed import SignedLMI, SignedSMIF
from clnorm.seeding import torch_generator


def kept_bytes(module, given, *, bf16=False):
    """Bytes that the pass keeps beyond its input and the module's parameters, each storage once."""
    known = {tensor.untyped_storage().data_ptr() for tensor in (given, *module.parameters())}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # held, so that no other takes its address
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16),
    ):
        module(given)
    return sum(size for size, _ in kept.values())


@pytest.mark.parametrize("smif", [SMIF(), SignedSMIF()], ids=["smif", "signed"])
def test_smif_keeps_one_byte_a_pixel(smif):
    clips = torch.rand(2, 6, 3, 32, 32, generator=torch_generator(0, "clips")) * 2 - 1
    assert clips.numel() <= kept_bytes(smif, clips) <= 1.02 * clips.numel()


@pytest.mark.parametrize(("lmi", "share"), [(LMI(64), 0.625), (SignedLMI(64), 0.5)], ids=["lmi", "signed"])
def test_lmi_keeps_no_float32_tokens_in_bf16(lmi, share):
    tokens = torch.randn(2, 6, 65, 64, generator=torch_generator(0, "tokens"))
    size = tokens.numel() * tokens.element_size()
    assert 0.5 * size <= kept_bytes(lmi, tokens, bf16=True) <= (share + 0.1) * size


@pytest.mark.slow
@pytest.mark.parametrize("smif", [SMIF(), SignedSMIF()], ids=["smif", "signed"])
def test_gradients_of_smif_are_those_of_finite_differences(smif):
    clips = (torch.rand(1, 4, 3, 3, 3, generator=torch_generator(0, "clips")) * 1.6 - 0.8).double()
    smif = smif.double()
    with torch.no_grad():
        smif.alpha.fill_(0.3)
    parameters = {name: value.detach().requires_grad_() for name, value in smif.named_parameters()}

    def mixed(given, *values):
        return torch.func.functional_call(smif, dict(zip(parameters, values, strict=True)), (given,))

    assert torch.autograd.gradcheck(mixed, (clips.requires_grad_(), *parameters.values()))


@pytest.mark.parametrize("lmi", [LMI(8), SignedLMI(8)], ids=["lmi", "signed"])
def test_gradients_of_lmi_are_those_of_finite_differences(lmi):
    tokens = torch.randn(1, 3, 2, 8, generator=torch_generator(0, "tokens")).double().requires_grad_()
    lmi = lmi.double()
    with torch.no_grad():
        lmi.delta.fill_(0.3)
    parameters = {name: value.detach().requires_grad_() for name, value in lmi.named_parameters()}

    def scaled(given, *values):
        return torch.func.functional_call(lmi, dict(zip(parameters, values, strict=True)), (given,))

    assert torch.autograd.gradcheck(scaled, (tokens, *parameters.values()))
