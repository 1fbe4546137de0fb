"""The switch between attention kernels, in clnorm's backbones and in timm's."""

import pytest
import timm
import torch
from torch import nn

from clnorm.errors import UserError
from clnorm.execution.attention import set_attention
from clnorm.models.create import create_model


def count_fused_calls(model, clips, monkeypatch):
    calls, fused = [], nn.functional.scaled_dot_product_attention

    def counted(*args, **kwargs):
        calls.append(1)
        return fused(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(nn.functional, "scaled_dot_product_attention", counted)
        output = model(clips)
    return len(calls), output


def test_every_attention_of_a_backbone_is_switched_and_the_result_stays(monkeypatch):
    model = create_model("lsvit_nano", num_classes=3, image_size=16, num_frames=2).eval()
    nn.init.normal_(model.head.weight)
    clips = torch.rand(1, 2, 3, 16, 16)
    outputs = []
    for fused, calls in ((True, 4), (False, 0), (True, 4)):
        set_attention(model, fused=fused)
        count, output = count_fused_calls(model, clips, monkeypatch)
        assert count == calls
        outputs.append(output)
    torch.testing.assert_close(outputs[0], outputs[1])


def test_timm_attention_is_switched(monkeypatch):
    model = timm.create_model("test_vit", img_size=32, num_classes=3).eval()
    for fused, calls in ((True, len(model.blocks)), (False, 0)):
        set_attention(model, fused=fused)
        count, _ = count_fused_calls(model, torch.rand(1, 3, 32, 32), monkeypatch)
        assert count == calls


def test_a_model_without_a_switch_refuses_explicit_attention_only():
    set_attention(nn.Linear(2, 2), fused=True)
    with pytest.raises(UserError, match=r"train\.attention.*legal: auto\|fused"):
        set_attention(nn.Linear(2, 2), fused=False)
