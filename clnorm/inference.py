"""A run's model put to use: loaded, asked about videos, and exported."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text
from torch import Tensor

from clnorm.data.decode import PART_SECONDS, DecodedClip, read_parts
from clnorm.data.sampling import keep_limit, middle_frames
from clnorm.errors import ClnormError, UserError
from clnorm.files import replace_file
from clnorm.models.deploy import Simplification, largest_difference, simplify_norms
from clnorm.models.onnx_export import create_onnx, require_onnx, run_onnx
from clnorm.models.precision import resolve_device
from clnorm.models.predict import pixels_to_input
from clnorm.models.saved import MODEL_FILE, LoadedModel, read_model, save_model
from clnorm.records import LABELS, RunFolder
from clnorm.registry import Option
from clnorm.seeding import torch_generator

_FORMATS = Option("safetensors", "what is written", words=("safetensors", "onnx"))
_CLIPS = Option("auto", f"parts of a video; auto = one each full {PART_SECONDS} s", kind=int, words=("auto",), low=1)
_SHOWN = 5
_BATCH = 8  # parts of a video that pass the model together
_CHECKED = 4  # clips that an export is checked on
_TOLERANCE = 1e-2  # of the largest logit: rounding stays below it, a mistake does not


@dataclass(frozen=True)
class ActionProbability:
    """P(action | clip), 0 to 1."""

    action: str
    probability: float


@dataclass(frozen=True)
class VideoPrediction:
    """What a model predicts for one video.

    Args:
        video: the file, as it was given.
        clips: the parts that it was cut into, whose probabilities were averaged.
        predictions: the most probable actions, best first.
        note: how the accuracy in the run's record was measured otherwise; empty where it was not.
    """

    video: str
    clips: int
    predictions: tuple[ActionProbability, ...]
    note: str = ""


@dataclass(frozen=True)
class ExportReport:
    """What an export wrote, and how far it is from the trained model.

    Args:
        file: what was written.
        format: `safetensors` or `onnx`.
        norms: what became of each norm site.
        difference: the largest absolute difference of a logit between the trained model and the exported one, which
            for `onnx` ONNX Runtime computes, on `clips` clips of pixels drawn from a fixed seed.
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
                f"{self.largest:.1f} ({self.clips} clips of random pixels)",
                f"input: clips (batch, {shape}), float32, pixel value / 127.5 - 1; output: logits (batch, classes)",
                *([f"note: {self.note}"] if self.note else []),
            ]
        )


def load_model(path: str | Path) -> LoadedModel:
    """The trained model of a run, or of a file that `clnorm export --format safetensors` wrote.

    Args:
        path: the folder of a finished run, or a safetensors file.

    Returns:
        The model in evaluation mode on the CPU, with its classes and what builds it.

    Raises:
        UserError: there is no such folder or file, the run is not finished or kept no model, the file is no kept model,
            a plug-in that the model is made of cannot be imported, or its norm is an oracle, which nobody tells here.
        ClnormError: the file is damaged, or does not fit the model that it describes.
    """
    path = Path(path)
    loaded = read_model(_find_model(path) if path.is_dir() else path)
    if any(getattr(module, "oracle", False) for module in loaded.model.modules()):
        raise UserError(
            f"its norm {loaded.info.norm} is an oracle, which must be told the experience of each clip",
            where=str(path),
            legal="a run with another norm, such as bn",
            hint="in your own loop, load it with clnorm.models.saved.read_model and call clnorm.norms.provide_context",
        )
    return loaded


def _note_on(loaded: LoadedModel) -> str:
    """What the record beside the model says of its accuracy that does not hold for the model as it is used here."""
    record = RunFolder(loaded.file.parent).load()
    if record is None or record.label != LABELS["batch"]:
        return ""
    return "the model goes by its running statistics here; the run's accuracy is transductive (eval.stats=batch)"


def predict(
    run: str | Path, videos: Iterable[str | Path], *, top: int | None = None, clips: int | str = "auto"
) -> list[VideoPrediction]:
    """The most probable actions in each video, among all classes that the run's model knows.

    A video is cut into equal consecutive parts. Each is sampled and resized as the clips of the training were, and the
    softmax of the logits is averaged over the parts. The model computes in float32, on a GPU where there is one.

    Args:
        run: as for `load_model`.
        videos: files, decoded one after the other; the first that cannot be is an error, and nothing is returned.
        top: how many actions; None gives five, or all where there are fewer.
        clips: how many parts; `auto` takes one for each full 5 seconds, and at least one.

    Raises:
        UserError: `top` or `clips` out of range, a folder in place of a video, one path in place of several, or as
            `load_model`.
        DecodeError: a video cannot be decoded.
        ClnormError: the model's outputs are not finite, or as `load_model`.
    """
    if isinstance(videos, str | Path):
        raise UserError(f"{str(videos)!r} is one path", where="videos", legal="a list of paths", hint="write [path]")
    parts = _CLIPS.parse(clips, where="clips")
    loaded = load_model(run)
    known = len(loaded.info.classes)
    count = (
        min(_SHOWN, known) if top is None else int(Option(None, kind=int, low=1, high=known).parse(top, where="top"))
    )
    device, note = resolve_device("auto", "fp32"), _note_on(loaded)
    loaded.model.to(device)
    found = [
        _predict_video(loaded, video, parts=None if parts == "auto" else int(parts), top=count, device=device)
        for video in videos
    ]
    return [replace(prediction, note=note) for prediction in found]


def _predict_video(
    loaded: LoadedModel, video: str | Path, *, parts: int | None, top: int, device: torch.device
) -> VideoPrediction:
    path, info = Path(video), loaded.info
    if path.is_dir():
        raise UserError("is a folder, not a video", where=str(path), hint=f"give the files in it: {path}/*")
    # As in evaluation, which shows the middle ones of the frames kept; of all frames they are those of T.
    kept = keep_limit("T" if info.keep == "all" else info.keep, frames=info.num_frames)
    decoded = read_parts(path, frames=kept, size=info.image_size, parts=parts)
    probabilities = _average_probabilities(loaded, decoded, device=device)
    best = probabilities.argsort(descending=True, stable=True)[:top].tolist()
    return VideoPrediction(
        str(video),
        len(decoded),
        tuple(ActionProbability(info.classes[index], float(probabilities[index])) for index in best),
    )


@torch.no_grad()
def _average_probabilities(loaded: LoadedModel, parts: list[DecodedClip], *, device: torch.device) -> Tensor:
    """(classes,) float64 on the CPU: the mean over the parts of their softmax."""
    total = torch.zeros(len(loaded.info.classes), dtype=torch.float64)
    for start in range(0, len(parts), _BATCH):
        batch = parts[start : start + _BATCH]
        kept = np.array([min(part.decoded, len(part.frames)) for part in batch])
        shown = middle_frames(kept, frames=loaded.info.num_frames).tolist()
        pixels = torch.stack([part.frames[chosen] for part, chosen in zip(batch, shown, strict=True)])  # (b, T, 3, ...)
        logits = loaded.model(pixels_to_input(pixels.to(device))).cpu().double()
        if not torch.isfinite(logits).all():
            raise ClnormError("the model's outputs are not finite", where=str(loaded.file))
        total += logits.softmax(dim=1).sum(dim=0)
    return total / len(parts)


def print_predictions(predictions: Iterable[VideoPrediction]) -> None:
    """One block on stdout for each video: its name, and its actions in per cent; then what notes there are, once."""
    console, notes = Console(), dict[str, None]()
    for prediction in predictions:
        # Names as Text, since in a str [brackets] would be markup.
        console.print(Text(prediction.video), soft_wrap=True)
        averaged = f", mean of {prediction.clips} parts" if prediction.clips > 1 else ""
        console.print(Text(f"P(action | clip) in %{averaged}"))
        table = Table()
        table.add_column("action", overflow="fold")
        table.add_column("%", justify="right", no_wrap=True)
        for item in prediction.predictions:
            table.add_row(Text(item.action), f"{100 * item.probability:.1f}")
        console.print(table)
        notes[prediction.note] = None
    for note in filter(None, notes):
        console.print(Text(f"note: {note}"), soft_wrap=True)


def export_model(
    run: str | Path,
    *,
    format: str = "safetensors",  # noqa: A002 - the word that users know
    out: str | Path | None = None,
) -> ExportReport:
    """Write a run's model with its norms simplified (`clnorm.models.deploy`), checked against the trained one.

    Args:
        run: as for `load_model`.
        format: safetensors, which `load_model` and `predict` read, or onnx, which needs the extra `onnx`.
        out: the file; by default `export.safetensors` or `export.onnx` in the run's folder.

    Raises:
        UserError: an unknown format, a file to write that is the one to read, or as `load_model`.
        ClnormError: the export failed, computes something else, or cannot be written; `out` is then as it was.
    """
    kind = str(_FORMATS.parse(format, where="format"))
    if kind == "onnx":
        require_onnx()
    loaded = load_model(run)
    file = Path(out) if out is not None else loaded.file.with_name(f"export.{kind}")
    if file.resolve() == loaded.file.resolve():
        raise UserError("is the model to export", where=str(file), hint="choose another --out")
    norms, info = simplify_norms(loaded.model), loaded.info
    content = create_onnx(norms.model, info) if kind == "onnx" else b""
    shape = (info.num_frames, 3, info.image_size, info.image_size)
    clips = torch.rand(_CHECKED, *shape, generator=torch_generator(0, "export check")) * 2 - 1
    difference, largest = largest_difference(loaded.model, run_onnx(content) if content else norms.model, clips)
    if not difference <= _TOLERANCE * max(largest, 1.0):  # nor where it is not a number
        raise ClnormError(f"the exported model's logits differ by {difference:.1e} of {largest:.1e}", where=str(file))
    if content:
        replace_file(file, lambda opened: opened.write(content))
    else:
        merged = {"group_norms": info.group_norms | norms.group_norms, "folded": info.folded | norms.folded}
        save_model(file, norms.model, replace(info, **merged))
    return ExportReport(file, kind, norms, difference, largest, _CHECKED, shape, _note_on(loaded))


def _find_model(folder: Path) -> Path:
    """The kept model in a run's folder."""
    record = RunFolder(folder).load()
    if record is None:
        runs = sorted(file.parent.name for file in folder.glob("*/record.json"))
        hint = f"give one of the runs in it, such as {folder / runs[0]}" if runs else "see: clnorm run --help"
        raise UserError("is not the folder of a run", where=str(folder), hint=hint)
    if record.status != "finished":
        hint = f"finish it: clnorm run --config {folder / 'config.yaml'}"
        raise UserError("this run is not finished", where=str(folder), hint=hint)
    file = folder / MODEL_FILE
    if not file.exists():
        hint = "delete the folder and run it again with --set keep_model=true"
        raise UserError(f"this run kept no model ({MODEL_FILE})", where=str(folder), hint=hint)
    return file
