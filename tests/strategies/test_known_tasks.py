"""Methods that read outputs, where the experience of each clip is known: they go by its task's outputs alone."""

import pytest
import torch

from clnorm.errors import UserError
from clnorm.strategies.ewc import log_likelihoods
from clnorm.strategies.importance import outputs_in_training
from clnorm.strategies.lwf import _tasks
from tests.training.strategies import STILL, create

TASKS = "task-incremental:experiences=2"


@pytest.mark.parametrize(("protocol", "first"), [(TASKS, 2), ("even:experiences=2", 0)])
def test_a_fisher_is_of_the_softmax_that_training_is_of(build_setup, protocol, first):
    strategy, found = create(build_setup(strategy="ewc", protocol=protocol, backbone=STILL, train__epochs=1)), []
    strategy.on_step = lambda: found.append(outputs_in_training(strategy))
    strategy.train_experience(0)
    assert set(map(str, found)) == {str(slice(0, 2))}
    found.clear()
    strategy.train_experience(1)
    assert set(map(str, found)) == {str(slice(first, 4))}


def test_a_likelihood_among_a_tasks_outputs():
    logits, target = torch.tensor([[9.0, 9.0, 1.0, 2.0]]), torch.tensor([3])
    ((value, _),) = log_likelihoods(logits, target, outputs=slice(2, 4), exact=False)
    assert value.item() == pytest.approx(-torch.log(1 + torch.tensor(-1.0).exp()).item())


def test_each_task_is_distilled_by_a_softmax_of_its_own(build_setup):
    strategy, found = (
        create(build_setup(strategy="lwf", protocol="task-incremental:experiences=4", train__epochs=1)),
        [],
    )
    strategy.on_step = lambda: found.append(_tasks(strategy, 1)) if strategy.index else None
    for index in range(3):
        strategy.train_experience(index)
    assert found[-1] == [slice(0, 1), slice(1, 2)]


def test_icarl_whose_loss_knows_no_tasks_is_refused(build_setup):
    with pytest.raises(UserError, match="whose tasks it does not go by; legal: one that hides tasks"):
        create(build_setup(strategy="icarl", protocol=TASKS))
