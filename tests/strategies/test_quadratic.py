"""The quadratic penalty: the sum over all past ones in constant memory, its gradient, and once a batch."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from clnorm.seeding import torch_generator
from clnorm.strategies.ewc import EWCPlugin
from clnorm.strategies.l2_init import L2InitPlugin
from clnorm.strategies.mas import MASPlugin
from clnorm.strategies.quadratic import QuadraticPenalty, QuadraticPlugin
from clnorm.strategies.si import SIPlugin
from tests.strategies.plainly import THREE, Method, distance, held_bytes, is_constant, train_both

ONE = torch.ones(())


def pull(penalty, parameters, scale=ONE):
    """The penalty's value and gradient at parameters that have a gradient of zero."""
    for parameter in parameters.values():
        parameter.grad = torch.zeros_like(parameter)
    value = penalty.add_gradient(parameters, scale=scale)
    return value, [parameter.grad for parameter in parameters.values()]


def test_it_is_the_sum_over_25_past_experiences_in_constant_memory():
    generator = torch_generator(1, "penalty test")

    def draw():
        return torch.randn(5, generator=generator)

    past = [({"a": draw().abs(), "b": draw().abs()}, {"a": draw(), "b": draw()}) for _ in range(25)]
    for importance, _ in past:
        importance["a"][2] = 0.0
    penalty, held = QuadraticPenalty(3.5), []
    for importance, anchor in past:
        penalty.add(importance, anchor)
        held.append(held_bytes(QuadraticPlugin(penalty).state_dict()))
    assert is_constant(held)
    now = {name: draw().requires_grad_() for name in ("a", "b")}
    expected = 3.5 * sum((f[n] * (now[n] - anchor[n]) ** 2).sum() for f, anchor in past for n in now)
    gradients = torch.autograd.grad(expected, [now["a"], now["b"]])
    value, pulled = pull(penalty, now)
    torch.testing.assert_close(value, expected.detach())
    torch.testing.assert_close(pulled, list(gradients))
    scaled, larger = pull(penalty, now, scale=torch.tensor(8.0))
    torch.testing.assert_close(scaled, value)
    torch.testing.assert_close(larger, [8 * gradient for gradient in gradients])


def test_it_is_zero_where_it_was_anchored_and_the_anchor_does_not_move_with_the_parameter():
    parameter = torch.tensor([1.0, 2.0], requires_grad=True)
    penalty = QuadraticPenalty(1.0)
    penalty.add({"w": torch.tensor([1.0, 3.0])}, {"w": parameter})
    assert pull(penalty, {"w": parameter})[0].item() == 0
    with torch.no_grad():
        parameter += 1
    assert pull(penalty, {"w": parameter})[0].item() == pytest.approx(4.0)


def test_a_parameter_without_gradient_is_left_without_one():
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    penalty = QuadraticPenalty(1.0)
    penalty.replace({"used": torch.ones(2), "unused": torch.ones(2)}, {"used": used - 1, "unused": unused})
    used.grad = torch.zeros(2)
    assert penalty.add_gradient({"used": used, "unused": unused}, scale=ONE).item() == 2
    assert used.grad.tolist() == [2, 2]
    assert unused.grad is None


PLUGINS = {
    "ewc": lambda: EWCPlugin(1.0, fisher="empirical"),
    "mas": lambda: MASPlugin(1.0),
    "si": lambda: SIPlugin(1.0, xi=0.1),
    "l2_init": lambda: L2InitPlugin(1.0),
}


@pytest.mark.parametrize("name", PLUGINS)
@pytest.mark.parametrize("within", [False, True])
def test_a_state_that_was_read_to_the_cpu_goes_to_the_device_of_the_model(name, within):
    """Between two experiences, and within one, when the hooks before it have run; `meta` stands for a GPU."""
    model, plugin = nn.Linear(2, 2, device="meta"), PLUGINS[name]()
    model.weight.grad, model.bias.grad = (torch.zeros_like(parameter) for parameter in model.parameters())
    strategy = SimpleNamespace(
        model=model,
        device=torch.device("meta"),
        loss=torch.zeros((), device="meta"),
        scale_loss=lambda loss: loss,
        setup=SimpleNamespace(execution=SimpleNamespace(precision="fp32")),
    )
    read = {name: torch.ones(parameter.shape) for name, parameter in model.named_parameters()}
    state = {"importance": dict(read), "anchor": dict(read), "path": dict(read), "constant": 0.0}
    first, second = plugin.load_state_dict, plugin.before_training_exp
    for call, argument in [(second, strategy), (first, state)] if within else [(first, state), (second, strategy)]:
        call(argument)
    plugin.before_update(strategy)
    plugin.after_update(strategy)
    held = plugin.state_dict()
    tensors = [tensor for part in held.values() if isinstance(part, dict) for tensor in part.values()]
    assert len(tensors) >= 2
    assert {tensor.device.type for tensor in (*tensors, strategy.loss)} == {"meta"}
    assert {tensor.device.type for tensor in plugin.penalty.importance.values()} == {"meta"}
    if name == "si":
        plugin.after_training_exp(strategy)


class Held(Method):
    """All weights held to where the run began: L2 Init."""

    def begin(self, model, index):
        if not index:
            self.start = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}

    def extra(self, model, clips, index):
        return 0.5 * sum(((p - self.start[name]) ** 2).sum() for name, p in model.named_parameters())


@pytest.mark.slow
@pytest.mark.parametrize(("pieces", "scaled"), [(1, False), (2, False), (1, True), (3, True)])
def test_l2_init_holds_the_initial_weights_once_a_batch_whatever_the_scale(build_setup, in_double, pieces, scaled):
    setup, method = build_setup(strategy="l2_init:lam=0.5", train__accumulate=pieces, **THREE), Held()
    trained, expected = train_both(setup, method, scaled=scaled)
    assert distance(expected, trained.model) < 1e-6
    assert method.most > 1e-3


@pytest.mark.slow
def test_the_logged_loss_has_the_penalty(build_setup):
    logs = {}
    for strategy in ("naive", "l2_init:lam=10"):
        setup, lines = build_setup(strategy=strategy, **THREE), []
        object.__setattr__(setup, "log", lines.append)
        setup.config.strategy.build(setup).train_experience(0)
        logs[strategy] = [line["loss"] for line in lines]
    assert logs["l2_init:lam=10"][0] > logs["naive"][0] + 0.01
