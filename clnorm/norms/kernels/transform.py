"""y = scale * (x - mean) + shift, with coefficients that follow from the moments of each (sample, channel).

All norms by statistics of samples, of the batch or of both have this form: the moments of any set of channels and
samples follow from those of each (sample, channel) by the law of total variance. So a norm is a function of small
(S, C) tensors, however many stages it has: x is read for them and once more to be transformed, and nothing but x and
such small tensors is kept for the backward pass.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from clnorm.errors import ClnormError
from clnorm.norms.kernels.passes import passes_for
from clnorm.norms.kernels.sharing import current_part

# (mean (S, C), var (S, C), *tensors) -> (scale (S, C), shift (S, C), *extras)
Coefficients = Callable[..., tuple[Tensor, ...]]

# Up to this |scale * mean|, scale * x + (shift - scale * mean) is good to 1e-6 and saves a pass over x.
_SMALL_MEAN = 8.0


def transform(x: Tensor, coefficients: Coefficients, *tensors: Tensor) -> tuple[Tensor, ...]:
    """scale * (x - mean) + shift and the extras of `coefficients`; differentiable once, and an error the second time.

    It is exact to rounding whatever the mean of x: where that is large against what the norm divides by, x is centred
    first, and the small tensors are computed in float64.

    Args:
        x: (S, L, C), in float32 or wider.
        coefficients: a differentiable function of mean and var, the biased moments of x over L, (S, C) each, and of
            `tensors`, to (scale, shift, *extras), where scale and shift broadcast to (S, C). It is called a second time
            in the backward pass, so it captures no tensor and changes none; it must give the same result in float64.
        tensors: what else it depends on, such as weight and bias. One that changes before the backward pass, such as a
            running statistic, is to be given as a copy.

    Where several processes share the batch (`share_moments`), mean and var are those of all their samples, and so are
    the S of scale, shift and `tensors`; y is that of this process's x. Each process then gets its share of the
    gradients of `tensors`, which adds up to the whole.

    Returns:
        y (S, L, C), and the extras.
    """
    if torch.compiler.is_compiling():
        return _transform_plainly(x, coefficients, *tensors)
    y, *rest = _Transform.apply(coefficients, x, *tensors)
    return y, *rest


def _transform_plainly(x: Tensor, coefficients: Coefficients, *tensors: Tensor) -> tuple[Tensor, ...]:
    """The same for a compiler, which fuses it, and derives the backward pass, on its own; always centred."""
    mean = x.mean(1)
    centred = x - mean.unsqueeze(1)
    residual = centred.mean(1).double()
    var = centred.square().mean(1).double()
    scale, shift, *extras = coefficients(mean.double() + residual, var, *_in_double(tensors))
    shift = _expand(shift - scale * residual, mean).to(x.dtype)
    y = shift.unsqueeze(1) + centred * _expand(scale, mean).to(x.dtype).unsqueeze(1)
    return y, *(extra.to(x.dtype) for extra in extras)


class _Transform(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, coefficients: Coefficients, x: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        x = x.contiguous()
        passes, part = passes_for(x), current_part()
        here, var = passes.read_moments(x)
        mean, var = part.gather(here, var)
        scale, shift, *extras = coefficients(mean, var, *tensors)
        offset = scale * mean
        centre = here if passes.centring_is_free else None
        if exact := not is_small(offset):
            centre = here
            (residual,) = part.gather(passes.read_residual(x, centre))
            mean = mean.double() + residual
            scale, shift, *extras = coefficients(mean, var.double(), *_in_double(tensors))
        ctx.coefficients, ctx.passes, ctx.part = coefficients, passes, part
        ctx.save_for_backward(x, centre, mean, var, *tensors)
        ctx.set_materialize_grads(False)
        if centre is None:
            shift = shift - offset
        scale, shift = part.scatter(_expand(scale, var)), part.scatter(_expand(shift, var))
        if exact:
            shift = shift - scale * (part.scatter(mean) - here)
        y = passes.apply_affine(x, scale.to(x.dtype), shift.to(x.dtype), centre)
        return y, *(extra.to(x.dtype) for extra in extras)

    @staticmethod
    def backward(ctx: Any, dy: Tensor | None, *dextras: Tensor | None) -> tuple[Tensor | None, ...]:
        refuse_second_derivative()
        saved = ctx.saved_tensors  # read once: activation checkpointing allows no more
        x, centre = saved[:2]
        dy = torch.zeros_like(x) if dy is None else dy.contiguous()
        small, dtensors = _small_gradients(ctx, saved, dy, dextras)
        dx = ctx.passes.apply_gradient(dy, x, *small, centre) if ctx.needs_input_grad[1] else None
        return None, dx, *dtensors


def _small_gradients(
    ctx: Any, saved: Sequence[Tensor], dy: Tensor, dextras: Sequence[Tensor | None]
) -> tuple[list[Tensor], list[Any]]:
    """(scale, slope, shift) with dx = scale * dy + slope * (x - centre) + shift, (S, C) each; gradients by `tensors`.

    A function of its own: what it computes on the way is gone before memory for dx is taken.
    """
    x, centre, mean, var, *tensors = saved
    part = ctx.part
    dshift, dscale = ctx.passes.read_products(dy, x, centre)
    here = part.scatter(mean)
    off = here if centre is None else here - centre
    inputs = (mean, var.to(mean.dtype), *(tensors if mean.dtype == x.dtype else _in_double(tensors)))
    given = part.gather(dscale - off * dshift, dshift.to(off.dtype))
    total = [None if grad is None else part.add_up(grad) for grad in dextras]
    scale, dmean, dvar, *of_tensors = _pull_back(ctx.coefficients, inputs, [*given, *total])
    scale, dmean, dvar = (part.scatter(of_samples) for of_samples in (scale, dmean, dvar))
    slope = dvar * (2 / x.shape[1])
    shift = (dmean - scale * dshift) / x.shape[1] - slope * off
    dtensors = [
        None if grad is None else part.divide(grad).to(given.dtype)
        for grad, given in zip(of_tensors, tensors, strict=True)
    ]
    return [coefficient.to(x.dtype) for coefficient in (scale, slope, shift)], dtensors


def refuse_second_derivative() -> None:
    """For a backward pass whose own gradient would be wrong.

    Raises:
        ClnormError: it is called to be differentiated again.
    """
    if torch.is_grad_enabled():
        raise ClnormError("norms by statistics can be differentiated once only", hint="leave create_graph=False")


def is_small(offset: Tensor) -> bool:
    """Whether x may stay uncentred, its mean being `offset`. Always False on a GPU, where reading it waits."""
    return offset.device.type == "cpu" and bool(offset.abs().amax() <= _SMALL_MEAN)


def _in_double(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensor.double() if tensor.is_floating_point() else tensor for tensor in tensors]


def _expand(coefficient: Tensor, like: Tensor) -> Tensor:
    return coefficient.expand(like.shape)


def _pull_back(coefficients: Coefficients, values: Sequence[Tensor], given: Sequence[Tensor | None]) -> list[Any]:
    """The scale (S, C), and the gradients by each of `values` of the outputs whose gradients are `given`.

    Mean and var, the first two, get zeros where nothing depends on them; others None.
    """
    inputs = [value.detach().requires_grad_(value.is_floating_point()) for value in values]
    with torch.enable_grad():
        scale, shift, *extras = coefficients(*inputs)
        outputs = [_expand(scale, inputs[1]), _expand(shift, inputs[1]), *extras]
    pairs = [(out, grad) for out, grad in zip(outputs, given, strict=True) if grad is not None and out.requires_grad]
    floats = [value for value in inputs if value.requires_grad]
    found = torch.autograd.grad(
        [out for out, _ in pairs], floats, [grad.to(out.dtype) for out, grad in pairs], allow_unused=True
    )
    grads = iter(found)
    of_inputs = [next(grads) if value.requires_grad else None for value in inputs]
    of_moments = [torch.zeros_like(inputs[0]) if grad is None else grad for grad in of_inputs[:2]]
    return [outputs[0].detach(), *of_moments, *of_inputs[2:]]
