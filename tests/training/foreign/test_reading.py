"""A model takes clip ids where a foreign plug-in is at work: clips as they are evaluated, norms told of them."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from clnorm.errors import UserError
from clnorm.norms.running import running_norms
from clnorm.training.foreign.reading import ClipCriterion
from clnorm.training.trainer import ClipStrategy
from tests.training.foreign.plugins import LwFPlugin, Reader
from tests.training.strategies import create

QUICK = {"backbone": "vit_nano", "train__epochs": 1}


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("norm", ["ln", "bn", "bn_task", "tbbn"])
def test_ids_are_read_as_they_are_evaluated(build_setup, norm, copied):
    plugin = Reader(copied)
    strategy = ClipStrategy(setup=build_setup(norm=norm, **QUICK), plugins=[plugin])
    strategy.train_experience(0)
    ((ids, outputs),) = plugin.outputs
    assert torch.isin(ids, torch.as_tensor(strategy.setup.stream.experiences[0].train_ids)).all()
    strategy.model.eval()
    with torch.no_grad():
        for place, clip in enumerate(ids.tolist()):
            ((_, read),) = strategy.inputs.read_for(strategy.model, [np.array([clip])])
            torch.testing.assert_close(strategy.model(read)[0], outputs[place], rtol=1e-4, atol=1e-5)


def test_a_copy_is_told_of_the_batch_in_training(build_setup):
    strategy, told = ClipStrategy(setup=build_setup(norm="bn_task", **QUICK), plugins=[plugin := LwFPlugin()]), []
    strategy.train_experience(0)
    norm = running_norms(plugin.lwf.prev_model)[0]
    norm.register_forward_pre_hook(lambda *_: told.append(norm.context.tasks.tolist()))
    strategy.train_experience(1)
    assert told == [[1] * 4] * 2


def test_only_strategies_with_a_foreign_plugin_read_ids(build_setup):
    assert not create(build_setup(strategy="lwf")).model._forward_pre_hooks
    assert len(ClipStrategy(setup=build_setup(), plugins=[LwFPlugin()]).model._forward_pre_hooks) == 1


def test_the_criterion_is_the_runs_loss_by_hand(build_setup):
    setup = build_setup(train__label_smoothing=0.2, **QUICK)
    strategy = ClipStrategy(setup=setup, plugins=[LwFPlugin()])
    strategy.experience = strategy.benchmark.train_stream[0]
    logits, targets = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 1])
    expected = F.cross_entropy(logits[:, :2], targets, label_smoothing=0.2, reduction="none")
    criterion = strategy._criterion
    assert isinstance(criterion, ClipCriterion)
    torch.testing.assert_close(criterion(logits, targets), expected.mean())
    criterion.reduction = "none"
    torch.testing.assert_close(criterion(logits, targets), expected)
    criterion.reduction = "sum"
    with pytest.raises(ValueError, match="reduction is 'sum'"):
        criterion(logits, targets)


@pytest.mark.parametrize("method", ["ldam", "logit_adjustment"])
def test_a_loss_of_training_alone_is_not_there_in_evaluation(build_setup, method):
    options = {"strategy": "avalanche.training.plugins:EWCPlugin:ewc_lambda=1", "train__imbalance": method}
    with pytest.raises(UserError, match=rf"after_training_exp of the plug-in EWCPlugin: {method} has no loss in eval"):
        create(build_setup(**options, **QUICK)).train_experience(0)
