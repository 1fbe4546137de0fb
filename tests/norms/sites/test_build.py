"""Building norms by name: plug-ins, and classes of torch and timm."""

import copy

import pytest
import torch
from torch import nn

from clnorm.catalogue import NORMS, register_norm
from clnorm.errors import UserError
from clnorm.norms import build_norm, swap_norms
from clnorm.norms.sites.adapter import ChannelsSecond

C = 8


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def registry(monkeypatch):
    """The registry of norms, restored afterwards."""
    monkeypatch.setattr(NORMS, "_entries", dict(NORMS._entries))
    return NORMS


@pytest.fixture
def plugin_module(tmp_path, monkeypatch):
    """A module `norm_plugin` in a folder on the path."""
    (tmp_path / "norm_plugin.py").write_text(
        "import torch\n"
        "class Scale(torch.nn.Module):\n"
        "    def __init__(self, num_channels: int, by: float = 2.0, shift: bool = False):\n"
        "        super().__init__()\n"
        "        self.weight = torch.nn.Parameter(torch.full((num_channels,), by))\n"
        "        self.shift = shift\n"
        "    def forward(self, x):\n"
        "        return x * self.weight + float(self.shift)\n"
        "class Broken(torch.nn.Module):\n"
        "    def __init__(self, num_channels: int):\n"
        "        raise ValueError('no luck today')\n"
        "class Narrow(torch.nn.Module):\n"
        "    def __init__(self, num_channels: int): super().__init__()\n"
        "    def forward(self, x): return x[..., :1]\n"
        "def a_number(num_channels: int): return 3\n"
        "def wants_two(num_channels: int, *, table=None, **more): return more['missing']\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return "norm_plugin"


def test_a_registered_norm_is_built_and_swapped(registry, create_model):
    @register_norm("halved", summary="half of everything")
    class Halved(nn.Module):
        def __init__(self, num_channels: int, factor: float = 0.5) -> None:
            super().__init__()
            self.width, self.factor = num_channels, factor

        def forward(self, x):
            assert x.ndim == 3
            return x * self.factor

    norm = build_norm("halved:factor=0.25", C)
    assert (norm.width, norm.factor) == (C, 0.25)
    model = create_model()
    swap_norms(model, "halved:axis=clip")
    assert model[0].norm1.axis == "clip"
    assert torch.equal(model[0].norm1(torch.ones(2, 3, 4, C)), torch.full((2, 3, 4, C), 0.5))
    assert swap_norms(model, "ln").sites[0].channels == C


def test_a_norm_named_by_its_module(plugin_module, create_model):
    x = draw(4, 5, C)
    assert torch.equal(build_norm(f"{plugin_module}:Scale", C)(x), x * 2)
    assert torch.equal(build_norm(f"{plugin_module}:Scale:by=3,shift=true", C)(x), x * 3 + 1)
    model = create_model()
    report = swap_norms(model, f"{plugin_module}:Scale:by=3,axis=token")
    assert report.sites[0].carried == ("weight",)
    with pytest.raises(UserError, match="no option 'buy'"):
        build_norm(f"{plugin_module}:Scale:buy=3", C)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Broken", "building it for 8 channels failed: ValueError: no luck today"),
        ("wants_two", "building it for 8 channels failed: KeyError: 'missing'"),
        ("a_number", "it built a int; legal: a torch.nn.Module"),
    ],
)
def test_a_plugin_that_builds_no_norm(plugin_module, name, message):
    with pytest.raises(UserError, match=f"norm '{plugin_module}:{name}': {message}"):
        build_norm(f"{plugin_module}:{name}", C)


def test_a_plugin_that_changes_the_shape_is_named_with_its_site(plugin_module, create_model):
    model = create_model()
    swap_norms(model, f"{plugin_module}:Narrow")
    with pytest.raises(Exception, match=r"norm site '0.norm1': Narrow returned \(4, 5, 1\)"):
        model(draw(4, 5, C))


def test_a_width_must_be_positive():
    with pytest.raises(UserError, match="0 channels"):
        build_norm("ln", 0)


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("torch.nn.BatchNorm1d", nn.BatchNorm1d),
        ("torch.nn:InstanceNorm1d:affine=true", nn.InstanceNorm1d),
        ("timm.layers.GroupNorm:num_groups=2", nn.GroupNorm),
    ],
)
def test_a_torch_norm_with_channels_second_is_adapted_when_it_is_built(spec, kind):
    x = draw(4, C, C)  # square, so that the wrong axis would run
    norm = build_norm(spec, C)
    assert isinstance(norm.norm, kind)
    expected = copy.deepcopy(norm.norm)(x.transpose(1, 2)).transpose(1, 2)
    assert torch.equal(norm(x), expected)
    assert not torch.allclose(copy.deepcopy(norm.norm)(x), expected)


def test_torchs_batch_norm_equals_ours():
    x = draw(4, 5, C)
    ours, torchs = build_norm("bn", C), build_norm("torch.nn.BatchNorm1d", C)
    torch.testing.assert_close(ours(x), torchs(x))
    torch.testing.assert_close(ours.running_var, torchs.norm.running_var)


@pytest.mark.parametrize("spec", ["torch.nn.LayerNorm", "torch.nn:RMSNorm", "timm.layers.RmsNorm"])
def test_a_torch_norm_of_the_last_dimension_stays_as_it_is(spec):
    norm = build_norm(spec, C)
    x = draw(4, 5, C)
    assert not isinstance(norm, ChannelsSecond)
    name = spec.replace(":", ".").rpartition(".")[2]
    assert type(norm).__name__ == name
    expected = nn.functional.layer_norm if name == "LayerNorm" else nn.functional.rms_norm
    torch.testing.assert_close(norm(x), expected(x, (C,)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "spec",
    [
        "torch.nn.BatchNorm2d",
        "torch.nn.LazyBatchNorm1d",
        "torch.nn.LocalResponseNorm",
        "timm.layers.LayerNorm2d",
    ],
)
def test_a_torch_class_that_is_no_norm_of_so_many_channels_is_refused(spec):
    with pytest.raises(UserError, match=r"is no norm of 8 channels in three dimensions; legal: .*torch.nn.LayerNorm"):
        build_norm(spec, C)


def test_torchs_group_norm_is_refused_with_what_to_write_instead():
    with pytest.raises(UserError, match=r"its first argument is the number of groups; use gn:groups=G"):
        build_norm("torch.nn.GroupNorm", C)


def test_a_plugins_own_forward_is_taken_at_its_word(registry):
    @register_norm("own_view")
    class OwnView(nn.BatchNorm1d):
        def __init__(self, num_channels: int) -> None:
            super().__init__(num_channels)

        def forward(self, x):
            return super().forward(x.transpose(1, 2)).transpose(1, 2)

    x = draw(4, C, C)
    torch.testing.assert_close(build_norm("own_view", C)(x), build_norm("bn", C)(x))


def test_affine_parameters_go_into_an_adapted_norm_and_out_again(create_model):
    model = create_model()
    weight = model[0].norm1.weight.clone()
    report = swap_norms(model, "torch.nn.BatchNorm1d")
    site = model[0].norm1
    assert torch.equal(site.norm.norm.weight, weight)
    assert (report.sites[0].carried, report.sites[0].fresh) == (("weight", "bias"), ())
    assert report.sites[0].kind_to == "BatchNorm1d"
    assert model(draw(4, 5, C)).shape == (4, 5, C)
    again = swap_norms(model, "ln")
    assert again.sites[0].kind_from == "BatchNorm1d"
    assert torch.equal(model[0].norm1.norm.weight, weight)


def test_the_mode_device_and_dtype_are_kept_by_an_adapted_norm(create_model):
    model = create_model().double().eval()
    swap_norms(model, "torch.nn.BatchNorm1d")
    assert {module.training for module in model.modules()} == {False}
    assert model[0].norm1.norm.norm.running_mean.dtype == torch.float64
