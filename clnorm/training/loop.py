"""Experience after experience: train, predict the test clips, keep the state; continues where it was stopped."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from clnorm.environment import reset_peak_memory
from clnorm.errors import ClnormError
from clnorm.evaluation.matrix import UNTRAINED
from clnorm.execution.execution import compile_errors
from clnorm.execution.predictions import predict_clips
from clnorm.norms.running import evaluate_by_batch, statistics_of
from clnorm.results.folder import RunFolder
from clnorm.seeding import numpy_generator
from clnorm.training.keeping import NO_COST, Keeper
from clnorm.training.stopping import wait_for_signals
from clnorm.training.trainer import ClipStrategy


def train_stream(strategy: ClipStrategy, folder: RunFolder) -> tuple[pd.DataFrame, dict[str, float]]:
    """Train a strategy on its whole stream, keeping the state after every experience, and within it as configured.

    Returns:
        The predictions of `predict_clips` with the column `after`, the training step that they follow; and the cost:
        `seconds`, `clips_trained`, `peak_memory_mb`.

    Raises:
        ClnormError: the loss is no longer finite, the model cannot be compiled, or the kept state is damaged.
        StoppedError: the process was asked to stop; the state is kept.
    """
    setup = strategy.setup
    steps = range(len(strategy.training_stream.experiences))
    done, position, cost = _restore(strategy, folder)
    predicted = [UNTRAINED, *steps] if setup.config.eval.unseen else steps
    if not done and position is None and setup.config.eval.unseen:
        folder.save_predictions(UNTRAINED, _predict(strategy, UNTRAINED))
    reset_peak_memory(strategy.device)
    left = sum(strategy.lengths.clips(index) for index in steps[done:])
    setup.reporter.start("training", total=left - _clips_within(strategy, done, position), unit="clips")
    with wait_for_signals(setup.reporter) as request:
        keeper = Keeper(strategy, folder, cost, request)
        for index in steps[done:]:
            keeper.start()
            strategy.begin_at(position if index == done else None)
            with compile_errors(setup.execution):
                strategy.train_experience(index)
            folder.save_predictions(index, _predict(strategy, index))
            keeper.finish(index)
    setup.reporter.finish()
    return folder.load_predictions(predicted), keeper.total


def _predict(strategy: ClipStrategy, index: int) -> pd.DataFrame:
    """Predictions after a training step: of the experiences seen, and of the others where they were asked for.

    Clips of classes seen are predicted among these. For clips of unseen classes every output is allowed, since none of
    them could be right otherwise.
    """
    setup = strategy.setup
    trained = 0 if index == UNTRAINED else strategy.training_stream.seen_after(index)
    seen = setup.stream.seen_ids(trained)
    unseen = setup.stream.test_ids[~np.isin(setup.stream.test_ids, seen)] if setup.config.eval.unseen else seen[:0]
    parts = []
    for ids, allowed in ((seen, trained), (unseen, setup.stream.num_classes)):
        if len(ids):
            parts.append(_predict_ids(strategy, ids, after=index, allowed=allowed))
    return pd.concat(parts).assign(after=index)


def _predict_ids(strategy: ClipStrategy, ids: np.ndarray, *, after: int, allowed: int) -> pd.DataFrame:
    setup, model = strategy.setup, strategy.evaluated_model
    stats = statistics_of(model).eval
    inputs = strategy.inputs if stats == "task" else replace(strategy.inputs, context_of=None)
    with compile_errors(setup.execution), evaluate_by_batch(model):
        return predict_clips(
            model,
            inputs,
            ids,
            targets=setup.stream.targets,
            order=setup.stream.order,
            seen=allowed,
            batch_size=setup.config.eval.batch_size,
            precision=setup.execution.precision,
            # The test clips come class by class, whose statistics are not those of all.
            shuffle=numpy_generator(setup.config.seed, "evaluation", after, allowed) if stats == "batch" else None,
        )


def _restore(strategy: ClipStrategy, folder: RunFolder) -> tuple[int, dict[str, Any] | None, dict[str, float]]:
    """How many experiences are done, where the next one stands, and the cost; the log keeps the lines of these only."""
    note = strategy.setup.reporter.note
    state = folder.state.load(note)
    if state is None:
        folder.write("log.jsonl", "")
        return 0, None, dict(NO_COST)
    try:
        position: dict[str, Any] | None = state.get("position")
        strategy.load_state_dict(state["strategy"] if position is None else position["strategy"])
        done, cost = int(state["done"]), {name: state["cost"][name] for name in NO_COST}
        epochs = 0 if position is None else int(position["epoch"])
        of = state["run"]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
        raise _unfitting(folder, f"{type(error).__name__}: {error}") from error
    if of != folder.path.name:
        raise _unfitting(folder, f"it is of {of}")
    kept = [line for line in folder.read_log() if (line["experience"], line.get("epoch", 0)) <= (done, epochs)]
    folder.write("log.jsonl", "".join(json.dumps(line) + "\n" for line in kept))
    total, within = len(strategy.training_stream.experiences), ""
    if position is not None:
        within = f", in epoch {epochs + 1} of experience {done + 1} after {position['step']} steps"
    note(f"Continuing after training step {done} of {total}{within}")
    return done, position, cost


def _clips_within(strategy: ClipStrategy, index: int, position: dict[str, Any] | None) -> int:
    """How many clips of experience `index` had passed the model at a position in it."""
    if position is None:
        return 0
    return int(position["epoch"] * strategy.lengths.clips_per_epoch(index) + position["monitor"]["clips"])


def _unfitting(folder: RunFolder, reason: str) -> ClnormError:
    what = f"does not fit this run ({reason})"
    return ClnormError(what, where=str(folder.state.newest), hint="delete it to start this run anew")
