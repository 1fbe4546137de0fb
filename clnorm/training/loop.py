"""Experience after experience: train, predict the test clips, keep the state; continues where it was stopped."""

import json
import time
from dataclasses import replace

import numpy as np
import pandas as pd

from clnorm.environment import peak_memory_mb, reset_peak_memory
from clnorm.errors import ClnormError
from clnorm.evaluation.matrix import UNTRAINED
from clnorm.execution.execution import compile_errors
from clnorm.execution.predictions import predict_clips
from clnorm.norms.running import evaluate_by_batch, statistics_of
from clnorm.results.folder import RunFolder
from clnorm.seeding import numpy_generator
from clnorm.training.trainer import ClipStrategy

_NO_COST = {"seconds": 0.0, "clips_trained": 0, "peak_memory_mb": 0.0}


def train_stream(strategy: ClipStrategy, folder: RunFolder) -> tuple[pd.DataFrame, dict[str, float]]:
    """Train a strategy on its whole stream, keeping the state after every experience.

    Returns:
        The predictions of `predict_clips` with the column `after`, the training step that they follow; and the cost:
        `seconds`, `clips_trained`, `peak_memory_mb`.

    Raises:
        ClnormError: the loss is no longer finite, the model cannot be compiled, or the kept state is damaged.
    """
    setup = strategy.setup
    steps = range(len(strategy.training_stream.experiences))
    done, cost = _restore(strategy, folder)
    predicted = [UNTRAINED, *steps] if setup.config.eval.unseen else steps
    if done:
        setup.reporter.note(f"Continuing after training step {done} of {len(steps)}")
    elif setup.config.eval.unseen:
        folder.save_predictions(UNTRAINED, _predict(strategy, UNTRAINED))
    reset_peak_memory(strategy.device)
    clips = [strategy.lengths.clips(index) for index in steps]
    setup.reporter.start("training", total=sum(clips[done:]), unit="clips")
    for index in steps[done:]:
        started, strategy.monitor.clips_trained = time.perf_counter(), 0
        with compile_errors(setup.execution):
            strategy.train_experience(index)
        folder.save_predictions(index, _predict(strategy, index))
        cost["seconds"] += time.perf_counter() - started
        cost["clips_trained"] += strategy.monitor.clips_trained
        cost["peak_memory_mb"] = max(cost["peak_memory_mb"], peak_memory_mb(strategy.device))
        folder.save_state({"done": index + 1, "strategy": strategy.state_dict(), "cost": cost})
    setup.reporter.finish()
    return folder.load_predictions(predicted), cost


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


def _restore(strategy: ClipStrategy, folder: RunFolder) -> tuple[int, dict[str, float]]:
    """How many steps are done, and their cost; the log keeps the lines of these steps only."""
    state = folder.load_state()
    if state is None:
        folder.write("log.jsonl", "")
        return 0, dict(_NO_COST)
    try:
        strategy.load_state_dict(state["strategy"])
        done, cost = int(state["done"]), {name: state["cost"][name] for name in _NO_COST}
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
        what = f"does not fit this run ({type(error).__name__}: {error})"
        raise ClnormError(what, where=str(folder.path / "state.pt"), hint="delete it to start this run anew") from error
    lines = folder.read_log()
    folder.write("log.jsonl", "".join(json.dumps(line) + "\n" for line in lines if line["experience"] < done))
    return done, cost
