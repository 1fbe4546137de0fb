"""Only norms that compute what torch's do are swapped; what is derived from them and does more is refused by name."""

import functools
import types

import pytest
import timm
import torch
from timm.layers import GroupNorm1, LayerNormFp32
from torch import nn
from torch.nn.utils import parametrize

from clnorm.errors import UserError
from clnorm.norms import swap_norms
from clnorm.norms.sites.adapter import NormSite
from clnorm.norms.sites.find import find_sites

C = 6


class WithReLU(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x).relu()


class OffsetWeight(nn.RMSNorm):
    def forward(self, x):
        return nn.functional.rms_norm(x, self.normalized_shape, self.weight + 1, self.eps)


class OffsetByProperty(nn.LayerNorm):
    """Its forward is torch's, and reads another weight."""

    @property
    def weight(self):
        return self._parameters["weight"] + 1


class AlwaysFrozen(nn.BatchNorm1d):
    def train(self, mode=True):
        return super().train(False)


class Called(nn.LayerNorm):
    def __call__(self, x):
        return 2 * super().__call__(x)


class Doubling(nn.Module):
    def __call__(self, x):
        return 2 * super().__call__(x)


class MixedIn(nn.LayerNorm, Doubling):
    """What doubles stands between torch's class and nn.Module."""


class ExtraParameter(nn.LayerNorm):
    def __init__(self, width):
        super().__init__(width)
        self.gain = nn.Parameter(torch.ones(1))


class ExtraBuffer(nn.GroupNorm):
    def __init__(self, width):
        super().__init__(2, width)
        self.register_buffer("seen", torch.zeros(1))


class LooseTensor(nn.LayerNorm):
    def __init__(self, width):
        super().__init__(width)
        self.shift = torch.zeros(width)


class ExtraState(nn.LayerNorm):
    def get_extra_state(self):
        return {"calls": 0}

    def set_extra_state(self, state):
        pass


def with_forward_set(width):
    norm = nn.LayerNorm(width)
    norm.forward = types.MethodType(lambda self, x: x, norm)
    return norm


def with_partial_forward(width):
    norm = nn.BatchNorm1d(width)
    norm.forward = functools.partial(nn.functional.relu)
    return norm


def parametrized(width):
    norm = nn.LayerNorm(width)
    parametrize.register_parametrization(norm, "weight", nn.Softplus())
    return norm


def with_property(width):
    norm = nn.LayerNorm(width)
    norm.__class__ = OffsetByProperty  # torch registers no parameter of a name that the class has
    return norm


ODD = {
    WithReLU: "WithReLU: its own forward",
    OffsetWeight: "OffsetWeight: its own forward",
    with_property: "OffsetByProperty: its own weight",
    AlwaysFrozen: "AlwaysFrozen: its own train",
    Called: "Called: its own __call__",
    MixedIn: "MixedIn: its own __call__",
    ExtraParameter: "ExtraParameter: tensors beyond torch's: gain",
    ExtraBuffer: "ExtraBuffer: tensors beyond torch's: seen",
    LooseTensor: "LooseTensor: tensors beyond torch's: shift",
    ExtraState: "ExtraState: its own get_extra_state, set_extra_state",
    with_forward_set: "LayerNorm: forward set on the instance",
    with_partial_forward: "BatchNorm1d: forward set on the instance",
    parametrized: "ParametrizedLayerNorm: its own .*weight.*",
}


@pytest.mark.parametrize("make", ODD, ids=lambda make: make.__name__)
def test_a_norm_that_does_more_is_refused_by_name_and_nothing_changes(make):
    odd = make(C)
    model = nn.Sequential(nn.LayerNorm(C), nn.Sequential(odd))
    with pytest.raises(UserError, match=rf"incomplete swap: 1 norms .*1\.0 \({ODD[make]}\)"):
        swap_norms(model, "ln")
    assert isinstance(model[0], nn.LayerNorm)
    assert model[1][0] is odd
    assert swap_norms(model, "ln", partial=True).replaced == 1
    assert model[1][0] is odd


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")
def test_a_compiled_script_of_a_norm_is_not_overlooked():
    model = nn.Sequential(nn.LayerNorm(C), torch.jit.script(nn.LayerNorm(C)))
    with pytest.raises(UserError, match=r"incomplete swap: 1 norms .*1 \(LayerNorm as a script\)"):
        swap_norms(model, "ln")


@pytest.mark.parametrize("hook", ["register_state_dict_pre_hook", "register_load_state_dict_post_hook"])
def test_hooks_on_the_state_of_a_norm_are_refused(hook):
    model = nn.Sequential(nn.LayerNorm(C))
    getattr(model[0], hook)(lambda *given: None)
    with pytest.raises(UserError, match="norm site '0': LayerNorm has hooks"):
        swap_norms(model, "ln")


def test_a_hook_on_a_weight_is_refused():
    model = nn.Sequential(nn.LayerNorm(C))
    model[0].weight.register_hook(lambda gradient: 0 * gradient)
    with pytest.raises(UserError, match="norm site '0': LayerNorm has hooks"):
        swap_norms(model, "ln")


class Renamed(nn.LayerNorm):
    """A norm built in another way, which computes as torch's."""

    def __init__(self, width, note="mine"):
        super().__init__(width, eps=1e-3)
        self.note = note

    def reset_parameters(self):
        nn.init.constant_(self.weight, 2.0)
        nn.init.zeros_(self.bias)

    def describe(self):
        return self.note


@pytest.mark.parametrize("make", [Renamed, timm.layers.LayerNorm, LayerNormFp32, GroupNorm1], ids=lambda m: m.__name__)
def test_a_subclass_that_is_only_built_otherwise_is_swapped(make):
    model = nn.Sequential(nn.Linear(C, C), make(C))
    assert swap_norms(model, "ln").replaced == 1


def test_a_norm_that_follows_a_rule_of_its_own_after_a_swap_is_not_swapped_again():
    model = nn.Sequential(nn.LayerNorm(C), nn.LayerNorm(C))
    swap_norms(model, "ln")
    model[1].norm.forward = lambda x: x
    with pytest.raises(UserError, match=r"1 \(NormSite: forward set on the instance\)"):
        swap_norms(model, "bn")
    del model[1].norm.forward
    model[0].__class__ = type("Loud", (NormSite,), {"forward": lambda self, x: 2 * x})
    with pytest.raises(UserError, match=r"0 \(Loud: its own forward\)"):
        swap_norms(model, "bn")


def test_a_model_made_of_norms_that_do_more_has_no_site():
    assert find_sites(nn.Sequential(WithReLU(C), OffsetWeight(C))) == []
    with pytest.raises(UserError, match="2 norms cannot be replaced"):
        swap_norms(nn.Sequential(WithReLU(C), OffsetWeight(C)), "ln", partial=True)


def test_the_settings_that_a_swap_changes_are_in_the_report():
    model = nn.Sequential(nn.LayerNorm(C, eps=1e-5), nn.Linear(C, C), nn.BatchNorm1d(C, eps=1e-4, momentum=0.3))
    report = swap_norms(model, "bn")
    assert [site.settings_from for site in report.sites] == [{"eps": 1e-5}, {"eps": 1e-4, "momentum": 0.3}]
    assert [site.settings_to for site in report.sites] == [{"eps": 1e-5, "momentum": 0.1}] * 2
    assert report.summary().endswith("; eps 0.0001 -> 1e-05 at 1, momentum 0.3 -> 0.1 at 1")


def test_settings_can_be_kept():
    x = torch.randn(4, C, generator=torch.Generator().manual_seed(0)) * 1e-3
    model = nn.Sequential(nn.LayerNorm(C, eps=1e-5), nn.LayerNorm(C, eps=1e-3))
    before = model(x)
    kept, changed = nn.Sequential(*model), nn.Sequential(*model)
    report = swap_norms(kept, "ln", keep_settings=True)
    assert torch.equal(kept(x), before)
    assert [site.settings_to for site in report.sites] == [{"eps": 1e-5}, {"eps": 1e-3}]
    assert "->" not in report.summary()
    swap_norms(changed, "ln")
    assert not torch.allclose(changed(x), before, atol=1e-2)


def test_the_default_eps_of_torchs_rms_norm_is_that_of_its_numbers():
    model = nn.Sequential(nn.RMSNorm(C), nn.RMSNorm(C, dtype=torch.float64))
    report = swap_norms(model, "rms", keep_settings=True)
    eps = [torch.finfo(dtype).eps for dtype in (torch.float32, torch.float64)]
    assert [site.settings_from["eps"] for site in report.sites] == eps
    assert [site.norm.eps for site in model] == eps


def test_a_momentum_that_cannot_be_kept_is_refused_and_one_without_an_option_is_dropped():
    model = nn.Sequential(nn.BatchNorm1d(C, momentum=None))
    with pytest.raises(UserError, match="norm site '0': momentum=None of BatchNorm1d cannot be kept"):
        swap_norms(model, "bn", keep_settings=True)
    assert swap_norms(model, "bn_cma", keep_settings=True).sites[0].settings_to["momentum"] is None
    model = nn.Sequential(nn.BatchNorm1d(C))
    assert swap_norms(model, "dyt", keep_settings=True).sites[0].settings_to == {}
