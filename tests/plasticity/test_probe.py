"""What is measured at norm sites: where the hooks stand, which weights belong to a site, and that nothing changes."""

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from clnorm.models.create import create_model
from clnorm.plasticity import probe
from clnorm.plasticity.measures import dormant_share, effective_rank, joint_norm
from clnorm.plasticity.probe import measure_sites

SIZES = {"num_classes": 4, "image_size": 16, "num_frames": 4, "seed": 0}


@pytest.fixture
def clips():
    return torch.rand(3, 4, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def loss(logits):
    return F.cross_entropy(logits, torch.tensor([0, 1, 0]))


def measure(model, clips, rate=0.5):
    rates = {id(parameter): rate for parameter in model.parameters()}
    return measure_sites(model, clips, loss=loss, rates=rates, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model():
    model = create_model("lsvit_nano:drop_path=0", norm="bn", **SIZES)
    with torch.no_grad():
        model.head.weight.normal_(generator=torch.Generator().manual_seed(1))
    return model.eval()


def test_attention_and_feed_forward_belong_to_sites_of_their_own(model, clips):
    found = {each.site: each.layers for each in measure(model, clips)}
    assert len(found) == model.expected_norm_sites == 13
    assert found["blocks.0.norm1"] == "blocks.0.attn.qkv, blocks.0.attn.proj"
    # The motion module's first layer comes before its norm.
    assert found["blocks.0.norm2"] == "blocks.0.mlp.fc1, blocks.0.mlp.fc2, blocks.0.lmi.reduce"
    assert found["blocks.3.lmi.norm"] == "blocks.3.lmi.mlp.0, blocks.3.lmi.mlp.2, blocks.3.lmi.expand"
    assert found["norm"] == "head"


def test_the_measures_are_of_the_sites_outputs_and_of_the_weights_after_them(model, clips):
    kept = {}
    hook = model.blocks[1].norm2.register_forward_hook(lambda module, inputs, output: kept.update(x=inputs, y=output))
    value = loss(model(clips))
    hook.remove()
    block = model.blocks[1]
    weights = [block.mlp.fc1.weight, block.mlp.fc2.weight, block.lmi.reduce.weight]
    gradients = torch.autograd.grad(value, weights)
    (found,) = [each for each in measure(model, clips) if each.site == "blocks.1.norm2"]
    given, features = (part.detach().reshape(-1, 96) for part in (kept["x"][0], kept["y"]))
    assert found.channels == 96
    assert found.dormant == dormant_share(features)
    expected = effective_rank(torch.linalg.svdvals(features.double()))
    assert found.effective_rank == pytest.approx(expected, rel=1e-6)
    torch.testing.assert_close(torch.tensor(found.mean), given.double().mean(0).float())
    torch.testing.assert_close(torch.tensor(found.var), given.double().var(0, correction=0).float())
    assert found.running_var == block.norm2.norm.running_var.tolist()
    assert found.weight_norm == pytest.approx(joint_norm(weights))
    assert found.gradient_norm == pytest.approx(joint_norm(gradients), rel=1e-5)
    assert found.effective_rate == pytest.approx(0.5 / joint_norm(weights))


def test_weights_that_do_not_train_have_no_gradient_and_no_rate(model, clips):
    for parameter in model.blocks[0].attn.parameters():
        parameter.requires_grad = False
    trained = {id(each): 0.5 for each in model.parameters() if each.requires_grad}
    generator = torch.Generator()
    found, *_ = measure_sites(model, clips, loss=loss, rates=trained, generator=generator)
    assert found.site == "blocks.0.norm1"
    assert (found.gradient_norm, found.effective_rate) == (0, 0)
    assert found.weight_norm > 0


def test_a_norm_without_running_statistics_has_no_buffers(clips):
    model = create_model("vit_nano", norm="ln", **SIZES).eval()
    assert all(not each.running_mean and not each.running_var for each in measure(model, clips))


@pytest.mark.parametrize("norm", ["bn", "cn", "ln"])
def test_nothing_of_the_model_changes(norm, clips):
    model = create_model("lsvit_nano", norm=norm, **SIZES).eval()
    nn.init.ones_(model.head.weight)  # of zeros the rate is NaN
    held, modes = deepcopy(model.state_dict()), [module.training for module in model.modules()]
    drawn = torch.get_rng_state()
    first, second = measure(model, clips), measure(model, clips)
    assert first == second
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(held[name], value) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_of_many_positions_some_are_drawn_and_always_the_same(model, clips, monkeypatch):
    whole = measure(model, clips)[0]
    monkeypatch.setattr(probe, "MOST_ROWS", 20)
    first, second = measure(model, clips)[0], measure(model, clips)[0]
    assert first == second
    assert first.mean != whole.mean
    assert first.effective_rank <= 20


class Shared(nn.Module):
    """One norm called twice, a norm that no weights follow, and weights before the first norm."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm, self.last = nn.Linear(4, 4), nn.LayerNorm(4), nn.LayerNorm(4)
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        x = self.first(self.norm(self.stem(x)))
        return self.last(self.second(self.norm(x)))


def test_a_shared_norm_is_one_site_and_a_last_norm_has_no_weights():
    torch.manual_seed(0)
    model = Shared()
    found = {each.site: each for each in measure(model, torch.randn(3, 4))}
    assert list(found) == ["norm", "last"]
    assert found["norm"].layers == "first, second"
    assert found["last"].layers == ""
    assert found["last"].weight_norm != found["last"].weight_norm


def test_the_positions_of_images_are_their_pixels(clips):
    model = create_model("resnet18:width=2", norm="bn", **SIZES).eval()
    kept = {}
    model.stages[3].bn1.register_forward_hook(lambda module, inputs, output: kept.update(x=inputs[0], y=output))
    (found,) = [each for each in measure(model, clips) if each.site == "stages.3.bn1"]
    given = kept["x"].detach().double()
    assert found.channels == given.shape[1] == 4
    torch.testing.assert_close(torch.tensor(found.mean), given.mean(dim=(0, 2, 3)).float(), check_dtype=False)
    torch.testing.assert_close(
        torch.tensor(found.var), given.var(dim=(0, 2, 3), correction=0).float(), check_dtype=False
    )
    dead = kept["y"].detach().permute(0, 2, 3, 1).reshape(-1, 4)
    assert found.dormant == pytest.approx(dormant_share(dead))
    assert found.layers == "stages.3.conv2"
