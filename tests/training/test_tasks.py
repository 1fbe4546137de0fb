"""Tasks that are known: the loss among the classes of one's own experience, and who needs them."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from clnorm.errors import UserError
from clnorm.execution import predictions
from clnorm.execution.predictions import predict_clips
from clnorm.training.plugin import MethodPlugin
from clnorm.training.tasks import task_cross_entropy
from clnorm.training.trainer import ClipStrategy

TASKS = {"protocol": "task-incremental:experiences=2"}
OF_OUTPUT = torch.tensor([0, 0, 0, 1, 1, 2])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("seen", [5, 6])
def test_the_loss_is_torchs_on_the_outputs_of_each_clips_own_experience(smoothing, seen):
    logits = torch.randn(5, seen, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([0, 2, 3, 4, 1])
    found = task_cross_entropy(logits, targets, of_output=OF_OUTPUT, smoothing=smoothing)
    losses = []
    for row, target in zip(logits, targets.tolist(), strict=True):
        own = [output for output in range(seen) if OF_OUTPUT[output] == OF_OUTPUT[target]]
        losses.append(F.cross_entropy(row[own], torch.tensor(own.index(target)), label_smoothing=smoothing))
    expected = torch.stack(losses).mean()
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad(loss, logits, retain_graph=True)[0] for loss in (found, expected)]
    torch.testing.assert_close(*gradients)
    assert (gradients[0][targets < 3, 3:] == 0).all()


def test_a_class_alone_in_its_experience_costs_nothing():
    logits = torch.randn(2, 6, requires_grad=True)
    loss = task_cross_entropy(logits, torch.tensor([5, 5]), of_output=OF_OUTPUT, smoothing=0.1)
    loss.backward()
    assert loss == 0
    assert not logits.grad.any()


def test_predictions_are_among_the_allowed(monkeypatch):
    logits = np.array([[3.0, 2, 9, 8], [0, 1, 2, 3], [5, 1, 0, 0]], dtype=np.float32)
    monkeypatch.setattr(predictions, "compute_outputs", lambda *arguments, **options: logits)
    allowed = np.array([[True, True, False, False], [False, False, True, True], [True, True, False, False]])
    frame = predict_clips(
        None,
        None,
        np.arange(3),
        targets=np.array([1, 2, 0]),
        order=np.array([7, 5, 6, 4]),
        seen=4,
        allowed=allowed,
        batch_size=3,
        precision="fp32",
    )
    assert frame["predicted"].tolist() == [7, 4, 7]
    assert frame["rank"].tolist() == [1, 1, 0]
    np.testing.assert_allclose(frame["confidence"], 1 / (1 + np.exp([-1, -1, -4])), rtol=1e-6)


class Oracle(MethodPlugin):
    needs_tasks = True

    def state_dict(self):
        return {}

    def load_state_dict(self, state): ...


def test_a_plugin_that_needs_tasks_is_for_streams_that_know_them(build_setup):
    ClipStrategy(setup=build_setup(**TASKS), plugins=[Oracle()])
    word = r"strategy naive: Oracle must be told the experience of each clip, .* hides.*task-incremental"
    with pytest.raises(UserError, match=word):
        ClipStrategy(setup=build_setup(), plugins=[Oracle()])


def test_a_strategy_that_needs_tasks_too(build_setup):
    class Telling(ClipStrategy):
        needs_tasks = True

    with pytest.raises(UserError, match="Telling must be told"):
        Telling(setup=build_setup(protocol="domain-incremental:experiences=2"))
    assert Telling(setup=build_setup(**TASKS)).needs_tasks


@pytest.mark.parametrize(("imbalance", "fits"), [("oversample", True), ("focal", False), ("feature_smote", False)])
def test_losses_that_weigh_classes_of_several_tasks_are_refused(build_setup, imbalance, fits):
    setup = build_setup(**TASKS, train__imbalance=imbalance)
    if fits:
        ClipStrategy(setup=setup)
        return
    with pytest.raises(UserError, match=f"train.imbalance {imbalance}: it weighs classes of all experiences"):
        ClipStrategy(setup=setup)


def test_a_step_moves_the_outputs_of_ones_own_experience_alone(build_setup):
    """The head's rows of the other experience have no gradient, as with one head an experience."""
    found = {}

    class Spy(MethodPlugin):
        def before_update(self, strategy, **kwargs):
            found.setdefault(strategy.index, strategy.model.head.weight.grad.abs().sum(dim=1) > 0)

        def state_dict(self):
            return {}

        def load_state_dict(self, state): ...

    setup = build_setup(**TASKS, train__epochs=1)
    strategy = ClipStrategy(setup=setup, plugins=[Spy()])
    for index in range(2):
        strategy.train_experience(index)
    assert found[0].tolist() == [True, True, False, False]
    assert found[1].tolist() == [False, False, True, True]
