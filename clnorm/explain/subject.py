"""A finished run opened again: its kept model, and the clips that it was trained and tested on."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from clnorm.config.config import Config
from clnorm.config.load import load_config
from clnorm.data.augment.appearance import create_appearance
from clnorm.data.open import open_store, read_table
from clnorm.deploy.predict import find_model
from clnorm.deploy.saved import ModelInfo, read_model
from clnorm.errors import ClnormError, UserError
from clnorm.execution.execution import Execution, prepare_model
from clnorm.execution.inputs import Inputs
from clnorm.execution.precision import resolve_device
from clnorm.explain.parts import Floats, best_before
from clnorm.models.heads import RandomFeatureHead
from clnorm.norms.context import StepContext
from clnorm.norms.running import statistics_of
from clnorm.progress import Reporter
from clnorm.results.clips import CLIPS_FILE, refuse_other_clips
from clnorm.results.inspect import read_run
from clnorm.results.record import LABELS, RunRecord
from clnorm.streams.stream import ClipStream, stream_of


@dataclass(frozen=True)
class Kept:
    """What a run's folder alone says.

    Args:
        folder: of the run.
        record: of the run.
        file: of the kept model.
        digest: sha256 (hex) of that file.
        best: of each old experience, see `best_before`.
    """

    folder: Path
    record: RunRecord
    file: Path
    digest: str
    best: Floats


@dataclass(frozen=True)
class Subject:
    """The model on its device, and its clips.

    Args:
        config: of the run.
        model: as it was kept, executed as in the run but for compilation.
        stream: of the run.
        inputs: of evaluation: norms are told nothing of the clips.
        precision: of the forward pass.
    """

    config: Config
    model: nn.Module
    stream: ClipStream
    inputs: Inputs
    precision: str

    @property
    def head(self) -> nn.Linear:
        """The last layer."""
        return self.model.get_submodule("head")  # type: ignore[return-value]  # as `_refuse_without_head` has seen

    @property
    def train_ids(self) -> np.ndarray:
        """The training clips of all experiences."""
        return np.concatenate([experience.train_ids for experience in self.stream.experiences])

    @property
    def training_inputs(self) -> Inputs:
        """As `inputs`, with norms told of training clips what the end of the run would tell."""
        owner, last, device = self.stream.experience_of_clip, len(self.stream.experiences) - 1, self.inputs.device

        def context_of(ids: np.ndarray) -> StepContext:
            return StepContext(torch.as_tensor(owner[ids], device=device), last, 1.0)

        return replace(self.inputs, context_of=context_of)


def find_kept(run: str | Path) -> Kept:
    """What is in a run's folder.

    Raises:
        UserError: it is no finished run with a kept model, it is one without old experiences, or test clips were
            normalized by their own batch or by an oracle, or predicted otherwise than by the head on one view.
        ClnormError: a file is damaged.
    """
    folder = Path(run)
    file, record = find_model(folder), read_run(folder)
    _refuse_label(record.label, folder)
    _refuse_other_predictions(record, folder)
    try:
        best = best_before(record.matrix)
    except UserError as error:
        raise error.within(str(folder)) from error
    return Kept(folder, record, file, hashlib.sha256(file.read_bytes()).hexdigest(), best)


def open_subject(kept: Kept, *, data_root: str | None, allow_plugins: Iterable[str], reporter: Reporter) -> Subject:
    """The model, and the clips, which are decoded where they are not yet.

    Raises:
        UserError: the clips are not those of the run, a plug-in is not allowed, or the model has no linear head to fit.
        ClnormError: the clips hold something else than when the run was made, or a file is damaged.
    """
    record, allowed = kept.record, [*allow_plugins]
    loaded = read_model(kept.file, allow_plugins=allowed)
    # Where tasks are known, no record says that a norm was told them.
    _refuse_label(LABELS[statistics_of(loaded.model).eval], kept.folder)
    _refuse_without_head(loaded.model, kept.folder)
    moved = {} if data_root is None else {"data.root": data_root}
    config = load_config(kept.folder / "config.yaml", moved, allow_plugins=allowed)
    table = read_table(config, reporter)
    refuse_other_clips(kept.folder / CLIPS_FILE, table.frame, table.classes)
    store = open_store(config, table, reporter)
    if record.data.get("content", store.content) != store.content:
        what = "the clips hold something else now than when this run was made"
        raise ClnormError(what, where=str(kept.folder), hint="bring back the videos, or make the run anew")
    stream = stream_of(config, table, bad=store.bad)
    _refuse_other_outputs(loaded.info, [table.classes[label] for label in stream.order], kept.folder)
    execution = replace(Execution.from_dict(record.execution), compile=False)
    device = resolve_device(config.train.device, execution.precision)
    prepare_model(loaded.model.to(device), config.train, execution)
    inputs = Inputs(store, device, appearance=create_appearance(stream.looks, stream.experience_of_clip))
    return Subject(config, loaded.model, stream, inputs, execution.precision)


def _refuse_label(label: str, folder: Path) -> None:
    reasons = {
        LABELS["batch"]: "test clips were normalized by their own batch, so that running statistics have no part",
        LABELS["task"]: "its norm was told each test clip's experience, which no estimate on all clips can replace",
    }
    if label:
        hint = "explain a run of a norm that is evaluated by its running statistics, such as bn"
        raise UserError(f"the run is {label}: {reasons[label]}", where=str(folder), hint=hint)


def _refuse_other_predictions(record: RunRecord, folder: Path) -> None:
    """Refuse a run whose accuracies are not those of its head on single views."""
    views = record.config.get("eval", {}).get("views", 1)
    reasons = {
        "it predicts by the nearest mean of exemplars, not by its head": record.classifier == "nme",
        f"it predicts by {views} views of a clip (eval.views)": views > 1,
    }
    for reason, holds in reasons.items():
        if holds:
            what = f"{reason}, so that the parts would not be those of its forgetting"
            raise UserError(what, where=str(folder), legal="runs that predict by their head, on one view")


def _refuse_without_head(model: nn.Module, folder: Path) -> None:
    head = getattr(model, "head", None)
    if isinstance(head, RandomFeatureHead):
        what = "its head is linear in random features, and no linear layer, which could be fitted anew"
        raise UserError(what, where=str(folder), legal="runs of other strategies")
    if not isinstance(head, nn.Linear) or not hasattr(model, "forward_features"):
        what = f"{type(model).__name__} has no linear layer `head` on `forward_features`, which could be fitted anew"
        raise UserError(what, where=str(folder), legal="clnorm's own backbones, and plug-ins with both")


def _refuse_other_outputs(info: ModelInfo, classes: list[str], folder: Path) -> None:
    if list(info.classes) != classes:
        what = f"the kept model's outputs are {', '.join(info.classes)}, and the stream's {', '.join(classes)}"
        raise ClnormError(what, where=str(folder), hint="the model is of another run: make this one anew")
