"""Activation checkpointing of a backbone's blocks that leaves running statistics right.

Source: Chen et al., "Training Deep Nets with Sublinear Memory Cost", arXiv 1604.06174.
"""

from contextlib import AbstractContextManager, nullcontext
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from clnorm.models.blocks import read_blocks

Buffers = list[tuple[dict[str, Tensor | None], str, Tensor]]  # where each buffer is held, under which name, its value


def checkpoint_blocks(model: nn.Module) -> None:
    """Let each block keep its input only, and compute its activations again in the backward pass.

    Gradients, dropout and running statistics are those of the plain model, to the bit: the second computation draws the
    same random numbers, starts from the buffers that the first one started from, and leaves no trace in them. This
    holds for every module whose state is in buffers. In evaluation nothing changes.

    Raises:
        UserError: the model has no `blocks`.
    """
    for block in read_blocks(model, option="train.checkpointing"):
        # A bound method follows a deep copy of the block to the copy, which a closure over the block would not.
        block.forward = MethodType(_checkpointed_forward, block)


def _checkpointed_forward(block: nn.Module, *args: Any, **kwargs: Any) -> Any:
    plain = MethodType(type(block).forward, block)
    if not (block.training and torch.is_grad_enabled()):
        return plain(*args, **kwargs)
    before = [(held, name, buffer.clone()) for held, name, buffer in _list_buffers(block)]

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _Recomputing(block, before)

    return checkpoint(plain, *args, use_reentrant=False, context_fn=contexts, **kwargs)


class _Recomputing(AbstractContextManager[None]):
    """Copies of the buffers as they were before the first computation; the real ones come back at the end.

    They are exchanged, not written over: autograd may have saved them, and would find them changed. It is entered
    again where a graph is kept for a further backward pass, and left by an exception where the second computation stops
    early, having what the backward pass needs.
    """

    def __init__(self, block: nn.Module, before: Buffers) -> None:
        self.block, self.before = block, before

    def __enter__(self) -> None:
        self.now = _list_buffers(self.block)
        for held, name, buffer in self.before:
            held[name] = buffer.clone()

    def __exit__(self, *exception: object) -> None:
        for held, name, buffer in self.now:
            held[name] = buffer


def _list_buffers(block: nn.Module) -> Buffers:
    holders = [module._buffers for module in block.modules()]
    return [(held, name, buffer) for held in holders for name, buffer in held.items() if buffer is not None]
