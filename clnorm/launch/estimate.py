"""What a sweep will take: hours, disk and memory, from a short probe of each model, norm and strategy in it."""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from clnorm.config.config import Config
from clnorm.config.identity import NOT_IDENTITY, describe
from clnorm.data.open import estimate_decoding, read_table
from clnorm.data.table import ClipTable
from clnorm.errors import UserError
from clnorm.launch.plan import Cell
from clnorm.launch.probe import Probe, probe
from clnorm.norms.base import uses_progress
from clnorm.progress import Reporter
from clnorm.streams.stream import ClipStream, stream_of
from clnorm.training.epochs import Lengths
from clnorm.training.imbalance.fine_tuning import plan_fine_tuning
from clnorm.training.states.prefixes import describe_options

_MOST = 30.0  # seconds of the probes of one model and norm, all strategies together
_RATES = ("lr", "head_scale", "motion_scale", "layer_decay", "weight_decay", "warmup", "label_smoothing", "balanced_lr")
_NO_TIME = {"seed", "protocol", "data.validation", "tuned", *(f"train.{rate}" for rate in _RATES)}
"""Keys that do not decide how long a step takes; a search tries many values of some of them."""
_PREDICTION = 40  # bytes of a predicted clip in a run's folder


@dataclass
class Estimate:
    """What the unfinished cells of a sweep take.

    Attributes:
        cells: that are not finished.
        seconds: by what takes them: `train`, `evaluate`, `start`, `decode`.
        saved: seconds that shared beginnings save, which are not in `seconds`.
        disk_bytes: that remain in results folder and cache.
        memory_mb: of a process.
        names: seconds by norm and strategy.
    """

    cells: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    saved: float = 0.0
    disk_bytes: int = 0
    memory_mb: float = 0.0
    names: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))

    @property
    def hours(self) -> float:
        """Of one process."""
        return sum(self.seconds.values()) / 3600

    def refuse_over(self, most: float) -> None:
        """Refuse what takes longer.

        Args:
            most: hours of one process.

        Raises:
            UserError: it does.
        """
        if self.hours > most:
            what = f"the runs take about {self.hours:.3g} hours of a process"
            raise UserError(what, where="--max-hours", legal=f"at most {most:g}", hint="see: --estimate")


def estimate_cells(cells: Sequence[Cell], *, reporter: Reporter) -> Estimate:
    """Estimate the cells that are not finished.

    A cell costs its steps, what follows each experience, the predictions after it, and the start; the first experience
    of cells that begin alike is counted once. States found in the cache, and those of stopped runs, are not counted.

    Args:
        cells: of a plan, in its order.
        reporter: told of the probes.

    Raises:
        UserError: data or options that cannot be used.
    """
    left = [cell for cell in cells if not cell.is_finished]
    tables = {_data_key(cell.config): cell.config for cell in left}
    read = {key: read_table(config, reporter) for key, config in tables.items()}
    probes, shared, total = _probe_all(left, read, reporter), set[str](), Estimate(cells=len(left))
    for cell in left:
        _add(total, cell.config, probes[_probe_key(cell.config)], read[_data_key(cell.config)], shared)
    for key, config in tables.items():
        decoding = estimate_decoding(config, read[key])
        total.seconds["decode"] += decoding.seconds
        total.disk_bytes += decoding.disk_bytes
    return total


def _add(total: Estimate, config: Config, found: Probe, table: ClipTable, shared: set[str]) -> None:
    stream = stream_of(config, table)
    held = found.strategy
    trained = held.restream(stream)
    shown = tuple(held.balancing.epoch_length(part.train_ids) for part in trained.experiences)
    lengths = replace(
        held.lengths,
        shown=shown,
        epochs=config.train.epochs,
        batch_size=config.train.batch_size,
        balanced=plan_fine_tuning(config, held.exemplars, stream, share=held.lengths.share),
        balanced_epochs=config.train.balanced_epochs,
    )
    train = [lengths.steps(index) * found.step[bool(index)] for index in range(len(shown))]
    after = sum(len(part.train_ids) for part in trained.experiences) * found.after
    begins = _describe_beginning(config, found, trained, lengths)
    if len(shown) > 1 and begins is not None:
        if begins in shared:
            total.saved += train[0]
            train[0] = 0.0
        else:
            total.disk_bytes += found.model_bytes
        shared.add(begins)
    predicted = _count_predictions(config, stream, trained)
    parts = {
        "train": sum(train) + after,
        "evaluate": _count_passes(config, predicted, trained, lengths) * found.predict,
        "start": found.start,
    }
    for name, seconds in parts.items():
        total.seconds[name] += seconds
    total.names[config.norm.short, config.strategy.short] += sum(parts.values())
    total.disk_bytes += predicted * _PREDICTION + config.keep_model * found.model_bytes
    total.memory_mb = max(total.memory_mb, found.memory_mb)


def _describe_beginning(config: Config, found: Probe, trained: ClipStream, lengths: Lengths) -> str | None:
    """What runs share that train the first experience once; None where nothing is shared."""
    if config.save.prefixes == "none" or not found.strategy.first_as_naive:
        return None
    steps = sum(lengths.steps(index) for index in range(len(lengths.shown)))
    parts = [
        describe_options(config, with_strategy=False),
        _data_key(config),
        trained.digests[0],
        steps if uses_progress(found.strategy.model) else None,
    ]
    return json.dumps(parts, sort_keys=True)


def _count_predictions(config: Config, stream: ClipStream, trained: ClipStream) -> int:
    seen = [len(trained.tested_after(index)) for index in range(len(trained.experiences))]
    return (1 + len(seen)) * len(stream.test_ids) if config.eval.unseen else sum(seen)


def _count_passes(config: Config, predicted: int, trained: ClipStream, lengths: Lengths) -> int:
    """How many clips pass the model in evaluations; those of exemplars, which are few, are not counted."""
    asked, parts, passes = config.eval, trained.experiences, predicted * config.eval.views
    for index in range(len(parts)):
        if asked.probe or asked.nearest in ("all", "both"):
            passes += sum(len(part.train_ids) for part in parts[: index + 1])
        if asked.every:
            passes += lengths.steps(index) // asked.every * len(trained.tested_after(index))
    return passes


def _probe_all(cells: Sequence[Cell], tables: dict[str, ClipTable], reporter: Reporter) -> dict[str, Probe]:
    """A probe for each model, norm and strategy, within the time that a model and norm have."""
    distinct = {_probe_key(cell.config): cell.config for cell in cells}
    models = Counter(_probe_key(config, strategy=False) for config in distinct.values())
    probes = {}
    for key, config in distinct.items():
        began = time.perf_counter()
        seconds = _MOST / models[_probe_key(config, strategy=False)]
        probes[key] = probe(config, tables[_data_key(config)], seconds=seconds)
        took = time.perf_counter() - began
        reporter.note(f"probed {config.backbone.short} {config.norm.short} {config.strategy.short} for {took:.0f} s")
    return probes


def _probe_key(config: Config, *, strategy: bool = True) -> str:
    """What decides how long a step takes."""
    leave_out = {*NOT_IDENTITY, *_NO_TIME, *([] if strategy else ["strategy"])}
    return json.dumps([describe(config, leave_out=leave_out), config.train.device], sort_keys=True)


def _data_key(config: Config) -> str:
    data = config.data
    shape = [data.frames, data.image_size, data.keep, data.cache, data.decoder]
    return json.dumps([str(config.dataset), data.root, *shape])
