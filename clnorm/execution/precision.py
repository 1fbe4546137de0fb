"""Where a model runs and in what precision."""

import torch

from clnorm.errors import UserError

# Of bf16: those of x86, then those of ARM.
_CPU_PRODUCTS = ("amx_bf16", "avx512_bf16", "bf16", "sve_bf16")


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


def settle_precision(precision: str, device: torch.device) -> str:
    """What `auto` is on a device: bf16 where it multiplies matrices in it, else fp16 on a GPU and fp32 on a CPU.

    A CPU without such products computes bf16 many times slower than fp32.
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    has = torch.cpu.get_capabilities()
    return "bf16" if any(has.get(products, False) for products in _CPU_PRODUCTS) else "fp32"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context in which the model computes; it does nothing in fp32."""
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    return torch.autocast(device.type, dtype=dtype, enabled=precision != "fp32")
