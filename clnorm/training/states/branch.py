"""A run that branches off from another: the other one's first experiences are its own."""

from pathlib import Path

import pandas as pd

from clnorm.config.identity import state_after
from clnorm.config.sections import BeginConfig
from clnorm.errors import ClnormError, UserError
from clnorm.evaluation.matrix import UNTRAINED
from clnorm.results.folder import RunFolder, read_frame
from clnorm.results.state import unpack_state
from clnorm.training.evaluating.findings import Findings, require_alike
from clnorm.training.states.cost import Costs
from clnorm.training.states.keeping import describe_clips, name_parts
from clnorm.training.trainer import ClipStrategy

_WHERE = "begin.run"


def begin_from(begin: BeginConfig, strategy: ClipStrategy, folder: RunFolder, findings: Findings) -> tuple[int, Costs]:
    """Take over the first experiences of another run: its state, its predictions and the lines of its log.

    Args:
        begin: which run, and the experience that is trained next.
        strategy: of the new run, which gets the state.
        folder: of the new run, which gets the predictions and the log.
        findings: of the new run's evaluations, which become those of the other.

    Returns:
        How many experiences are done, and what they cost.

    Raises:
        UserError: the other run kept no such state, had other clips, another model, norm or strategy, or was evaluated
            otherwise.
        ClnormError: its state or its predictions are damaged.
    """
    other, done = RunFolder(Path(str(begin.run)).expanduser()), begin.experience - 1
    file, experiences = state_after(other.path, done), len(strategy.training_stream.experiences)
    if done >= experiences:
        raise UserError(
            f"there is no experience {begin.experience}", where="begin.experience", legal=f"2 to {experiences}"
        )
    state = unpack_state(file)
    costs = Costs()
    try:
        if state["stream"][:done] != strategy.training_stream.digests[:done]:
            raise _unfitting(file, f"its first {done} experiences have other clips or classes")
        if state["clips"] != describe_clips(strategy):
            raise _unfitting(file, "its clips have another content or another size")
        for kind, name in name_parts(strategy).items():
            if state["names"][kind] != name:
                raise _unfitting(file, f"its {kind} is {state['names'][kind]}, not {name}")
        require_alike(strategy.setup.config.eval, state.get("evaluated"), where=f"{_WHERE} {file}")
        strategy.load_state_dict(state["strategy"])
        findings.load_state_dict(state.get("findings", {}))
        costs.load_state_dict(state["costs"])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
        raise _unfitting(file, f"{type(error).__name__}: {error}") from error
    costs.reused = [{"experience": index, "seconds": seconds} for index, seconds in enumerate(costs.seconds)]
    for after in [*([UNTRAINED] if strategy.setup.config.eval.unseen else []), *range(done)]:
        folder.save_predictions(after, _read_predictions(other, after))
    for line in other.read_log():
        if line["experience"] < done:
            folder.log(line)
    strategy.setup.reporter.note(f"The first {done} of {experiences} experiences are those of {other.path}.")
    return done, costs


def _read_predictions(other: RunFolder, after: int) -> pd.DataFrame:
    """What another run predicted after a training step, finished or not."""
    whole, hint = other.path / "predictions.parquet", f"make {other.path} anew with save.experiences=true"
    if not whole.exists():
        return other.load_predictions([after])
    rows = read_frame(whole, hint=hint)
    rows = rows[rows["after"] == after]
    if rows.empty:
        what = "has no predictions before training" if after == UNTRAINED else f"has none after step {after + 1}"
        raise ClnormError(what, where=str(whole), hint="use eval.unseen as that run did")
    return rows.reset_index(drop=True)


def _unfitting(file: Path, reason: str) -> UserError:
    hint = "what a run branches off from must agree with it up to there: norm, backbone, strategy, data and protocol"
    return UserError(f"this run cannot go on from there ({reason})", where=f"{_WHERE} {file}", hint=hint)
