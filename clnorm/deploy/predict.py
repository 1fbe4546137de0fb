"""A run's model put to use: loaded, and asked about videos."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from clnorm.catalogue.option import Option
from clnorm.data.datasets.layout import few_clips, is_video
from clnorm.data.store.decode import PART_SECONDS, DecodedClip, read_parts
from clnorm.data.store.sampling import keep_limit, middle_frames
from clnorm.data.store.video import DecodeError
from clnorm.deploy.saved import MODEL_FILE, LoadedModel, read_model
from clnorm.errors import ClnormError, UserError
from clnorm.execution.inputs import pixels_to_input
from clnorm.execution.precision import resolve_device
from clnorm.results.folder import RunFolder
from clnorm.results.record import LABELS

_CLIPS = Option("auto", f"parts of a video; auto = one each full {PART_SECONDS} s", kind=int, words=("auto",), low=1)
_SHOWN = 5
_BATCH = 8  # parts of a video that pass the model together


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


def load_model(path: str | Path, *, allow_plugins: Iterable[str] = ()) -> LoadedModel:
    """The trained model of a run, or of a file that `clnorm export --format safetensors` wrote.

    Args:
        path: the folder of a finished run, or a safetensors file.
        allow_plugins: the plug-ins that the file may name, such as `"mypackage.mymodule:MyNorm"`. Importing one runs
            its code, so that a file alone does not decide it; what clnorm has built in needs no leave.

    Returns:
        The model in evaluation mode on the CPU, with its classes and what builds it.

    Raises:
        UserError: there is no such folder or file, the run is not finished or kept no model, the file is no kept model,
            a plug-in that the model is made of is not allowed or cannot be imported, or its norm is an oracle, which
            nobody tells here.
        ClnormError: the file is damaged, or does not fit the model that it describes.
    """
    path = Path(path)
    if path.suffix.lower() == ".onnx":
        what, hint = "is an ONNX model, which other programs run", "give the run's folder, or export it as safetensors"
        raise UserError(what, where=str(path), hint=hint)
    loaded = read_model(find_model(path) if path.is_dir() else path, allow_plugins=allow_plugins)
    if any(getattr(module, "oracle", False) for module in loaded.model.modules()):
        raise UserError(
            f"its norm {loaded.info.norm} is an oracle, which must be told the experience of each clip",
            where=str(path),
            legal="a run with another norm, such as bn",
            hint="in your own loop, load it with clnorm.deploy.saved.read_model and call clnorm.norms.provide_context",
        )
    return loaded


def note_on_accuracy(loaded: LoadedModel) -> str:
    """What the record beside the model says of its accuracy that does not hold for the model as it is used here."""
    record = RunFolder(loaded.file.parent).load()
    if record is None:
        return ""
    views, reasons = record.config.get("eval", {}).get("views", 1), []
    if record.label == LABELS["batch"]:
        reasons.append("the model goes by its running statistics here; the run's accuracy is transductive (eval=batch)")
    if "tasks" in record.data:
        reasons.append("all classes are allowed here; in the run each clip was predicted among those of its task")
    if views > 1:
        reasons.append(f"a video is shown by its own rule here; the run averaged {views} views of a clip (eval.views)")
    if record.classifier == "nme":
        reasons.append("the head predicts here; the run predicted by the nearest mean of exemplars")
    return "; ".join(reasons)


def list_videos(given: Iterable[str | Path], *, note: Callable[[str], object]) -> list[Path]:
    """The videos that files and folders stand for: of a folder those in it by their suffix, hidden ones left out.

    Args:
        given: files, each a video whatever its suffix, and folders.
        note: is told of each folder's files that are left out.

    Raises:
        UserError: a folder holds no video, or cannot be read.
    """
    videos: list[Path] = []
    for path in map(Path, given):
        if not path.is_dir():
            videos.append(path)
            continue
        try:
            files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        except OSError as error:
            raise UserError(f"cannot read this folder: {error.strerror}", where=str(path)) from error
        found = [file for file in files if is_video(file.name)]
        others = [file.name for file in files if not is_video(file.name)]
        if not found:
            what = "holds no video, by the suffixes of its files" if others else "holds no file"
            raise UserError(what, where=str(path), hint="give a folder with videos in it, not below it")
        if others:
            left_out = few_clips(others).replace("clip", "file", 1)
            note(f"note: {path}: no videos by their suffix, and left out: {left_out}")
        videos += found
    return videos


def predict(
    run: str | Path,
    videos: Iterable[str | Path],
    *,
    top: int | None = None,
    clips: int | str = "auto",
    allow_plugins: Iterable[str] = (),
    on_error: Callable[[ClnormError], object] | None = None,
) -> list[VideoPrediction]:
    """The most probable actions in each video, among all classes that the run's model knows.

    A video is cut into equal consecutive parts. Each is sampled and resized as the clips of the training were, and the
    softmax of the logits is averaged over the parts. The model computes in float32, on a GPU where there is one.

    Args:
        run: as for `load_model`.
        videos: files, decoded one after the other.
        top: how many actions; None gives five, or all where there are fewer.
        clips: how many parts; `auto` takes one for each full 5 seconds, and at least one.
        allow_plugins: as for `load_model`.
        on_error: is told of each video that cannot be predicted, which is left out; with None the first such video
            is an error, and nothing is returned.

    Raises:
        UserError: `top` or `clips` out of range, no such file, a folder in place of a video, one path in place of
            several, or as `load_model`.
        DecodeError: a video cannot be decoded.
        ClnormError: the model's outputs are not finite, or as `load_model`.
    """
    if isinstance(videos, str | Path):
        raise UserError(f"{str(videos)!r} is one path", where="videos", legal="a list of paths", hint="write [path]")
    parts = _CLIPS.parse(clips, where="clips")
    loaded = load_model(run, allow_plugins=allow_plugins)
    known = len(loaded.info.classes)
    count = (
        min(_SHOWN, known) if top is None else int(Option(None, kind=int, low=1, high=known).parse(top, where="top"))
    )
    device, note = resolve_device("auto", "fp32"), note_on_accuracy(loaded)
    loaded.model.to(device)
    found: list[VideoPrediction] = []
    for video in videos:
        try:
            found.append(
                _predict_video(loaded, video, parts=None if parts == "auto" else int(parts), top=count, device=device)
            )
        except (DecodeError, UserError) as error:
            if on_error is None:
                raise
            on_error(error)
    return [replace(prediction, note=note) for prediction in found]


def _predict_video(
    loaded: LoadedModel, video: str | Path, *, parts: int | None, top: int, device: torch.device
) -> VideoPrediction:
    path, info = Path(video), loaded.info
    if path.is_dir():
        raise UserError("is a folder, not a video", where=str(path), hint=f"give the files in it: {path}/*")
    if not path.exists():
        raise UserError("there is no such file", where=str(path), hint="give the path of a video")
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


def find_model(folder: Path) -> Path:
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
