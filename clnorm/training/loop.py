"""Experience after experience: train, predict the test clips, keep the state; continues where it was stopped."""

import json
import math
from typing import Any

import pandas as pd

from clnorm.environment import read_versions, reset_peak_memory
from clnorm.errors import ClnormError
from clnorm.evaluation.matrix import UNTRAINED
from clnorm.execution.execution import compile_errors
from clnorm.results.folder import RunFolder
from clnorm.training.evaluating.evaluator import Evaluator
from clnorm.training.evaluating.findings import Findings
from clnorm.training.probing import keep_plasticity
from clnorm.training.processes import share_model, share_state
from clnorm.training.states.branch import begin_from
from clnorm.training.states.cost import Costs
from clnorm.training.states.keeping import Keeper
from clnorm.training.states.prefixes import Prefixes
from clnorm.training.states.stopping import wait_for_signals
from clnorm.training.trainer import ClipStrategy


def train_stream(strategy: ClipStrategy, folder: RunFolder) -> tuple[pd.DataFrame, Costs]:
    """Train a strategy on its whole stream, keeping the state after every experience, and within it as configured.

    Returns:
        The predictions of `predict_clips` with the column `after`, the training step that they follow, of which the
        first of several processes alone has any; and the costs.

    Raises:
        ClnormError: the loss is no longer finite, the model cannot be compiled, or the kept state is damaged.
        StoppedError: the process was asked to stop; the state is kept.
    """
    setup = strategy.setup
    steps = range(len(strategy.training_stream.experiences))
    share_model(strategy.model, setup.ranks)
    evaluator = Evaluator(strategy)
    done, position, costs = _restore(strategy, folder, evaluator.findings)
    predicted = [UNTRAINED, *steps] if setup.config.eval.unseen else steps
    if not done and position is None and setup.config.eval.unseen:
        folder.save_predictions(UNTRAINED, evaluator.after_experience(UNTRAINED))
    reset_peak_memory(strategy.device)
    left = sum(strategy.lengths.clips(index) for index in steps[done:])
    setup.reporter.start("training", total=left - _clips_within(strategy, done, position), unit="clips")
    with wait_for_signals(setup.reporter, shared=setup.ranks.size > 1) as request:
        keeper = Keeper(strategy, folder, costs, request, findings=evaluator.findings)
        for index in steps[done:]:
            _train(strategy, folder, keeper, evaluator, index, position=position if index == done else None)
            folder.save_predictions(index, evaluator.after_experience(index))
            if setup.config.eval.plasticity:
                keep_plasticity(strategy, folder, index)
            keeper.finish(index)
    setup.reporter.finish()
    evaluator.findings.write(folder, setup.config.eval)
    return folder.load_predictions(predicted), costs


def _train(
    strategy: ClipStrategy,
    folder: RunFolder,
    keeper: Keeper,
    evaluator: Evaluator,
    index: int,
    *,
    position: dict[str, Any] | None,
) -> None:
    """Train experience `index` from a position in it, from what another run left of it, or from its start."""
    setup, costs = strategy.setup, keeper.costs
    keeper.begin(index)
    shared = Prefixes(strategy).of(index, begun=position is not None, waiting=keeper.stop_if_asked)
    with shared as prefix:
        if prefix is not None and position is None and (kept := prefix.load()) is not None:
            position = kept["position"]
            costs.take_over(kept["seconds"], kept["clips"])
            evaluator.findings.add_steps(kept["steps"])
            for line in kept["log"]:
                setup.log(line)
            setup.reporter.note(
                f"Experience {index + 1} is taken from a run that was the same up to there, which trained it "
                f"for {kept['seconds']:.0f} s."
            )
            setup.reporter.skip(kept["clips"])

        def after_step() -> None:
            if strategy.fine_tuning:
                keeper.stop_fine_tuning()
                return
            evaluator.after_step()
            if prefix is not None and strategy.ends_training:
                costs.count(strategy.monitor.clips_trained, strategy.device)
                log = [line for line in folder.read_log() if line["experience"] == index]
                steps = evaluator.findings.steps_of(index)
                prefix.save(log=log, seconds=costs.seconds[index], clips=costs.clips[index], steps=steps)
            keeper.after_step()

        strategy.on_step = after_step
        strategy.begin_at(position)
        with compile_errors(setup.execution):
            strategy.train_experience(index)


def _restore(strategy: ClipStrategy, folder: RunFolder, findings: Findings) -> tuple[int, dict[str, Any] | None, Costs]:
    """How many experiences are done, where the next one stands, and the costs; the log loses all lines after that."""
    note, costs = strategy.setup.reporter.note, Costs()
    state = share_state(folder.state.load(note), strategy.ranks)
    if state is None:
        folder.write("log.jsonl", "")
        begin = strategy.setup.config.begin
        if begin.run is None:
            return 0, None, costs
        done, costs = begin_from(begin, strategy, folder, findings)
        return done, None, costs
    try:
        position: dict[str, Any] | None = state.get("position")
        strategy.load_state_dict(state["strategy"] if position is None else position["strategy"])
        costs.load_state_dict(state["costs"])
        findings.load_state_dict(state.get("findings", {}))
        done, epochs = int(state["done"]), 0 if position is None else int(position["epoch"])
        of, made = state["run"], {"until": state["made"]["until"], "versions": dict(state["made"]["versions"])}
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
        raise _unfitting(folder, f"{type(error).__name__}: {error}") from error
    if of != folder.path.name:
        raise _unfitting(folder, f"it is of {of}")
    # A line without an epoch is written when its experience ends.
    kept = [line for line in folder.read_log() if (line["experience"], line.get("epoch", math.inf)) <= (done, epochs)]
    folder.write("log.jsonl", "".join(json.dumps(line) + "\n" for line in kept))
    note(f"Continuing after {made['until']}, of {len(strategy.training_stream.experiences)} experiences")
    now = read_versions(strategy.device)
    if other := [name for name in now if made["versions"].get(name) != now[name]]:
        costs.earlier.append(made)
        was = ", ".join(f"{name} {made['versions'].get(name)}, now {now[name]}" for name in other)
        note(f"What was done so far was made with {was}; its record says so.")
    return done, position, costs


def _clips_within(strategy: ClipStrategy, index: int, position: dict[str, Any] | None) -> int:
    """How many clips of experience `index` had passed the model at a position in it."""
    if position is None:
        return 0
    return int(position["epoch"] * strategy.lengths.clips_per_epoch(index) + position["monitor"]["clips"])


def _unfitting(folder: RunFolder, reason: str) -> ClnormError:
    what = f"does not fit this run ({reason})"
    return ClnormError(
        what, where=str(folder.state.newest), hint="delete it, and state_before.pt beside it, to start this run anew"
    )
