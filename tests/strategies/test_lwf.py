"""Learning without Forgetting against its equations as a plain loop, and what the old model is."""

import copy

import pytest
import torch
from torch import nn

import clnorm
from clnorm.norms.running import running_norms
from clnorm.strategies.lwf import LwFPlugin, distillation
from tests.strategies.plainly import THREE, Method, distance, held_bytes, train_both


def test_distillation_by_hand():
    # T = 2: softmax(2 ln(1), 2 ln(3)) / 2) = 1/4, 3/4 of the old model, and 1/2, 1/2 of the new one.
    old, new = 2 * torch.tensor([[1.0, 3.0]]).log(), torch.zeros(1, 2)
    assert distillation(new, old, temperature=2.0).item() == pytest.approx(torch.log(torch.tensor(2.0)).item())
    torch.testing.assert_close(
        distillation(old, old, temperature=2.0),
        -(0.25 * torch.log(torch.tensor(0.25)) + 0.75 * torch.log(torch.tensor(0.75))),
    )


class LiHoiem(Method):
    """ECCV 2016: y'(i) = y(i)^(1/T) / sum_j y(j)^(1/T) of the recorded probabilities, and their cross-entropy; the
    softmax of the new classes is their own.
    """

    def __init__(self, lam, temperature):
        self.lam, self.temperature, self.old, self.classes = lam, temperature, None, 0

    def classify(self, logits, targets):
        new = torch.log_softmax(logits[:, self.classes :], dim=1)
        return -sum(row[target - self.classes] for row, target in zip(new, targets, strict=True)) / len(targets)

    def soften(self, logits):
        powers = torch.softmax(logits, dim=1) ** (1 / self.temperature)
        return powers / powers.sum(dim=1, keepdim=True)

    def extra(self, model, clips, index):
        if self.old is None:
            return torch.zeros(())
        loss = torch.zeros(())
        for clip in clips:
            recorded = self.soften(self.old(clip[None])[:, : self.classes].detach())[0]
            answer = self.soften(model(clip[None])[:, : self.classes])[0]
            for c in range(self.classes):
                loss = loss - self.lam * recorded[c] * torch.log(answer[c]) / len(clips)
        return loss

    def end(self, model, clips, targets, seen):
        self.old, self.classes = copy.deepcopy(model).eval(), seen


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{}, {"train__accumulate": 2}, {"data__mix": "mixup:alpha=0.8"}], ids=["whole", "pieces", "mixed"]
)
def test_training_is_the_papers(build_setup, in_double, monkeypatch, changes):
    # At the first step the old model and the new one are the same: of a gradient of rounding alone Adam makes a step.
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    setup = build_setup(strategy="lwf:lam=3,temperature=2", **{**THREE, **changes})
    method = LiHoiem(lam=3, temperature=2)
    trained, expected = train_both(setup, method)
    assert distance(expected, trained.model) < 1e-9
    assert method.most > 1e-3
    assert held_bytes(trained.state_dict()["plugins"][0]) == held_bytes(trained.model.state_dict())


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["domain-incremental:experiences=2", "blurry:experiences=3,share=0.5"])
def test_the_softmax_is_over_the_classes_of_the_clips_which_may_have_come_before(build_setup, protocol):
    setup = build_setup(strategy="lwf", **{**THREE, "protocol": protocol, "train__epochs": 1})
    strategy, read = setup.config.strategy.build(setup), []
    strategy.train_experience(0)

    def watch(module, given, logits):
        logits.register_hook(read.append)

    strategy.model.head.register_forward_hook(watch)
    strategy._given[0]._lam = 0.0
    strategy.train_experience(1)
    held = setup.stream.targets[setup.stream.experiences[1].train_ids]
    moved = torch.stack([part.abs().sum(dim=0) for part in read]).sum(dim=0).nonzero()[:, 0]
    assert moved.tolist() == sorted(set(held.tolist()))


@pytest.mark.slow
def test_the_old_model_goes_by_its_own_statistics_which_stay(build_setup):
    setup = build_setup(strategy="lwf", norm="bn", train__epochs=1)
    strategy, told = setup.config.strategy.build(setup), []
    strategy.train_experience(0)
    left = {name: value.clone() for name, value in strategy.model.state_dict().items()}
    (plugin,) = strategy._given
    norm = running_norms(plugin._old.model)[0]
    norm.register_forward_pre_hook(lambda *_: told.append((norm.training, norm.context.tasks.tolist())))
    strategy.train_experience(1)
    assert all(torch.equal(value, left[name]) for name, value in plugin._old.model.state_dict().items())
    assert told == [(False, [0] * 4)] * 2, "the experience in training is one that it does not know"
    assert any(not torch.equal(value, left[name]) for name, value in strategy.model.state_dict().items())


@pytest.mark.slow
def test_the_old_model_is_the_one_that_was_evaluated(build_setup):
    setup = build_setup(strategy="lwf", train__ema=0.5, train__epochs=1)
    strategy = setup.config.strategy.build(setup)
    strategy.train_experience(0)
    averaged = {name: value.clone() for name, value in strategy.evaluated_model.state_dict().items()}
    assert not torch.equal(averaged["head.weight"], strategy.model.head.weight)
    strategy.train_experience(1)
    (state,) = strategy.state_dict()["plugins"]
    assert all(torch.equal(value, averaged[name]) for name, value in state["model"].items())


def test_nothing_is_held_of_a_first_experience(build_setup):
    setup = build_setup()
    plugin = LwFPlugin(setup.model, lam=1.0, temperature=2.0)
    assert plugin.state_dict() == {"model": None, "knows": 0}
    plugin.load_state_dict({"model": None, "knows": 0})
    assert not any(parameter.requires_grad for parameter in plugin._old.model.parameters())
    assert all(
        isinstance(parameter, nn.Parameter) and parameter.requires_grad for parameter in setup.model.parameters()
    )


@pytest.mark.slow
def test_a_strong_distillation_keeps_the_old_outputs(tiny):
    """The loss of classification is left a part in a million."""
    runs = [clnorm.run(tiny(strategy=strategy, **THREE)) for strategy in ("naive", "lwf:lam=1000000")]
    assert runs[0].run != runs[1].run
    assert runs[0].matrix[0] == runs[1].matrix[0]


def test_a_loss_over_all_classes_is_refused(build_setup):
    setup = build_setup(strategy="lwf", train__loss="all")
    with pytest.raises(clnorm.UserError, match=r"train.loss: the softmax of lwf is over .*; legal: seen"):
        setup.config.strategy.build(setup)
