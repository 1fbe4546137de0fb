"""How a model is executed: precision, attention kernel, compiled or not; and making a model so."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn

from clnorm.config.sections import TrainConfig
from clnorm.errors import ClnormError, UserError
from clnorm.execution.attention import set_attention, settle_attention
from clnorm.execution.checkpointing import checkpoint_blocks
from clnorm.execution.precision import settle_precision
from clnorm.norms.base import Norm
from clnorm.norms.kernels.native import load_native


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How the model is executed in one run; `auto` is settled here.

    Args:
        precision: fp32, bf16 or fp16.
        attention: fused or explicit.
        compile: whether torch.compile is used.
        measured: empty; in a record of old, the seconds of the ways that `auto` then chose from.
    """

    precision: str = "fp32"
    attention: str = "fused"
    compile: bool = False
    measured: dict[str, float | None] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Its name, such as `bf16 explicit` or `fp32 fused compiled`."""
        return f"{self.precision} {self.attention}" + (" compiled" if self.compile else "")

    def to_dict(self) -> dict[str, Any]:
        """The execution in JSON's types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Execution":
        """What `to_dict` gave."""
        return cls(**values)


def choose_execution(model: nn.Module, recipe: TrainConfig, device: torch.device) -> Execution:
    """How a model is to be executed: as the recipe says, and by a rule where it says `auto`; nothing is measured.

    The rules are `settle_precision` and `settle_attention`; `compile=auto` is off. So the same command computes the
    same on every machine of a kind. What is fastest on this one, `clnorm time` finds out.

    Raises:
        UserError: compilation with checkpointing.
    """
    if recipe.compile is True and recipe.checkpointing:
        raise UserError(
            "a compiled model decides itself what to keep", where="train.checkpointing", legal="false with compile=true"
        )
    precision = settle_precision(recipe.precision, device)
    attention = settle_attention(recipe.attention, model, precision=precision, device=device)
    return Execution(precision=precision, attention=attention, compile=recipe.compile is True)


def prepare_model(model: nn.Module, recipe: TrainConfig, execution: Execution, *, backend: str = "inductor") -> None:
    """Make a model, in place, what `recipe` and `execution` say: attention, norms' passes, checkpointing, compilation.

    Names of parameters and buffers stay as they are. Precision is the caller's: see `precision.autocast`.

    Args:
        model: a backbone, its norms swapped.
        recipe: its `kernels` and `checkpointing` count.
        execution: the rest.
        backend: torch.compile's.

    Raises:
        UserError: the model has no switch for explicit attention, or no blocks to checkpoint.
        ClnormError: the native passes cannot be compiled.
    """
    set_attention(model, fused=execution.attention == "fused")
    set_kernels(model, recipe.kernels)
    if recipe.checkpointing:
        checkpoint_blocks(model)
    if execution.compile:
        # Compiled code is cached by source code, for all models of a process, up to a limit: each run starts afresh.
        torch.compiler.reset()
        compile_model(model, backend=backend)


def set_kernels(model: nn.Module, kernels: str) -> None:
    """Let every norm of a model be computed by the passes of `kernels`: `torch`, or `native` where those serve.

    Raises:
        ClnormError: the native ones cannot be compiled.
    """
    if kernels == "native":
        load_native()
    for module in model.modules():
        if isinstance(module, Norm):
            module.native = kernels == "native"


def compile_model(model: nn.Module, *, backend: str = "inductor") -> None:
    """Compile a model's forward pass, in place, when it is first called: one graph, or an error.

    After a second batch size the batch is a symbol, so that further ones need no compilation. Dropout draws what it
    draws without compilation.
    """
    options = {"fallback_random": True} if backend == "inductor" else None
    model.compile(fullgraph=True, backend=backend, options=options)


def run_eagerly(execution: Execution) -> AbstractContextManager[Any]:
    """A context in which a compiled model runs uncompiled: for gradients that keep their graph."""
    return torch.compiler.set_stance("force_eager") if execution.compile else nullcontext()


@contextmanager
def compile_errors(execution: Execution) -> Iterator[None]:
    """A context that says in one line that a model cannot be compiled.

    Raises:
        ClnormError: torch.compile gave up in it.
    """
    if not execution.compile:
        yield
        return
    from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException

    try:
        yield
    except (TorchDynamoException, FailOnRecompileLimitHit) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        what = f"the model cannot be compiled: {' '.join(lines[:2]) or type(error).__name__}"
        raise ClnormError(what, where="train.compile", hint="use --set train.compile=false") from error
