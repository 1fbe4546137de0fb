"""A run's trained model in one file for use elsewhere, checked against the model that it was made from."""

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clnorm.catalogue.option import Option
from clnorm.deploy.onnx import create_onnx, require_onnx, run_onnx
from clnorm.deploy.predict import load_model, note_on_accuracy
from clnorm.deploy.saved import save_model
from clnorm.deploy.simplify import Simplification, largest_difference, simplify_norms
from clnorm.errors import ClnormError, UserError
from clnorm.files import replace_file
from clnorm.seeding import torch_generator

FORMATS = Option("safetensors", "what is written", words=("safetensors", "onnx"))
_CHECKED = 4  # clips that an export is checked on
_TOLERANCE = 1e-2  # of the largest logit, and beside what rounding does to the trained model itself


@dataclass(frozen=True)
class ExportReport:
    """What an export wrote, and how far it is from the trained model.

    Args:
        file: what was written.
        format: `safetensors` or `onnx`.
        norms: what became of each norm site.
        difference: the largest absolute difference of a logit between the trained model and the exported one, which
            for `onnx` ONNX Runtime computes, on `clips` clips of colours that change smoothly, drawn from a fixed seed.
        largest: the largest absolute logit of the trained model on them.
        clips: how many they are.
        input_shape: of the model, without the batch: (T, 3, H, W).
        note: how the accuracy in the run's record was measured otherwise; empty where it was not.
    """

    file: Path
    format: str
    norms: Simplification
    difference: float
    largest: float
    clips: int
    input_shape: tuple[int, int, int, int]
    note: str = ""

    def summary(self) -> str:
        """Four lines, and one with the note if there is one."""
        shape = ", ".join(map(str, self.input_shape))
        return "\n".join(
            [
                f"wrote {self.file} ({self.format}, {self.file.stat().st_size / 1e6:.1f} MB)",
                f"norms: {self.norms.summary()}",
                f"logits differ by at most {self.difference:.1e} from the trained model's, which reach "
                f"{self.largest:.1f} ({self.clips} clips of random colours)",
                f"input: clips (batch, {shape}), float32, pixel value / 127.5 - 1; output: logits (batch, classes)",
                *([f"note: {self.note}"] if self.note else []),
            ]
        )


def export_model(
    run: str | Path,
    *,
    format: str = "safetensors",  # noqa: A002 - the word that users know
    out: str | Path | None = None,
    allow_plugins: Iterable[str] = (),
) -> ExportReport:
    """Write a run's model with its norms simplified (`clnorm.deploy.simplify`), checked against the trained one.

    Args:
        run: as for `load_model`.
        format: safetensors, which `load_model` and `predict` read, or onnx, which needs the extra `onnx`.
        out: the file; by default `export.safetensors` or `export.onnx` in the run's folder.
        allow_plugins: as for `load_model`.

    Raises:
        UserError: an unknown format, a file to write that is the one to read, or as `load_model`.
        ClnormError: the export failed, computes something else, or cannot be written; `out` is then as it was.
    """
    kind = str(FORMATS.parse(format, where="format"))
    if kind == "onnx":
        require_onnx()
    loaded = load_model(run, allow_plugins=allow_plugins)
    file = Path(out) if out is not None else loaded.file.with_name(f"export.{kind}")
    if file.resolve() == loaded.file.resolve():
        raise UserError("is the model to export", where=str(file), hint="choose another --out")
    norms, info = simplify_norms(loaded.model), loaded.info
    content = create_onnx(norms.model, info) if kind == "onnx" else b""
    shape = (info.num_frames, 3, info.image_size, info.image_size)
    difference, largest = compare_logits(loaded.model, run_onnx(content) if content else norms.model, shape, file)
    if content:
        replace_file(file, lambda opened: opened.write(content))
    else:
        groups, folded = info.group_norms | norms.group_norms, info.folded | norms.folded
        save_model(file, norms.model, replace(info, group_norms=groups, folded=folded))
    return ExportReport(file, kind, norms, difference, largest, _CHECKED, shape, note_on_accuracy(loaded))


def compare_logits(
    trained: nn.Module, exported: Callable[[Tensor], Tensor], shape: tuple[int, int, int, int], file: Path
) -> tuple[float, float]:
    """The largest difference between the logits of two models, and the largest logit of the first.

    Args:
        trained: from clips (B, *shape) in [-1, 1] to logits (B, classes).
        exported: the same.
        shape: (T, 3, H, W).
        file: named in the error.

    Raises:
        ClnormError: they differ by more than 1 % of it and twice the rounding error of the trained model, which is that
            against its float64 self: where activations are large, two correct float32 models differ by that much.
    """
    clips = draw_colours(_CHECKED, shape)
    difference, largest = largest_difference(trained, exported, clips)
    allowed = _TOLERANCE * max(largest, 1.0)
    if not difference <= allowed:  # nor where it is not a number
        exact = deepcopy(trained).double()
        rounding, _ = largest_difference(trained, lambda given: exact(given.double()), clips)
        if not difference <= allowed + 2 * rounding:
            what = f"the exported model's logits differ by {difference:.1e} of {largest:.1e}"
            raise ClnormError(what, where=str(file))
    return difference, largest


def draw_colours(count: int, shape: tuple[int, int, int, int]) -> Tensor:
    """Clips (count, T, 3, H, W) in [-1, 1] of colours that change smoothly in space and time, always the same ones.

    Single pixels at random would be far from any video: activations then reach thousands, and differences are rounding.
    """
    frames, channels, height, width = shape
    coarse = torch.rand(count, channels, 4, 4, 4, generator=torch_generator(0, "export check")) * 2 - 1
    return F.interpolate(coarse, size=(frames, height, width), mode="trilinear").transpose(1, 2).contiguous()
