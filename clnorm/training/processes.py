"""What several processes that train one model exchange at each step, and what cannot be trained so."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any

import torch
from torch import Tensor, nn

from clnorm.config.config import Config
from clnorm.errors import UserError
from clnorm.execution.execution import Execution
from clnorm.models.vit import DropPath
from clnorm.norms.base import Norm, RunningNorm
from clnorm.norms.running import running_norms, statistics_of
from clnorm.ranks import Ranks
from clnorm.results.state import pack_state

_BUCKET = 2**23  # elements that are added up at once: 32 MB in fp32


def sum_over_processes(model: nn.Module, ranks: Ranks, *, share: float) -> None:
    """Add up the gradients that each process has of its part of a batch, and average what norms tracked of each part.

    Running statistics of one batch over all processes are the same in each already. Those of each process's own part
    (the option `parts`) become their mean, weighted by the clips of each part, and counters their largest.

    Args:
        model: its parameters have the gradients of this process's share of the loss.
        ranks: the processes.
        share: of the batch's clips that are this process's.
    """
    if ranks.size == 1:
        return
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for bucket in _buckets(trained):
        _sum_gradients(bucket, ranks)
    if statistics_of(model).parts > 1:
        _average_statistics(running_norms(model), ranks, share=share)


@torch.no_grad()
def _sum_gradients(parameters: Sequence[nn.Parameter], ranks: Ranks) -> None:
    """The sum in `grad`; a parameter without a gradient in any process is left without one, as in a single process."""
    zeros = [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]
    known = parameters[0].new_tensor([each.grad is not None for each in parameters])
    flat = ranks.sum(torch.cat([*(grad.flatten() for grad in zeros), known]))
    lacking = [each.grad is None for each in parameters]
    found = (flat[-len(parameters) :] > 0).tolist() if any(lacking) else [True] * len(parameters)
    sums = flat[: -len(parameters)].split([each.numel() for each in parameters])
    for parameter, total, is_known in zip(parameters, sums, found, strict=True):
        if is_known:
            parameter.grad = total.view_as(parameter)


def _buckets(parameters: Sequence[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """The parameters in groups of one type, so large that few exchanges are made, and no larger than memory bears."""
    bucket: list[nn.Parameter] = []
    size = 0
    for parameter in parameters:
        if bucket and (size + parameter.numel() > _BUCKET or parameter.dtype != bucket[0].dtype):
            yield bucket
            bucket, size = [], 0
        bucket.append(parameter)
        size += parameter.numel()
    if bucket:
        yield bucket


@torch.no_grad()
def _average_statistics(norms: Sequence[RunningNorm], ranks: Ranks, *, share: float) -> None:
    buffers = [buffer for norm in norms for buffer in norm.buffers()]
    floats = [buffer for buffer in buffers if buffer.is_floating_point()]
    mean = ranks.sum(torch.cat([buffer.flatten() * share for buffer in floats]))
    for buffer, part in zip(floats, mean.split([buffer.numel() for buffer in floats]), strict=True):
        buffer.copy_(part.view_as(buffer))
    counters = [buffer for buffer in buffers if not buffer.is_floating_point()]
    largest = ranks.maximum(torch.cat([counter.flatten() for counter in counters]))
    for counter, part in zip(counters, largest.split([counter.numel() for counter in counters]), strict=True):
        counter.copy_(part.view_as(counter))


def share_model(model: nn.Module, ranks: Ranks) -> None:
    """Give every process the first one's weights and buffers, where machines may have rounded otherwise."""
    if ranks.size > 1:
        for tensor in model.state_dict().values():
            ranks.give(tensor)


def share_state(state: dict[str, Any] | None, ranks: Ranks) -> dict[str, Any] | None:
    """The first process's state, in each of them."""
    if ranks.size == 1:
        return state
    content = ranks.share(None if state is None else pack_state(state))
    if content is None:
        return None
    shared: dict[str, Any] = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
    return shared


def collect_rows(row: Tensor, ranks: Ranks) -> Tensor:
    """(processes, n) of each process's row (n,), integers; the row itself where there is one process."""
    if ranks.size == 1:
        return row
    rows = torch.zeros(ranks.size, len(row), dtype=row.dtype)
    rows[ranks.rank] = row
    return ranks.sum(rows)


def draws_together(model: nn.Module) -> bool:
    """Whether all that the model draws in training is drawn for all clips of a batch in every process alike.

    Stochastic depth of clnorm's backbones is. Dropout is drawn by each process for its own clips, as is whatever a
    backbone of another package draws.
    """
    if not type(model).__module__.startswith("clnorm.models."):
        return False
    rates = ("p", "dropout", "drop_prob", "drop_rate", "attn_dropout_p")
    others = (module for module in model.modules() if not isinstance(module, (DropPath, Norm)))
    held = (getattr(module, name, 0.0) for module in others for name in rates)
    return not any(isinstance(rate, float) and rate > 0 for rate in held)


def place_of_draws(model: nn.Module, ranks: Ranks, index: int) -> tuple[int, ...]:
    """What the seed of the model's draws in experience `index` is derived from: the process, too, where each draws."""
    return (index,) if draws_together(model) or ranks.first else (index, ranks.rank)


def check_processes(
    model: nn.Module, config: Config, execution: Execution, ranks: Ranks, *, methods: Sequence[object]
) -> None:
    """Refuse what several processes would compute wrongly.

    Args:
        model: its norms swapped.
        config: of the run.
        execution: of the model.
        ranks: the processes.
        methods: the strategy and its plug-ins.

    Raises:
        UserError: as many parts of a batch as there are no processes, a compiled model, norms that cannot share a
            batch's statistics, or a method that does not know of several processes.
    """
    where, parts = f"norm {config.norm.short}", statistics_of(model).parts
    if parts not in (1, ranks.size):
        count = "1 process" if ranks.size == 1 else f"{ranks.size} processes"
        hint = f"torchrun --nproc-per-node {parts} -m clnorm run ..., or leave parts=1"
        raise UserError(f"parts={parts} with {count}", where=where, legal=f"parts=1 or {ranks.size}", hint=hint)
    if ranks.size == 1:
        return
    if execution.compile:
        what = "a compiled model cannot exchange what several processes share"
        raise UserError(what, where="train.compile", legal="false", hint="or start one process, without torchrun")
    for name, module in model.named_modules():
        _check_module(name, module, shares=parts == 1)
    for method in methods:
        if not getattr(method, "supports_distributed", False):
            what = f"{type(method).__name__} does not say that it is right where several processes train"
            hint = "derive it with supports_distributed=True once it is, or start one process, without torchrun"
            raise UserError(what, where=f"strategy {config.strategy.name}", hint=hint)


def _check_module(name: str, module: nn.Module, *, shares: bool) -> None:
    kind = type(module).__name__
    tracks = isinstance(getattr(module, "running_mean", None), Tensor)
    if tracks and not isinstance(module, RunningNorm):
        what = f"{kind} at {name} has running statistics that several processes cannot share"
        raise UserError(what, where="torchrun", legal="norms that are a clnorm.norms.RunningNorm")
    if getattr(module, "needs", ()) and not isinstance(module, Norm):
        what = f"{kind} at {name} is told of a batch, and would be told of that of all processes"
        raise UserError(what, where="torchrun", legal="norms that are a clnorm.norms.Norm")
