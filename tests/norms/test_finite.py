"""Naming the norm site that numbers stop being finite at."""

import pytest
import torch
from torch import nn

from clnorm import create_model
from clnorm.errors import ClnormError
from clnorm.norms import StepContext, provide_context
from clnorm.norms.finite import find_nonfinite_site
from clnorm.norms.sites.adapter import NormSite

CLIPS = torch.linspace(-1, 1, 2 * 2 * 3 * 16 * 16).view(2, 2, 3, 16, 16)


class Fails(nn.Module):
    def forward(self, x):
        return x / 0


@pytest.fixture
def model():
    return create_model("lsvit_nano", norm="bn", num_classes=2, image_size=16, num_frames=2).train()


def break_sites(model, *names):
    for name in names:
        model.get_submodule(name).norm = Fails()


@pytest.mark.parametrize(
    ("broken", "first"),
    [(["blocks.1.norm2"], "blocks.1.norm2"), (["norm", "blocks.2.norm1"], "blocks.2.norm1"), (["norm"], "norm")],
)
def test_the_first_site_to_fail_is_named_with_its_norm(model, broken, first):
    break_sites(model, *broken)
    assert find_nonfinite_site(model, lambda: model(CLIPS)) == f"norm site {first!r} (Fails)"


def test_no_site_is_blamed_for_what_it_was_given(model):
    assert find_nonfinite_site(model, lambda: model(CLIPS)) is None
    assert find_nonfinite_site(model, lambda: model(CLIPS * float("nan"))) is None


@pytest.mark.parametrize("grown", [1e7, 1e25, float("inf")])
def test_no_site_is_blamed_for_weights_that_have_grown(model, grown):
    break_sites(model, "blocks.0.norm2")
    with torch.no_grad():
        model.patch_embed.proj.weight.mul_(grown)
    assert find_nonfinite_site(model, lambda: model(CLIPS)) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_no_site_is_blamed_for_what_it_has_learned(model, value):
    norm = model.get_submodule("blocks.1.norm1").norm
    with torch.no_grad():
        norm.weight.fill_(value)
    assert find_nonfinite_site(model, lambda: model(CLIPS)) is None


def test_no_site_is_blamed_for_running_statistics_that_training_has_made_infinite(model):
    model.eval().get_submodule("blocks.1.norm1").norm.running_mean.fill_(float("inf"))
    assert find_nonfinite_site(model, lambda: model(CLIPS)) is None


@pytest.mark.parametrize(
    "norm", ["ln", "rms", "bn", "brn", "gn", "in", "sn", "cn", "prepbn", "dyt", "derf", "identity"]
)
@pytest.mark.parametrize("rate", [1e12, 1e30])
def test_a_learning_rate_is_not_blamed_on_a_norm(norm, rate):
    model = create_model("lsvit_nano", norm=norm, num_classes=2, image_size=8, num_frames=2).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    clips = CLIPS[..., :8, :8]
    provide_context(model, StepContext(torch.zeros(2, dtype=torch.long), experience=0, progress=0.5))
    for step in range(8):  # with other targets each time, so that the loss does not stay at 0
        loss = nn.functional.cross_entropy(model(clips), torch.tensor([step % 2, 1 - step % 2]))
        if not loss.isfinite():
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert not loss.isfinite()
    assert find_nonfinite_site(model, lambda: model(clips)) is None


def test_buffers_modes_and_hooks_are_as_before(model):
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    break_sites(model, "norm")
    find_nonfinite_site(model, lambda: model(CLIPS))
    for name, buffer in model.named_buffers():
        assert torch.equal(buffer, before[name])
    assert not any(module._forward_hooks for module in model.modules())
    assert all(module.training for module in model.modules())


def test_hooks_are_gone_after_an_error(model):
    class Raises(nn.Module):
        def forward(self, x):
            raise RuntimeError("no")

    model.norm.norm = Raises()
    with pytest.raises(ClnormError, match="RuntimeError: no"):
        find_nonfinite_site(model, lambda: model(CLIPS))
    assert not any(module._forward_hooks for module in model.modules() if isinstance(module, NormSite))


@pytest.mark.slow
def test_a_compiled_site_is_looked_at_too():
    torch.compiler.reset()
    site = NormSite(Fails(), "frame", site="only")
    compiled = torch.compile(nn.Sequential(site), backend="eager")
    x = torch.ones(2, 3, 4)
    compiled(x)
    assert find_nonfinite_site(compiled, lambda: compiled(x)) == "norm site 'only' (Fails)"
    torch.compiler.reset()
