"""Frozen blocks: nothing of them moves, no graph goes through them, and the rest trains."""

import pytest
import torch
from torch import nn

from clnorm.errors import UserError
from clnorm.strategies.baselines import naive
from clnorm.training.freezing import freeze_blocks
from tests.training.strategies import create


def is_frozen(name):
    first, *rest = name.split(".")
    return first in ("smif", "patch_embed", "cls_token", "pos_embed", "time_embed") or (
        first == "blocks" and int(rest[0]) < 2
    )


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["naive", "ewc"])
def test_frozen_parameters_and_statistics_stay_to_the_bit_and_the_others_move(build_setup, strategy):
    options = {"backbone": "lsvit_signed_nano:dropout=0.2", "norm": "bn", "train__epochs": 1}
    setup = build_setup(strategy=strategy, train__freeze_blocks=2, **options)
    nn.init.normal_(setup.model.head.weight)
    before = {name: value.clone() for name, value in setup.model.state_dict().items()}
    built = create(setup)
    for index in range(2):
        built.train_experience(index)
    after = setup.model.state_dict()
    for name, value in after.items():
        assert torch.equal(value, before[name]) == is_frozen(name), name
    assert any(is_frozen(name) and "running_mean" in name for name in after)


def test_no_dropout_in_frozen_blocks_and_no_graph_through_them(build_setup):
    setup = build_setup(backbone="lsvit_nano:dropout=0.5,drop_path=0.5", train__freeze_blocks=2, train__epochs=1)
    seen = []
    setup.model.blocks[1].register_forward_hook(
        lambda block, inputs, output: seen.append((block.training, block.attn.training, output.requires_grad))
    )
    setup.model.blocks[2].register_forward_hook(
        lambda block, inputs, output: seen.append((block.training, block.attn.training, output.requires_grad))
    )
    naive(setup).train_experience(0)
    assert set(seen[0::2]) == {(False, False, False)}
    assert set(seen[1::2]) == {(True, True, True)}


def test_every_block_may_be_frozen_and_no_more(build_setup):
    model = build_setup().model
    freeze_blocks(model, 4)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {"norm.norm.weight", "norm.norm.bias", "head.weight", "head.bias"}
    with pytest.raises(UserError, match=r"train\.freeze_blocks: 5 blocks of VideoViT, which has 4; legal: 0 to 4"):
        naive(build_setup(train__freeze_blocks=5))
    with pytest.raises(UserError, match=r"train\.freeze_blocks: the backbone Linear has no `blocks`"):
        freeze_blocks(nn.Linear(2, 2), 1)
