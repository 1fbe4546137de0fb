"""One run, from a configuration to its record: the method section of a paper, as a program."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clnorm.config.config import Config
from clnorm.config.identity import digest_weights
from clnorm.config.tuned import TUNED_FILE, copy_tuning
from clnorm.data.open import decide_automatic, leave_automatic, open_store, present_content, read_table
from clnorm.errors import ClnormError
from clnorm.progress import Reporter
from clnorm.ranks import Ranks, connect, place_on
from clnorm.results.clips import CLIPS_FILE, refuse_other_clips, write_clips
from clnorm.results.folder import RunFolder, UnwrittenFolder, run_name
from clnorm.results.record import RunRecord, share_record
from clnorm.seeding import hold_process
from clnorm.streams.stream import stream_of

if TYPE_CHECKING:
    import torch
    from torch import nn

    from clnorm.data.store.store import ClipStore
    from clnorm.data.table import ClipTable
    from clnorm.execution.execution import Execution
    from clnorm.models.pretrained import WeightsReport
    from clnorm.norms.sites.report import SwapReport
    from clnorm.training.trainer import ClipStrategy
_WAITING = "Waiting: another run of this process is at work, and the runs of a process take turns."


def run(config: Config, *, reporter: Reporter | None = None) -> RunRecord:
    """Train and evaluate one configuration, continue it where it was stopped, or load it where it is finished.

    Runs in several threads of a process take turns, so that each gives what it gives alone: torch's generators and its
    compiler are there once. Start a process for each run that is to go on beside others.

    Processes that torchrun has started share the run; each calls this, and the first one alone writes.

    Args:
        config: what to run.
        reporter: told of the progress; silent by default.

    Returns:
        The record that now stands in the run's folder.

    Raises:
        UserError: data, output folder or options that cannot be used.
        ClnormError: the run failed; what was finished of it is kept.
    """
    ranks = connect()
    reporter = reporter if reporter is not None and ranks.first else Reporter()
    with ranks.first_ahead():
        _check_before_making(config)
        config = _settle_precision(config, reporter)
        table = read_table(config, reporter)
    config = leave_automatic(config, table)
    if config.data.clips is not None:
        refuse_other_clips(Path(config.data.clips).expanduser(), table.frame, table.classes)
    folder = find_folder(config, table)
    folder = folder if ranks.first else UnwrittenFolder(folder.path)
    if record := share_record(_load_finished(config, table, folder, reporter), ranks):
        return record
    with folder.locked(), hold_process(on_wait=lambda: reporter.note(_WAITING)):
        # Another process may have finished it just before this one took the lock.
        record = share_record(_load_finished(config, table, folder, reporter), ranks)
        return record or _execute(config, table, folder, reporter, ranks)


def find_folder(config: Config, table: "ClipTable") -> RunFolder:
    """The folder of a run on the clips of a table, whether it is there or not."""
    config = leave_automatic(_settle_precision(config, Reporter()), table)
    return RunFolder(Path(config.out).expanduser() / run_name(config, data=table.fingerprint))


def _check_before_making(config: Config) -> None:
    """Refuse what does not fit before the videos of the synthetic dataset are made."""
    if config.dataset.name != "synthetic":
        return
    from clnorm.data.synthetic.reader import is_made

    if not is_made(**config.dataset.kwargs):
        from clnorm.training.fit import FitCheck

        FitCheck().check(config)


def _settle_precision(config: Config, reporter: Reporter) -> Config:
    """The configuration with what `train.precision=auto` is on this machine: other arithmetic is another run."""
    if config.train.precision != "auto":
        return config
    from clnorm.execution.precision import resolve_device, settle_precision

    precision = settle_precision("auto", resolve_device(config.train.device, "auto"))
    reporter.note(f"train.precision=auto: {precision}")
    return replace(config, train=replace(config.train, precision=precision))


def _load_finished(config: Config, table: "ClipTable", folder: RunFolder, reporter: Reporter) -> RunRecord | None:
    record = folder.load()
    if record is None or record.status != "finished":
        return None
    if folder.state.exist():
        folder.drop_state()
    reporter.note(f"This run is finished already: loaded, not repeated. {folder.path}")
    content = present_content(config, table)
    if content is not None and content != record.data.get("content", content):
        reporter.note("Its clips hold something else now than when it ran; delete its folder to run it anew.")
    return record


def _execute(config: Config, table: "ClipTable", folder: RunFolder, reporter: Reporter, ranks: Ranks) -> RunRecord:
    """Everything between a locked folder and its finished record."""
    from clnorm.execution.precision import resolve_device
    from clnorm.loggers.folder import LoggedFolder
    from clnorm.results.measure import measure
    from clnorm.training.describe import describe_memory
    from clnorm.training.loop import train_stream

    device = place_on(resolve_device(config.train.device, config.train.precision), ranks)
    config.train.check_kernels(device.type)
    if ranks.first:
        folder = LoggedFolder(folder.path, config, reporter)
    strategy, record = _prepare(config, table, folder, device, reporter, ranks)
    with folder.followed(record):
        predictions, costs = train_stream(strategy, folder)
        if not ranks.first:
            return _require_record(share_record(None, ranks))
        memory = describe_memory(strategy)
        record = replace(record, status="finished", cost=costs.total(), memory=memory)
        record = measure(replace(record, reused=costs.reused, earlier=costs.earlier), predictions, folder.path)
        if config.keep_model:
            _keep_model(strategy, table, folder)
        folder.write_results(record, predictions)
    return _require_record(share_record(record, ranks))


def _require_record(record: RunRecord | None) -> RunRecord:
    if record is None:
        raise ClnormError("the first process left no record")
    return record


def _prepare(
    config: Config,
    table: "ClipTable",
    folder: RunFolder,
    device: "torch.device",
    reporter: Reporter,
    ranks: Ranks,
) -> "tuple[ClipStrategy, RunRecord]":
    """The strategy, ready to train, and the record of the run that begins, which is written."""
    from clnorm.data.augment.mirrored import describe_mirrored
    from clnorm.data.augment.presets import create_augmentation
    from clnorm.data.datasets.match import describe_substitutes, substitutes_of
    from clnorm.data.datasets.sources import describe_sources
    from clnorm.data.store.device import check_choice, keep_on_device
    from clnorm.execution.execution import prepare_model
    from clnorm.execution.kept import keep_frozen
    from clnorm.training.describe import begin_record
    from clnorm.training.fit import build_strategy, check_parts
    from clnorm.training.setup import Setup

    if unknown := describe_sources(table):
        reporter.note(unknown)
    if substituted := describe_substitutes(substitutes_of(table)):
        reporter.note(substituted)
    # Before anything is decoded: what the configuration alone gets wrong is said at once.
    check_choice(config.data.device_cache, device=device)
    stream = stream_of(config, table)
    augment = create_augmentation(config.data.augment, table.classes)
    if mirrored := describe_mirrored(config.data.augment, table.classes):
        reporter.note(mirrored)
    if stream.note:
        reporter.note(stream.note)
    model, swap, loaded = _build_model(config, len(table.classes), reporter)
    execution = _choose_execution(config, model, folder, device, ranks)
    check_parts(config, model, stream, execution=execution, augment=augment)
    prepare_model(model, config.train, execution)
    with ranks.first_ahead():  # which decodes
        store = keep_on_device(open_store(config, table, reporter), config.data.device_cache, device=device)
        if config.train.keep_frozen:
            store = keep_frozen(store, model, config, execution=execution, device=device, reporter=reporter)
    _refuse_changed_files(folder, store)
    stream = stream_of(config, table, bad=store.bad)
    setup = Setup(config, model, store, stream, device, reporter, folder.log, execution, augment, ranks)
    strategy = build_strategy(setup)
    record = begin_record(
        strategy,
        table,
        run=folder.path.name,
        weights={} if loaded is None else {**loaded.to_dict(), "sha256": digest_weights(config)},
        swap=swap.to_dict(),
        calibration=_calibrate(strategy, folder),
    )
    if ranks.first:
        write_clips(folder.path, table.frame, table.classes)
        if config.tuned is not None:
            copy_tuning(config.tuned, folder.path)
    kept = decide_automatic(config, table)
    beside = replace(kept, data=replace(kept.data, clips=CLIPS_FILE), tuned=config.tuned and TUNED_FILE)
    folder.write("config.yaml", beside.to_yaml())
    folder.write("record.json", record.to_json())
    return strategy, record


def _calibrate(strategy: "ClipStrategy", folder: RunFolder) -> dict[str, Any]:
    """The report on statistics estimated before training; in a run that goes on, its state holds them already."""
    from clnorm.training.norms.statistics import calibrate_at_start

    begun = folder.load()
    if begun is not None and begun.calibration and folder.state.exist():
        return begun.calibration
    return asdict(calibrate_at_start(strategy)) if strategy.setup.config.model.calibrate else {}


def _refuse_changed_files(folder: RunFolder, store: "ClipStore") -> None:
    """A run that was stopped goes on with the clips that it began with, or not at all."""
    begun = folder.load()
    if begun is not None and folder.state.exist() and begun.data.get("content", store.content) != store.content:
        raise ClnormError(
            "the clips hold something else now than when this run began, so that it cannot go on",
            where=str(folder.path),
            hint="delete this folder and give the same command again, which starts it anew",
        )


def _build_model(
    config: Config, num_classes: int, reporter: Reporter
) -> "tuple[nn.Module, SwapReport, WeightsReport | None]":
    """The model: built, weights loaded, norms swapped."""
    from clnorm.models.create import create_model_with_report
    from clnorm.models.weights import read_model_weights

    start = config.model
    model, swap, loaded = create_model_with_report(
        config.backbone,
        norm=config.norm,
        num_classes=num_classes,
        image_size=config.data.image_size,
        num_frames=config.data.frames,
        seed=config.seed,
        weights=read_model_weights(
            config.backbone.name, pretrained=start.pretrained, weights=start.weights, input=start.input
        ),
        unswapped_blocks=config.unswapped_blocks,
    )
    if loaded is not None:
        reporter.note(loaded.summary())
    return model, swap, loaded


def _choose_execution(
    config: Config, model: "nn.Module", folder: RunFolder, device: "torch.device", ranks: Ranks
) -> "Execution":
    """How the run executes its model, the same in all processes."""
    from clnorm.execution.execution import Execution, choose_execution

    begun = folder.load()
    if begun is not None and begun.execution:  # what was settled once holds for the whole run
        chosen = Execution.from_dict(begun.execution)
    else:
        chosen = choose_execution(model, config.train, device)
    shared = ranks.share(json.dumps(chosen.to_dict()).encode())
    return chosen if shared is None else Execution.from_dict(json.loads(shared))


def _keep_model(strategy: "ClipStrategy", table: "ClipTable", folder: RunFolder) -> None:
    from clnorm.deploy.saved import MODEL_FILE, describe_model, save_model

    setup = strategy.setup
    info = describe_model(
        setup.config, classes=table.classes, order=setup.stream.order, precision=setup.execution.precision
    )
    save_model(folder.path / MODEL_FILE, strategy.evaluated_model, info)
