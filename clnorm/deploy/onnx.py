"""A kept model as an ONNX file, and ONNX Runtime's answer to compare it with. Needs the extra `onnx`."""

import importlib.util
import io
import json
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import torch
from torch import Tensor, nn

from clnorm.deploy.saved import ModelInfo
from clnorm.errors import ClnormError
from clnorm.seeding import hold_process

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def require_onnx() -> None:
    """Look for the packages that writing and checking an ONNX file needs.

    Raises:
        ClnormError: one of them is not installed.
    """
    absent = [package for package in _PACKAGES if importlib.util.find_spec(package) is None]
    if absent:
        raise ClnormError(f"ONNX needs {', '.join(absent)}", where="export", hint="pip install 'clnorm[onnx]'")


def create_onnx(model: nn.Module, info: ModelInfo) -> bytes:
    """A model in evaluation mode as an ONNX file, checked by ONNX's own checker.

    Input `clips`, float32 (batch, T, 3, H, W) in [-1, 1]; output `logits`, float32 (batch, classes); any batch size.
    The file's metadata hold `classes` (JSON, in the order of the outputs), `input`, `output`, `backbone` and `norm`.

    Raises:
        ClnormError: the packages are missing, or torch cannot export this model.
    """
    require_onnx()
    import onnx

    shape = (info.num_frames, 3, info.image_size, info.image_size)
    example = torch.zeros(2, *shape)
    try:
        # The exporter talks on stdout, which is for results, and warns of what the check below would find.
        with hold_process(), redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
            # Strict, because only dynamo's capture keeps the batch size open where a module asks for len(x).
            batch = torch.export.Dim("batch")
            program = torch.export.export(model, (example,), dynamic_shapes=({0: batch},), strict=True)
            exported: Any = torch.onnx.export(
                program,
                input_names=["clips"],
                output_names=["logits"],
                dynamic_shapes=({0: "batch"},),
                dynamo=True,
                verbose=False,
            )
            proto = exported.model_proto
            onnx.helper.set_model_props(proto, _describe(info, shape))
            onnx.checker.check_model(proto, full_check=True)
            content: bytes = proto.SerializeToString()
    except Exception as error:  # the exporter, its passes and the checker raise many kinds
        reason = str(error).strip().partition("\n")[0]
        raise ClnormError(f"torch cannot export this model: {type(error).__name__}: {reason}", where="onnx") from error
    return content


def run_onnx(content: bytes) -> Callable[[Tensor], Tensor]:
    """An ONNX file as a function from clips to logits, computed by ONNX Runtime on the CPU.

    Raises:
        ClnormError: ONNX Runtime refuses the file.
    """
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except Exception as error:  # each of its errors is a class of its own
        raise ClnormError(f"ONNX Runtime refuses the file: {error}", where="onnx") from error
    return lambda clips: torch.from_numpy(session.run(["logits"], {"clips": clips.numpy()})[0])


def _describe(info: ModelInfo, shape: tuple[int, ...]) -> dict[str, str]:
    return {
        "classes": json.dumps(info.classes),
        "input": f"clips: float32 (batch, {', '.join(map(str, shape))}), RGB, pixel value / 127.5 - 1",
        "output": f"logits: float32 (batch, {len(info.classes)}); their softmax is P(class | clip)",
        "backbone": info.backbone,
        "norm": info.norm,
    }
