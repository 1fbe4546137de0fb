"""Mixing within the strategy: the loss is that of soft targets, and norms are told each clip's own experience."""

import importlib
import sys
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from clnorm.catalogue import MIXES
from clnorm.config.identity import run_id
from clnorm.execution.inputs import pixels_to_input
from clnorm.seeding import numpy_generator
from clnorm.strategies.baselines import naive
from clnorm.strategies.replay import replay

CHANGES = {"mixup": "mixup:alpha=2", "videomix": "videomix:alpha=2"}


def unpack(strategy, index):
    """The strategy with the first batch of experience `index` unpacked, and that batch's ids and pixels."""
    strategy.experience = SimpleNamespace(current_experience=index)
    strategy.make_train_dataloader()
    ids, pixels = strategy.mbatch = next(iter(strategy.dataloader))
    strategy._unpack_minibatch()
    return torch.as_tensor(ids), pixels_to_input(pixels)


@pytest.mark.parametrize("mix", CHANGES)
@pytest.mark.parametrize(("loss", "classes"), [("seen", 2), ("all", 4)])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_the_cross_entropy_with_soft_targets(build_setup, mix, loss, classes, smoothing):
    setup = build_setup(data__mix=CHANGES[mix], train__loss=loss, train__label_smoothing=smoothing)
    strategy = naive(setup)
    ids, clips = unpack(strategy, 0)
    mixture = MIXES.get(mix).load()(clips, generator=numpy_generator(0, "mix", 0, 0), alpha=2.0)
    assert mixture.share < 1
    assert torch.equal(strategy.mb_x, mixture.clips)
    one_hot = F.one_hot(torch.as_tensor(setup.stream.targets)[ids], classes).float()
    soft = mixture.share * one_hot + (1 - mixture.share) * one_hot[mixture.partners]
    assert (soft.amax(1) < 1).any(), "clips of both classes are mixed"
    strategy.mb_output = torch.randn(len(ids), 4, generator=torch.Generator().manual_seed(0))
    expected = F.cross_entropy(strategy.mb_output[:, :classes], soft, label_smoothing=smoothing)
    assert strategy.criterion().item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("mix", CHANGES)
def test_targets_and_tasks_stay_those_of_a_clip_s_larger_part(build_setup, mix):
    setup = build_setup(data__mix=CHANGES[mix])
    strategy = replay(setup, per_class=2, share=0.5)
    strategy.memory = setup.stream.experiences[0].train_ids[:4]
    ids, _ = unpack(strategy, 1)
    targets = torch.as_tensor(setup.stream.targets)[ids]
    assert torch.equal(strategy.mb_y, targets)
    assert torch.equal(strategy.mb_task_id, (targets >= 2).long())
    assert set(strategy.mb_task_id.tolist()) == {0, 1}


@pytest.mark.slow
def test_pieces_of_a_batch_mix_as_the_whole_batch_does(build_setup):
    gradients = []
    for pieces in (1, 2):
        setup = build_setup(data__mix="mixup", train__accumulate=pieces, train__epochs=1, train__grad_clip=0.0)
        strategy = naive(setup)
        strategy.optimizer_step = lambda into=gradients, model=setup.model: into.append(
            [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
        )
        strategy.train_experience(0)
    whole, pieced = gradients[: len(gradients) // 2], gradients[len(gradients) // 2 :]
    for a, b in zip(whole[0], pieced[0], strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-3)


@pytest.mark.slow
def test_a_run_that_mixes_is_repeated_bit_for_bit_and_has_a_name_of_its_own(build_setup, tiny):
    weights = []
    for mix in ("none", "mixup", "mixup"):
        setup = build_setup(data__mix=mix, train__epochs=1)
        naive(setup).train_experience(0)
        weights.append(torch.nn.utils.parameters_to_vector(setup.model.parameters()).detach())
    assert torch.equal(weights[1], weights[2])
    assert not torch.equal(weights[0], weights[1])
    configs = [tiny(data__mix=mix) for mix in ("none", "mixup", "mixup:alpha=1")]
    assert len({run_id(config) for config in configs}) == 3


def test_an_edited_mix_of_ones_own_is_another_run(tiny, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    source = (
        "from clnorm.data.augment.mix import mixup\n\n\ndef soft_mix(clips, *, generator, alpha: float = {alpha}):\n"
    )
    source += "    return mixup(clips, generator=generator, alpha=alpha + {more})\n"
    names = []
    for more in (0, 1):
        (tmp_path / "soft_mix_plugin.py").write_text(source.format(alpha=0.5, more=more))
        sys.modules.pop("soft_mix_plugin", None)
        importlib.invalidate_caches()
        names.append(run_id(tiny(data__mix="soft_mix_plugin:soft_mix:alpha=0.3")))
    assert names[0] != names[1]
