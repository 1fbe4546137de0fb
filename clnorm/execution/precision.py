"""Where a model runs and in what precision."""

import torch

from clnorm.errors import UserError


def resolve_device(name: str, precision: str) -> torch.device:
    """The device of a run; `auto` is CUDA where there is a GPU.

    Raises:
        UserError: CUDA without a GPU, or fp16 without CUDA.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UserError("there is no CUDA GPU", where="train.device", legal="auto|cpu", hint="see: clnorm doctor")
    device = torch.device("cuda" if name == "cuda" or (name == "auto" and available) else "cpu")
    if precision == "fp16" and device.type != "cuda":
        raise UserError("fp16 needs CUDA", where="train.precision", legal="fp32|bf16|auto", hint="see: clnorm doctor")
    return device


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context in which the model computes; it does nothing in fp32."""
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    return torch.autocast(device.type, dtype=dtype, enabled=precision != "fp32")
