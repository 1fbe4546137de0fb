"""Checks of a norm's numbers: precisions, gradients, the compiled form; and its cost."""

import time

import torch
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.func import functional_call

from clnorm.conformance.compare import require_close, require_same
from clnorm.conformance.norm_under_test import (
    MODES,
    NOW,
    NormUnderTest,
    create_context,
    draw,
    evaluate,
    list_state,
    step,
)
from clnorm.conformance.report import NotApplicable, Violation
from clnorm.norms.context import provide_context
from clnorm.norms.sites.build import build_norm

_TOLERANCE = 1e-5
_BFLOAT16 = 2.0**-7  # twice the distance of neighbours relative to their size
_HALF_MEAN = 30.0  # of inputs whose deviations are about 1: bfloat16 holds such a mean to 0.06
_LARGE_MEAN = 1e4
_COST_SHAPE, _COST_RUNS = (64, 65), 7  # samples and positions


def check_autocast(subject: NormUnderTest) -> None:
    """Under autocast it computes in float32 and returns the input's dtype; parameters and buffers stay float32."""
    for dtype in (torch.float32, torch.bfloat16):
        _require_float32_inside(subject, dtype, autocast=True)


def check_bfloat16(subject: NormUnderTest) -> None:
    """A bfloat16 input is computed in float32 and returned as bfloat16."""
    _require_float32_inside(subject, torch.bfloat16, autocast=False)


def _require_float32_inside(subject: NormUnderTest, dtype: torch.dtype, *, autocast: bool) -> None:
    """Compare an input of `dtype` with the same numbers in float32, without autocast."""
    given = f"for a {str(dtype).removeprefix('torch.')} input" + (" under autocast" if autocast else "")
    tolerance = _TOLERANCE if dtype == torch.float32 else _BFLOAT16
    for training, when in MODES.items():
        norm, plain = subject.train(), subject.train()
        x = (subject.draw() + _HALF_MEAN).to(dtype)
        rounded = x.float()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            y = _pass(norm, x, training=training)
        if y.dtype != dtype:
            raise Violation(f"the output is {y.dtype} {given} {when}")
        expected = _pass(plain, rounded, training=training).to(dtype)
        require_close(y, expected, what="the output", when=f"from float32's {given} {when}", tolerance=tolerance)
        buffers = list_state(plain)
        for name, buffer in list_state(norm).items():
            if buffer.dtype != buffers[name].dtype:
                raise Violation(f"the buffer {name} became {buffer.dtype} {given}")
            require_close(buffer, buffers[name], what=f"the buffer {name}", when=given, tolerance=_TOLERANCE)


def _pass(norm: nn.Module, x: Tensor, *, training: bool) -> Tensor:
    return step(norm, x, NOW, backward=False).y if training else evaluate(norm, x)


def check_compile(subject: NormUnderTest) -> None:
    """torch.compile takes it as one graph, with the same outputs, gradients and buffers up to rounding."""
    norm, plain = subject.build(), subject.build()
    torch.compiler.reset()
    try:
        compiled = torch.compile(norm, backend="aot_eager", fullgraph=True)
        for index, mean in ((1, 0.0), (NOW, 0.0), (NOW + 1, 0.0), (NOW + 2, _LARGE_MEAN)):
            got = step(norm, subject.draw(seed=index) + mean, index, call=compiled)
            expected = step(plain, subject.draw(seed=index) + mean, index)
            when = f"in training when it is compiled{_of_mean(mean)}"
            require_same(got, expected, when=when, tolerance=_TOLERANCE)
        for mean in (0.0, _LARGE_MEAN):
            x = subject.draw() + mean
            y, expected_y = evaluate(norm, x, call=compiled), evaluate(plain, x)
            when = f"in evaluation when it is compiled{_of_mean(mean)}"
            require_close(y, expected_y, what="the output", when=when, tolerance=_TOLERANCE)
    finally:
        torch.compiler.reset()


def _of_mean(mean: float) -> str:
    return f", for a mean of {mean:,.0f}" if mean else ""


def check_gradients(subject: NormUnderTest) -> str:
    """Gradients of the input and of each parameter are those of finite differences, in float64."""
    norm = subject.train().double()
    stopped = bool(getattr(norm, "stop_gradient", False))
    for training, when in MODES.items():
        if training and stopped:
            continue
        norm.train(training)
        x = subject.draw(samples=4, length=3).double()
        provide_context(norm, create_context(NOW, len(x)))
        for name in ["", *dict(_trainable(norm))]:
            if not _matches_differences(norm, x, name):
                raise Violation(f"the gradient of {name or 'the input'} is not that of finite differences {when}")
    return "only in evaluation: it declares that training stops gradients" if stopped else ""


def _matches_differences(norm: nn.Module, x: Tensor, name: str) -> bool:
    """Whether the gradient of x, or of the parameter `name`, is right; each call starts from the same buffers."""

    def output(tensor: Tensor) -> Tensor:
        given = {buffer: value.clone() for buffer, value in norm.named_buffers()}
        if name:
            given[name] = tensor
        y: Tensor = functional_call(norm, given, (x if name else tensor,))
        return y

    start = norm.get_parameter(name) if name else x
    return gradcheck(output, (start.detach().clone().requires_grad_(),), fast_mode=True, raise_exception=False)


def _trainable(norm: nn.Module) -> list[tuple[str, Tensor]]:
    return [(name, parameter) for name, parameter in norm.named_parameters() if parameter.requires_grad]


def check_parameters(subject: NormUnderTest) -> None:
    """Each parameter gets a gradient in training."""
    norm = subject.train()
    if not (parameters := _trainable(norm)):
        raise NotApplicable("it has no parameter that trains")
    step(norm, subject.draw(), NOW)
    if without := [name for name, parameter in parameters if parameter.grad is None]:
        raise Violation(f"{' and '.join(without)} gets no gradient")


def measure_cost(subject: NormUnderTest) -> str:
    """The time of forward and backward in training, beside that of `bn`."""
    samples, length = _COST_SHAPE
    norms = [subject.train(), build_norm("bn", subject.num_channels).train()]
    best = [float("inf")] * 2
    for _ in range(_COST_RUNS):  # in turns, so that a disturbance meets both
        for index, norm in enumerate(norms):
            x = subject.draw(samples=samples, length=length).requires_grad_()
            dy = draw(*x.shape, seed=1)
            provide_context(norm, create_context(NOW, samples))
            started = time.perf_counter()
            norm(x).backward(dy)
            best[index] = min(best[index], time.perf_counter() - started)
    return f"{best[0] / best[1]:.1f} times bn, {1e3 * best[0]:.2f} ms for {samples} x {length} x {subject.num_channels}"
