"""The distribution of what is drawn, and that clips are independent."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from clnorm.data.augment.draws import OPERATIONS, draw_changes
from clnorm.seeding import torch_generator

LIMITS = {"contrast": 0.6, "saturation": 0.8, "brightness": 0.4, "hue": 0.1, "blur": 2.0, "noise": 0.2, "erase": 0.3}
NEUTRAL = {"contrast": 1.0, "saturation": 1.0, "brightness": 0.0, "hue": 0.0, "blur": 0.0, "noise": 0.0}


def draw(count=2000, *, seed=0, operations=None, limits=LIMITS, flip=0.3, min_scale=0.4, stretch=1.3):
    return draw_changes(
        count,
        flip=flip,
        min_scale=min_scale,
        stretch=stretch,
        limits=limits,
        operations=operations,
        generator=torch_generator(seed, "augmentation"),
    )


def changed(changes):
    """For each operation, which clips it changes (B,)."""
    differs = {name: getattr(changes, name) != value for name, value in NEUTRAL.items()}
    return {**differs, "erase": changes.box[:, 0] > 0}


def is_uniform(values, low, high):
    return stats.kstest(values.numpy(), "uniform", (low, high - low)).pvalue > 0.01


def test_magnitudes_are_uniform_up_to_their_limits():
    changes = draw()
    for name, limit in LIMITS.items():
        if name in ("blur", "noise"):
            assert is_uniform(getattr(changes, name), 0, limit), name
        elif name == "erase":
            area, shape = changes.box[:, 0] * changes.box[:, 1], changes.box[:, 1] / changes.box[:, 0]
            assert is_uniform(area[:, None].flatten(), 0, limit)
            assert is_uniform(shape.log(), -math.log(3), math.log(3))
        else:
            assert is_uniform(getattr(changes, name), NEUTRAL[name] - limit, NEUTRAL[name] + limit), name


def test_crops_and_flips_are_drawn_as_stated():
    changes = draw(stretch=1.0)
    assert torch.equal(changes.height, changes.width)
    assert is_uniform(changes.height, 0.4, 1.0)
    stretched = draw(stretch=1.3, min_scale=0.5)
    inside = (stretched.height < 1) & (stretched.width < 1)
    ratio = (stretched.width / stretched.height).log()
    assert ratio.abs().max() <= math.log(1.3) + 1e-6
    small = inside & ((stretched.height * stretched.width).sqrt() < 0.85)  # where neither side could be held at 1
    assert is_uniform(ratio[small], -math.log(1.3), math.log(1.3))
    for place in (changes.top, changes.left, changes.box[:, 2], changes.box[:, 3]):
        assert is_uniform(place, 0, 1)
    assert stats.binomtest(int(changes.flip.sum()), 2000, 0.3).pvalue > 0.01


def test_all_that_is_drawn_for_a_clip_is_uncorrelated():
    changes = draw()
    drawn = [changes.flip.float(), changes.height, changes.top, changes.left, *changes.box.T]
    drawn += [getattr(changes, name) for name in NEUTRAL]
    table = torch.corrcoef(torch.stack(drawn).double()) - torch.eye(len(drawn))
    sides = table[4, 5].item()  # a box's height and width share its area
    table[4, 5] = table[5, 4] = 0
    assert table.abs().max() < 0.08
    assert sides != 0
    for values in drawn[1:]:  # nor does a clip tell of the next
        assert abs(stats.pearsonr(values[1:], values[:-1]).statistic) < 0.08


@given(operations=st.integers(1, 7), off=st.sets(st.sampled_from(OPERATIONS), max_size=5), seed=st.integers(0, 99))
@settings(max_examples=60)
def test_each_clip_gets_as_many_operations_as_asked_for_and_none_that_is_off(operations, off, seed):
    on = [name for name in OPERATIONS if name not in off]
    operations = min(operations, len(on))
    limits = {name: 0.0 if name in off else limit for name, limit in LIMITS.items()}
    counts = changed(draw(50, seed=seed, operations=operations, limits=limits))
    assert all(not counts[name].any() for name in off)
    assert (torch.stack(list(counts.values())).sum(0) == operations).all()


def test_every_operation_is_drawn_as_often_as_any_other():
    counts = changed(draw(operations=3))
    for name, chosen in counts.items():
        assert stats.binomtest(int(chosen.sum()), 2000, 3 / 7).pvalue > 0.001, name


def test_a_slice_holds_the_changes_of_these_clips():
    changes = draw(6)
    part = changes[2:4]
    assert torch.equal(part.box, changes.box[2:4])
    assert torch.equal(part.hue, changes.hue[2:4])
    assert len(part.flip) == 2


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_that_is_off_changes_no_clip(name):
    changes = draw(100, limits={**LIMITS, name: 0.0})
    counts = changed(replace(changes))
    assert not counts.pop(name).any()
    assert all(chosen.float().mean() > 0.9 for chosen in counts.values())
