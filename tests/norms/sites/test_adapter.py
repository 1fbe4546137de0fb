"""NormSite: every norm on every axis against loops over clips, frames and tokens; and the shapes it refuses."""

from itertools import product

import pytest
import torch
from torch import nn

from clnorm.errors import ClnormError, UserError
from clnorm.norms import NormSite, build_norm
from clnorm.norms.kernels.passes import use_passes
from clnorm.norms.sites.adapter import ChannelsSecond, core_of

B, T, N, C = 2, 3, 4, 6
GROUPS, EPS = 2, 1e-5
SPECS = {"ln": "ln:eps=1e-5", "bn": "bn", "gn": f"gn:groups={GROUPS}", "cn": f"cn:groups={GROUPS}"}


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def standardize(values: torch.Tensor) -> torch.Tensor:
    centred = values - values.mean()
    return centred / (centred.square().mean() + EPS).sqrt()


def loop_groups(x: torch.Tensor, axis: str, groups: int) -> torch.Tensor:
    """Each group of each token, frame or clip standardized by itself; x (B, T, N, C)."""
    blocks = {
        "token": [(b, t, n) for b, t, n in product(range(B), range(T), range(x.shape[2]))],
        "frame": [(b, t, slice(None)) for b, t in product(range(B), range(T))],
        "clip": [(b, slice(None), slice(None)) for b in range(B)],
    }[axis]
    z, width = torch.zeros_like(x), C // groups
    for block, group in product(blocks, range(groups)):
        place = (*block, slice(group * width, (group + 1) * width))
        z[place] = standardize(x[place])
    return z


def loop_channels(z: torch.Tensor, statistics: tuple[torch.Tensor, torch.Tensor] | None) -> torch.Tensor:
    """Each channel standardized over everything else, or by given (mean, var)."""
    if statistics is None:
        return torch.stack([standardize(z[..., c]) for c in range(C)], dim=-1)
    mean, var = statistics
    return torch.stack([(z[..., c] - mean[c]) / (var[c] + EPS).sqrt() for c in range(C)], dim=-1)


def oracle(name: str, axis: str, x: torch.Tensor, norm: nn.Module) -> torch.Tensor:
    statistics = None if norm.training else (norm.running_mean, norm.running_var) if name in ("bn", "cn") else None
    if name == "ln":
        z = loop_groups(x, "token", 1)
    elif name == "gn":
        z = loop_groups(x, axis, GROUPS)
    else:
        z = loop_channels(loop_groups(x, axis, GROUPS) if name == "cn" else x, statistics)
    return z * norm.weight + norm.bias


def build_site(name: str, axis: str) -> NormSite:
    norm = build_norm(SPECS[name], C).double()
    with torch.no_grad():
        norm.weight.copy_(draw(C, seed=1))
        norm.bias.copy_(draw(C, seed=2))
        if name in ("bn", "cn"):
            norm.running_mean.copy_(draw(C, seed=3))
            norm.running_var.copy_(1 + draw(C, seed=4).square())
    return NormSite(norm, axis)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("positions", [N, 1])
@pytest.mark.parametrize("axis", ["token", "frame", "clip"])
@pytest.mark.parametrize("name", SPECS)
def test_every_norm_and_axis_equals_loops(name, axis, positions, training):
    site = build_site(name, axis).train(training)
    results = []
    for function in (lambda x: oracle(name, axis, x, site.norm), site):
        x = (draw(B, T, positions, C, seed=5).double() * 2 + 1).requires_grad_()
        y = function(x)
        results.append([y, *torch.autograd.grad(y, [x, *site.parameters()], draw(*y.shape, seed=6).double())])
    for ours, loops in zip(*results, strict=True):
        torch.testing.assert_close(ours, loops)


@pytest.mark.parametrize("axis", ["token", "frame"])
@pytest.mark.parametrize("name", SPECS)
def test_folded_frames_equal_unfolded_ones(name, axis):
    x = draw(B, T, N, C).double()
    folded = build_site(name, axis)(x.reshape(B * T, N, C))
    torch.testing.assert_close(folded, build_site(name, axis)(x).reshape(B * T, N, C))


@pytest.mark.parametrize("axis", ["token", "frame", "clip"])
@pytest.mark.parametrize("name", SPECS)
def test_rows_are_one_position_each(name, axis):
    x = draw(5, C).double()
    torch.testing.assert_close(build_site(name, axis)(x), build_site(name, "frame")(x[:, None])[:, 0])


def test_strided_tokens_are_normalized_where_they_stand():
    x = draw(B, N, T, C).double()
    torch.testing.assert_close(
        build_site("cn", "clip")(x.transpose(1, 2)), build_site("cn", "clip")(x.transpose(1, 2).contiguous())
    )


def test_the_clip_axis_needs_the_time_axis():
    with pytest.raises(UserError, match=r"axis=clip with an input of shape \(6, 4, 6\); legal: \(B, T, N, C\)"):
        build_site("cn", "clip")(draw(6, N, C))


@pytest.mark.parametrize("shape", [(C,), (1, B, T, N, C)])
def test_shapes_of_no_tokens_are_refused(shape):
    with pytest.raises(UserError, match="axis=frame with an input of shape"):
        build_site("ln", "frame")(draw(*shape).double())


def test_a_site_for_rows_refuses_tokens():
    site = NormSite(build_norm("bn", C), "frame", site="head.bn", takes="rows")
    assert site(draw(5, C)).shape == (5, C)
    with pytest.raises(UserError, match=r"norm site 'head.bn': an input of shape \(5, 6, 6\).*legal: \(S, C\)"):
        site(draw(5, C, C))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("axis", ["token", "frame"])
@pytest.mark.parametrize("name", SPECS)
def test_images_are_tokens_of_their_pixels(name, axis, layout):
    images = draw(B, C, 2, 3).double().to(memory_format=layout).requires_grad_()
    site, tokens = build_site(name, axis), images.detach().permute(0, 2, 3, 1).reshape(B, 6, C).requires_grad_()
    site.takes = "images"
    y, expected = site(images), build_site(name, axis)(tokens)
    torch.testing.assert_close(y, expected.transpose(1, 2).unflatten(2, (2, 3)))
    (y * torch.arange(y[0].numel()).view(1, *y.shape[1:])).sum().backward()
    (expected.transpose(1, 2) * torch.arange(y[0].numel()).view(1, C, 6)).sum().backward()
    torch.testing.assert_close(images.grad, tokens.grad.transpose(1, 2).unflatten(2, (2, 3)))


@pytest.mark.parametrize("samples", [1, 64])
@pytest.mark.parametrize("spec", ["bn", "cn:groups=2"])
def test_compiled_passes_take_images_whatever_their_memory(spec, samples):
    found = []
    for kernels in ("torch", "native"):
        site = NormSite(build_norm(spec, C), "frame", takes="images")
        images = (draw(samples, C, 4, 4) * 2 + 1).requires_grad_()
        with use_passes(kernels):
            y = site(images)
            found.append([y, *torch.autograd.grad(y, [images, *site.parameters()], draw(samples, C, 4, 4, seed=1))])
    for native, plain in zip(*found, strict=True):
        torch.testing.assert_close(native, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("spec", "oracle"), [("bn", nn.BatchNorm2d(C)), ("gn:groups=2", nn.GroupNorm(2, C))])
def test_norms_of_images_are_torchs(spec, oracle):
    site = NormSite(build_norm(spec, C), "frame", takes="images")
    images = draw(B, C, 4, 5) * 3 + 1
    torch.testing.assert_close(site(images), oracle(images))
    torch.testing.assert_close(site.eval()(images), oracle.eval()(images))


def test_a_site_of_images_refuses_other_shapes():
    site = NormSite(build_norm("bn", C), "frame", site="stem.bn", takes="images")
    with pytest.raises(UserError, match=r"norm site 'stem.bn': an input of shape \(5, 6, 6\).*legal: images"):
        site(draw(5, C, C))
    with pytest.raises(UserError, match="axis=clip with an input of shape"):
        NormSite(build_norm("cn:groups=2", C), "clip", takes="images")(draw(B, C, 2, 3))


def test_an_unknown_axis_is_refused():
    with pytest.raises(UserError, match=r"'frames' is not legal; did you mean 'frame'\?"):
        NormSite(build_norm("ln", C), "frames")
    with pytest.raises(UserError, match=r"takes: 'image' is not legal; did you mean 'images'\?"):
        NormSite(build_norm("ln", C), "frame", takes="image")


class Shortens(nn.Module):
    def forward(self, x):
        return x[:, :-1]


class ReturnsPair(nn.Module):
    def forward(self, x):
        return x, x


@pytest.mark.parametrize(("norm", "given"), [(Shortens(), r"\(6, 3, 6\)"), (ReturnsPair(), "tuple")])
def test_a_norm_that_returns_another_shape(norm, given):
    site = NormSite(norm, "frame", site="blocks.0.norm1")
    what = rf"norm site 'blocks.0.norm1': {type(norm).__name__} returned {given} for an input of shape \(6, 4, 6\)"
    with pytest.raises(ClnormError, match=what):
        site(draw(B, T, N, C))


def test_an_error_of_the_norm_names_the_site():
    site = NormSite(build_norm(f"cn:groups={C}", C), "token", site="blocks.1.norm2")
    with pytest.raises(UserError, match=r"norm site 'blocks.1.norm2': 6 groups of 6 channels at one position"):
        site(draw(B, T, N, C))


def test_channels_second_is_the_norm_of_a_transposed_input():
    inner = nn.InstanceNorm1d(C, affine=True)
    norm = ChannelsSecond(inner, C)
    x = draw(4, 5, C, seed=1)
    expected = (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, correction=0) + EPS).sqrt()
    torch.testing.assert_close(norm(x), expected)
    assert (norm.num_channels, core_of(norm), core_of(inner)) == (C, inner, inner)


def test_an_adapted_norm_serves_a_site():
    site = NormSite(ChannelsSecond(nn.BatchNorm1d(C), C), "frame")
    x = draw(B, T, N, C)
    torch.testing.assert_close(site(x), loop_channels(x, None))


class Raises(nn.Module):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def forward(self, x):
        raise self.error


@pytest.mark.parametrize("wrap", [lambda norm: norm, lambda norm: ChannelsSecond(norm, C)])
def test_a_plugin_that_fails_is_named_with_its_site_in_one_line(wrap):
    site = NormSite(wrap(Raises(ValueError("\nboom in\nforward"))), "frame", site="blocks.0.norm1")
    with pytest.raises(ClnormError) as caught:
        site(draw(B, T, N, C))
    assert str(caught.value) == (
        "norm site 'blocks.0.norm1': Raises failed: ValueError: boom in; check the norm alone: clnorm norms check NAME"
    )
    assert not isinstance(caught.value, UserError)
    assert isinstance(caught.value.__cause__, ValueError)


class Signal(Exception):  # noqa: N818 - nor is it an error of torch's
    """As torch's checkpointing raises it to end a recomputation."""


Signal.__module__ = "torch.utils.checkpoint"


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("out of memory"), Signal("complete")])
def test_what_torch_says_to_torch_is_passed_on(error):
    with pytest.raises(type(error)) as caught:
        NormSite(Raises(error), "frame")(draw(B, T, N, C))
    assert caught.value is error


class Casts(nn.Module):
    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, x):
        return x.to(self.dtype)


def test_a_norm_that_returns_another_dtype_is_named_with_its_site():
    site = NormSite(Casts(torch.float64), "frame", site="blocks.0.norm1")
    what = r"norm site 'blocks.0.norm1': Casts returned torch.float64 for an input of torch.float32"
    for enabled in (False, True):
        with pytest.raises(ClnormError, match=what), torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            site(draw(B, T, N, C))


def test_autocasts_own_dtypes_are_taken_under_autocast_alone():
    for dtype, given in ((torch.bfloat16, torch.float32), (torch.float32, torch.bfloat16)):
        site = NormSite(Casts(dtype), "frame")
        with torch.autocast("cpu", torch.bfloat16):
            assert site(draw(B, T, N, C).to(given)).dtype == dtype
        with pytest.raises(ClnormError, match=f"returned {dtype}"):
            site(draw(B, T, N, C).to(given))


@pytest.mark.slow
def test_a_site_compiles_to_one_graph():
    torch.compiler.reset()
    site = build_site("cn", "frame").float()
    x = draw(B, T, N, C)
    expected = build_site("cn", "frame").float()(x)
    torch.testing.assert_close(torch.compile(site, backend="eager", fullgraph=True)(x), expected)
    torch.compiler.reset()
