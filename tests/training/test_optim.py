"""Parameter groups: each parameter's rate by hand, and the two groups of before where nothing is scaled."""

import math

import pytest
import torch
from torch import nn

from clnorm.config.sections import TrainConfig
from clnorm.errors import UserError
from clnorm.models.create import create_model
from clnorm.training.optim import create_optimizer, create_schedule


@pytest.fixture
def model():
    return create_model("lsvit_signed_nano", norm="cn", num_classes=3, image_size=16, num_frames=2)


def rates(model, **recipe):
    """Learning rate and weight decay of each parameter, by name."""
    optimizer = create_optimizer(model, TrainConfig(lr=1.0, **recipe))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


def test_without_factors_there_are_two_groups_in_the_models_order(model):
    groups = create_optimizer(model, TrainConfig(lr=0.3, weight_decay=0.1)).param_groups
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [(0.3, 0.1), (0.3, 0.0)]
    for group, wanted in zip(groups, (True, False), strict=True):
        expected = [parameter for parameter in model.parameters() if (parameter.ndim >= 2) == wanted]
        assert list(map(id, group["params"])) == list(map(id, expected))


def test_rates_by_hand(model):
    by_name = rates(model, layer_decay=0.5, head_scale=3.0, motion_scale=7.0, weight_decay=0.1)
    expected = {
        "head.weight": (3.0, 0.1),
        "head.bias": (3.0, 0.0),
        "norm.norm.weight": (1.0, 0.0),
        "blocks.3.attn.qkv.weight": (0.5, 0.1),
        "blocks.3.norm1.norm.bias": (0.5, 0.0),
        "blocks.0.mlp.fc1.weight": (0.5**4, 0.1),
        "patch_embed.proj.weight": (0.5**5, 0.1),
        "pos_embed": (0.5**5, 0.1),
        "cls_token": (0.5**5, 0.1),
        "time_embed": (7.0, 0.1),
        "smif.fuse.weight": (7.0, 0.1),
        "blocks.0.lmi.reduce.weight": (7.0, 0.1),
        "blocks.0.lmi.norm.norm.weight": (7.0, 0.0),
        "blocks.2.lmi.delta": (7.0, 0.0),
    }
    assert {name: by_name[name] for name in expected} == expected
    assert set(by_name) == {name for name, _ in model.named_parameters()}


def test_the_same_holds_for_timm():
    model = create_model("timm:vit_tiny_patch16_224", num_classes=3, image_size=16, num_frames=2)
    by_name = rates(model, layer_decay=0.5, head_scale=3.0)
    assert by_name["head.bias"][0] == 3.0
    assert by_name["norm.norm.weight"][0] == 1.0
    assert by_name["blocks.11.mlp.fc1.bias"][0] == 0.5
    assert by_name["blocks.0.mlp.fc1.bias"][0] == 0.5**12
    assert {by_name[name][0] for name in ("cls_token", "pos_embed", "patch_embed.proj.bias")} == {0.5**13}


def test_the_schedule_multiplies_every_groups_rate(model):
    recipe = TrainConfig(lr=1.0, head_scale=4.0, warmup=0.0)
    optimizer = create_optimizer(model, recipe)
    schedule = create_schedule(optimizer, recipe, steps=4)
    for factor in (1.0, 0.8535533906, 0.5):
        assert {round(group["lr"], 6) for group in optimizer.param_groups} == {round(factor, 6), round(4 * factor, 6)}
        optimizer.step()
        schedule.step()


def test_the_rate_warms_up_linearly_and_falls_as_a_half_cosine(model):
    recipe = TrainConfig(lr=1.0, warmup=0.2)
    optimizer = create_optimizer(model, recipe)
    schedule = create_schedule(optimizer, recipe, steps=10)  # two steps of warm-up, then eight
    rates = []
    for _ in range(10):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    falling = [0.5 * (1 + math.cos(math.pi * step / 8)) for step in range(8)]
    assert rates == pytest.approx([1 / 3, 2 / 3, *falling])


def test_parameters_that_do_not_train_are_left_out(model):
    model.head.requires_grad_(False)
    assert "head.weight" not in rates(model)


def test_a_model_without_the_parts_says_which_are_missing():
    plain = nn.Sequential(nn.Linear(2, 2))
    assert rates(plain) == {"0.weight": (1.0, 0.05), "0.bias": (1.0, 0.0)}
    with pytest.raises(UserError, match=r"train\.layer_decay: the backbone Sequential has no `blocks`"):
        rates(plain, layer_decay=0.9)
    with pytest.raises(UserError, match=r"train\.head_scale: the backbone Sequential has no module `head`"):
        rates(plain, head_scale=2.0)


def test_a_rate_of_zero_leaves_the_head_where_it_was(build_setup):
    from clnorm.strategies.baselines import naive

    setup = build_setup(train__head_scale=0.0, train__epochs=1)
    nn.init.normal_(setup.model.head.weight)
    before = {name: value.clone() for name, value in setup.model.named_parameters()}
    naive(setup).train_experience(0)
    after = dict(setup.model.named_parameters())
    assert torch.equal(after["head.weight"], before["head.weight"])
    assert not torch.equal(after["blocks.0.attn.qkv.weight"], before["blocks.0.attn.qkv.weight"])
