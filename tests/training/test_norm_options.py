"""What a norm's options ask for and a run cannot do is refused before anything is trained."""

import pytest
from torch import nn

from clnorm import create_model
from clnorm.config.load import merge_config
from clnorm.errors import UserError
from clnorm.norms.batch import BatchNorm
from clnorm.norms.sites.swap import swap_norms
from clnorm.training.norms.options import check_norm_options
from tests.training.strategies import create


def check(norm, *, model=None, has_memory=True, experiences=3, **changes):
    config = merge_config({"norm": norm}, {key.replace("__", "."): value for key, value in changes.items()})
    if model is None:
        model = create_model(config.backbone, norm=config.norm, num_classes=2, image_size=16, num_frames=2)
    check_norm_options(model, config, has_memory=has_memory, experiences=experiences)


OPTIONS = ["update=balanced", "update=current_only", "recalibrate=current", "freeze_after=1", "eval=batch"]


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_needs_running_statistics(option):
    check(f"bn:{option}")
    name, _, value = option.partition("=")
    default = {"update": "all", "recalibrate": "none", "freeze_after": "0", "eval": "running"}[name]
    what = rf"norm torch\.nn:LayerNorm:{option}: {name}={value}, but what it builds has no running statistics"
    with pytest.raises(UserError, match=rf"{what}.*such as bn or cn; or leave {name}={default}"):
        check(f"torch.nn.LayerNorm:{option}")


class Deaf(nn.Module):
    """Running statistics without a momentum that a calibration could set."""

    def __init__(self, num_channels):
        super().__init__()
        self.norm = nn.BatchNorm1d(num_channels)
        del self.norm.momentum

    def forward(self, x):
        return x


@pytest.mark.parametrize("option", OPTIONS)
def test_foreign_running_statistics_can_be_recalibrated_and_nothing_else(option):
    told = rf"{option} with statistics that cannot follow it, those of BatchNorm1d at .*RunningNorm; or leave"
    if option == "recalibrate=current":
        check(f"torch.nn.BatchNorm1d:{option}")
        name, where = f"{__name__}:Deaf:{option}", rf"norm {__name__}:Deaf:{option}: "
    else:
        name, where = f"torch.nn.BatchNorm1d:{option}", rf"norm torch\.nn:BatchNorm1d:{option}: "
    with pytest.raises(UserError, match=where + told):
        check(name)


def test_running_statistics_of_the_backbones_own_must_follow_too():
    model = nn.Sequential(nn.LayerNorm(4), nn.BatchNorm3d(4))
    swap_norms(model, "bn:update=balanced", partial=True)
    with pytest.raises(UserError, match=r"update=balanced with statistics that cannot follow it.*BatchNorm3d at 1;"):
        check("bn:update=balanced", model=model)


OF_MEMORY = ["update=current_only", "update=memory_only", "update=balanced", "recalibrate=buffer"]


@pytest.mark.parametrize("option", OF_MEMORY)
def test_an_option_about_the_memory_needs_one(option):
    check(f"bn:{option}")
    with pytest.raises(
        UserError, match=rf"norm bn:{option}: {option} with the strategy naive, .*none of a memory.*replay"
    ):
        check(f"bn:{option}", has_memory=False)


def test_freezing_after_the_last_experience_would_do_nothing():
    check("bn:freeze_after=2")
    with pytest.raises(UserError, match=r"norm bn:.*: freeze_after=3 of 3 experiences.*legal: 0 \(never\) to 2"):
        check("bn:freeze_after=3")
    with pytest.raises(UserError, match=r"freeze_after=1 of 1 experiences.*legal: 0 \(never\)$"):
        check("bn:freeze_after=1", experiences=1)


@pytest.mark.parametrize("norm", ["bn_task", "adab2n"])
def test_more_experiences_than_a_norm_is_built_for_are_refused_at_the_start(norm):
    check(f"{norm}:tasks=3")
    with pytest.raises(UserError, match=rf"norm {norm}:tasks=2: tasks=2, fewer than the 3.*legal: tasks=3 or more"):
        check(f"{norm}:tasks=2")
    check(f"{norm}:tasks=1", experiences=1)


@pytest.mark.parametrize("update", ["memory_only", "none"])
def test_an_oracle_must_get_statistics_of_each_experience(update):
    with pytest.raises(UserError, match=rf"norm bn_task:update={update}: update={update}, by which it gets no stat"):
        check(f"bn_task:update={update}", model__calibrate=True)  # which estimates those of the first experience alone
    check(f"bn_task:update={update},recalibrate=buffer")
    check(f"bn_task:update={update}", model__calibrate=True, experiences=1)


@pytest.mark.parametrize(("norm", "kind"), [("brn", "BatchRenorm"), ("adab2n", "AdaptiveBalancedBatchNorm")])
@pytest.mark.parametrize("option", ["recalibrate=current", "eval=batch"])
def test_a_norm_that_trains_by_running_statistics_needs_some_from_the_start(norm, kind, option):
    check(f"bn:update=none,{option}")
    with pytest.raises(UserError, match=rf"norm {norm}:.*: update=none with {kind}.*add --set model\.calibrate=true"):
        check(f"{norm}:update=none,{option}")
    check(f"{norm}:update=none,{option}", model__calibrate=True)


def test_an_oracle_is_not_evaluated_on_what_it_was_not_trained_on():
    check("bn_task")
    with pytest.raises(UserError, match=r"eval\.unseen: true with the norm bn_task, which has no statistics of exper"):
        check("bn_task", eval__unseen=True)
    check("bn", eval__unseen=True)


class Told(BatchNorm):
    oracle = True


def hide(num_channels):
    return Told(num_channels, eps=1e-5, momentum=0.1)


def test_an_oracle_that_does_not_say_so_is_refused():
    check(f"{__name__}:Told:eps=1e-5,momentum=0.1")
    with pytest.raises(UserError, match=rf"norm {__name__}:hide: it builds an oracle.*oracle = True on the class"):
        check(f"{__name__}:hide")


@pytest.mark.parametrize("estimate", [{"model__calibrate": True}, "recalibrate=current", "eval=batch"])
def test_statistics_that_are_never_estimated_are_no_evaluation(estimate):
    with pytest.raises(UserError, match=r"norm bn:update=none: update=none, with an eval.*model\.calibrate=true"):
        check("bn:update=none")
    if isinstance(estimate, str):
        check(f"bn:update=none,{estimate}")
    else:
        check("bn:update=none", **estimate)


def test_a_strategy_checks_them_before_anything_is_trained(build_setup):
    with pytest.raises(UserError, match=r"norm bn:recalibrate=buffer: recalibrate=buffer with the strategy ewc"):
        create(build_setup(norm="bn:recalibrate=buffer", strategy="ewc"))
    with pytest.raises(UserError, match=r"norm bn:freeze_after=2: freeze_after=2 of 2 experiences"):
        create(build_setup(norm="bn:freeze_after=2"))
    with pytest.raises(UserError, match=r"freeze_after=1 of 1 experiences leaves none"):
        create(build_setup(norm="bn:freeze_after=1", strategy="joint"))  # which trains on one experience
    create(build_setup(norm="bn_task:tasks=1", strategy="joint"))
    with pytest.raises(UserError, match=r"tasks=1, fewer than the 2 experiences"):
        create(build_setup(norm="bn_task:tasks=1"))
