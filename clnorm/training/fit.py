"""Whether a run's parts fit together: what names and lists alone get wrong is found before anything is decoded."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from clnorm.config.config import Config
from clnorm.config.identity import NOT_IDENTITY, list_values
from clnorm.data.augment.presets import Augmentation, create_augmentation
from clnorm.errors import ClnormError, UserError
from clnorm.execution.execution import Execution, choose_execution, prepare_model
from clnorm.models.create import create_model
from clnorm.models.weights import check_start
from clnorm.norms.calibrate import require_statistics
from clnorm.progress import Reporter
from clnorm.ranks import read_place
from clnorm.streams.stream import ClipStream, stream_of
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy

if TYPE_CHECKING:
    from clnorm.data.store.store import ClipStore
    from clnorm.data.table import ClipTable

# What fits whatever the other parts are: the cells of a large grid mostly differ in these.
_RATES = (
    "lr",
    "balanced_lr",
    "head_scale",
    "motion_scale",
    "layer_decay",
    "weight_decay",
    "grad_clip",
    "warmup",
    "label_smoothing",
)
_NOT_PARTS = {*NOT_IDENTITY, "seed", *(f"train.{name}" for name in _RATES)}
_CPU = torch.device("cpu")


class _NeedsClipsError(Exception):
    """A strategy reads clips when it is built, so that what it refuses is known after they are decoded only."""


class _NoClips:
    """Stands for the store while nothing is decoded."""

    def __getattr__(self, name: str) -> Any:
        raise _NeedsClipsError(name)

    def __len__(self) -> int:
        raise _NeedsClipsError

    def __getitem__(self, item: object) -> Any:
        raise _NeedsClipsError


def check_parts(
    config: Config, model: nn.Module, stream: ClipStream, *, execution: Execution, augment: Augmentation
) -> None:
    """Build the strategy once, without clips, and refuse what it refuses; the model stays as it is.

    Args:
        config: of the run.
        model: its norms swapped.
        stream: of all clips, since none is known to be bad.
        execution: how the model will be executed.
        augment: of training clips.

    Raises:
        UserError: the norm's options do not fit the model or the strategy; blocks are to be frozen or checkpointed, or
            attention is to be explicit, in a model that cannot; a method for unequal classes does not fit the model; a
            batch is too small; or there are no statistics to estimate before training.
    """
    tried = copy.deepcopy(model)
    if config.model.calibrate:
        require_statistics(tried)
    # Neither compiled nor computed by native passes, which need a compiler and take time.
    prepare_model(tried, replace(config.train, kernels="torch"), replace(execution, compile=False))
    no_store = cast("ClipStore", _NoClips())
    reporter, place = Reporter(), read_place()
    setup = Setup(config, tried, no_store, stream, _CPU, reporter, lambda line: None, execution, augment, place)
    try:
        build_strategy(setup)
    except _NeedsClipsError:
        return


def build_strategy(setup: Setup) -> ClipStrategy:
    """The strategy that a run's configuration names.

    Raises:
        UserError: it refuses the run's parts, or a plug-in fails, or what it has made is no `ClipStrategy`.
    """
    spec = setup.config.strategy
    try:
        made = spec.build(setup)
    except (ClnormError, _NeedsClipsError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        if not spec.entry.source:
            raise
        what = f"{spec.name!r} cannot be made ({type(error).__name__}: {error})"
        raise UserError(what, where="strategy", hint="see docs/extend/strategy.md; --debug shows where") from error
    if not isinstance(made, ClipStrategy):
        what = f"{spec.name!r} has returned a {type(made).__name__}, and must return a ClipStrategy"
        hint = "return ClipStrategy(setup=setup, plugins=[...]); see docs/extend/strategy.md"
        raise UserError(what, where="strategy", hint=hint)
    return made


class FitCheck:
    """Checks configurations one after the other; lists are read once, and a model is built once while it is the same.

    Files of weights are not read, and a GPU is not asked for: where a run will be made may have others.
    """

    def __init__(self) -> None:
        self._tables: dict[tuple[str, str | None], ClipTable | ClnormError] = {}
        self._fitting: set[tuple[Any, ...]] = set()
        self._model: tuple[tuple[Any, ...], nn.Module] | None = None

    def check(self, config: Config) -> str:
        """Check that protocol, augmentation, backbone, norm, strategy and loss fit the classes and each other.

        Returns:
            Why that could not be checked, where no folder was given and the dataset needs one; else nothing.

        Raises:
            UserError: they do not fit, a class has no clips to train or to test on, or the folder that was given is not
                there or cannot be read as the dataset.
            ClnormError: a file in the folder that was given is damaged.
        """
        start = config.model
        check_start(pretrained=start.pretrained, weights=start.weights, input=start.input)
        key = (str(config.dataset), config.data.root)
        if key not in self._tables:
            self._tables[key] = _list_clips(config)
        table = self._tables[key]
        if isinstance(table, ClnormError):
            if config.data.root is not None:
                raise table
            return f"Nothing is checked against the clips, which cannot be listed: {table}"
        order = (*key, str(config.protocol), config.seed, config.data.validation, config.train.experiences)
        parts = (key, *((name, value) for name, value in list_values(config).items() if name not in _NOT_PARTS))
        if {order, parts} <= self._fitting:
            return ""
        stream = stream_of(config, table)
        self._fitting.add(order)
        if parts in self._fitting:
            return ""
        augment = create_augmentation(config.data.augment, table.classes)
        model = self._build_model(config, len(table.classes))
        check_parts(config, model, stream, execution=choose_execution(model, config.train, _CPU), augment=augment)
        self._fitting.add(parts)
        return ""

    def _build_model(self, config: Config, num_classes: int) -> nn.Module:
        sizes: dict[str, Any] = {
            "image_size": config.data.image_size,
            "num_frames": config.data.frames,
            "num_classes": num_classes,
            "unswapped_blocks": config.unswapped_blocks,
        }
        key = (str(config.backbone), str(config.norm), *sizes.values())
        if self._model is None or self._model[0] != key:
            self._model = key, create_model(config.backbone, norm=config.norm, **sizes)
        return self._model[1]


def _list_clips(config: Config) -> "ClipTable | ClnormError":
    """The clips of the configuration's dataset, without making any; or the error where they cannot be listed."""
    from clnorm.data.synthetic.reader import list_clips

    root = Path(config.data.root).expanduser() if config.data.root is not None else None
    if config.dataset.name == "synthetic":
        return list_clips(root, **cast("dict[str, Any]", config.dataset.kwargs))
    try:
        table: ClipTable = config.dataset.build(root, progress=None)
    except ClnormError as error:
        return error
    return table
