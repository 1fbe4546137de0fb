"""Tuning: the trials of a search are run as a sweep is, and the best values of each norm and strategy are written."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from clnorm.catalogue import LAUNCHERS
from clnorm.catalogue.option import Value
from clnorm.config.identity import NOT_IDENTITY, flatten
from clnorm.config.tuned import TUNED_FILE, Tuning, read_tuning
from clnorm.errors import ClnormError
from clnorm.evaluation.metrics import METRICS
from clnorm.files import replace_file
from clnorm.launch.notes import Failures
from clnorm.launch.plan import plan_sweep
from clnorm.launch.status import SweepStatus
from clnorm.launch.sweep import launch
from clnorm.launch.worker import FailedCellsError
from clnorm.progress import Reporter
from clnorm.results.folder import RunFolder
from clnorm.tuning.axis import SAMPLER
from clnorm.tuning.search import Search, Trial

TRIALS_FILE = "trials.csv"
_FEWEST = 4  # trials with a value, of which the lowest or highest says anything
_VARIES = {*NOT_IDENTITY, "norm", "strategy", "seed", "tuned", "train.experiences", "data.validation"}


@dataclass(frozen=True)
class Outcome:
    """What came of one run of a search.

    Args:
        trial: the run.
        run: the name of its folder.
        config: of its record, empty where it has none.
        value: of the metric; None where there is none.
        what: why there is none.
    """

    trial: Trial
    run: str
    config: dict[str, Any]
    value: float | None
    what: str = ""


def tune(
    search: Search,
    trials: Sequence[Trial],
    *,
    launcher: str = "local:processes=1",
    retries: int = 1,
    reporter: Reporter | None = None,
    show: Callable[[SweepStatus], None] | None = None,
) -> Tuning | None:
    """Run the trials of a search that are not finished; write `trials.csv` and `tuned.yaml` into its results folder.

    The value of a trial is the mean over the search's seeds. A trial of which a run failed or has no value has none,
    and is never the best; of trials that are equally good the first one is.

    Args:
        search: that the trials are of.
        trials: of `list_trials`.
        launcher: where they are executed.
        retries: how often a failed run is tried again.
        reporter: told of the progress, and of the trials that failed.
        show: as of `clnorm.sweep`.

    Returns:
        What was written; None where the launcher does not wait, and runs are left.

    Raises:
        UserError: an unknown launcher, or data that cannot be used.
        ClnormError: no trial of a norm and strategy has a value; then `tuned.yaml` is not written.
        StoppedError: the process was asked to stop; the runs at work keep their states.
    """
    reporter = reporter or Reporter()
    engine = LAUNCHERS.parse(launcher, where="launcher")
    plan = plan_sweep([trial.config for trial in trials], reporter=reporter)
    try:
        show = show or (lambda status: None)
        is_over = launch(plan.cells, engine, retries=retries, reporter=reporter, show=show)
    except FailedCellsError:  # a learning rate at which training diverges is a result
        is_over = True
    if not is_over:
        return None
    outcomes = [_read_outcome(search, trial, run) for trial, run in zip(trials, plan.runs, strict=True)]
    folder = Path(trials[0].config.out).expanduser()
    _write_trials(folder / TRIALS_FILE, search, outcomes)
    return _write_tuned(folder / TUNED_FILE, search, outcomes)


def _read_outcome(search: Search, trial: Trial, run: str) -> Outcome:
    out = Path(trial.config.out).expanduser()
    record = RunFolder(out / run).load()
    if record is None or record.status != "finished":
        failure = Failures(out).find(run)
        return Outcome(trial, run, {}, None, failure.what if failure is not None else "it is not finished")
    value = record.metrics.get(search.metric)
    if value is None or not math.isfinite(value):
        return Outcome(trial, run, record.config, None, f"{search.metric} is undefined")
    return Outcome(trial, run, record.config, value)


def _write_trials(file: Path, search: Search, outcomes: Sequence[Outcome]) -> None:
    """One line for each run, failed ones too."""
    import pandas as pd

    rows = [
        {
            "norm": outcome.trial.norm,
            "strategy": outcome.trial.strategy,
            "trial": outcome.trial.index,
            "seed": outcome.trial.config.seed,
            **{key: outcome.trial.values.get(key) for key in search.axes},
            search.metric: outcome.value,
            "what": outcome.what,
            "run": outcome.run,
        }
        for outcome in outcomes
    ]
    text = StringIO()
    pd.DataFrame(rows, dtype=object).to_csv(text, index=False, lineterminator="\n")
    replace_file(file, lambda target: target.write(text.getvalue().encode()))


def _write_tuned(file: Path, search: Search, outcomes: Sequence[Outcome]) -> Tuning:
    cells: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        cells.setdefault(outcome.trial.cell, []).append(outcome)
    chosen = {cell: _choose(search, own) for cell, own in cells.items()}
    if lacking := [cell for cell, best in chosen.items() if best is None]:
        named = "; ".join(
            f"{norm} with {strategy} ({next(each.what for each in cells[norm, strategy] if each.what)})"
            for norm, strategy in lacking
        )
        hint = "widen or move the search, or take another metric, and give the same command again"
        raise ClnormError(f"no trial has a value for {named}", where=search.file, hint=hint)
    # As runs record it: with what `auto` stands for.
    shared = flatten(next(outcome.config for outcome in outcomes if outcome.value is not None))
    tuning = Tuning(
        metric=search.metric,
        trials=search.trials,
        experiences=search.experiences,
        validation=search.validation,
        seeds=search.seeds,
        sampler=f"{SAMPLER}, seed {search.sampler_seed}",
        search={key: axis.to_plain() for key, axis in search.axes.items()},
        config={key: value for key, value in shared.items() if key not in {*_VARIES, *search.axes}},
        cells=[
            {"norm": norm, "strategy": strategy, **best}
            for (norm, strategy), best in chosen.items()
            if best is not None
        ],
    )
    content = tuning.to_yaml()
    replace_file(file, lambda target: target.write(content))
    return read_tuning(file)


def _choose(search: Search, outcomes: Sequence[Outcome]) -> dict[str, object] | None:
    """The best trial of one norm and strategy; None where none has a value."""
    found: dict[int, list[float]] = {}
    values: dict[int, dict[str, Value]] = {}
    for outcome in outcomes:
        index = outcome.trial.index
        values[index] = outcome.trial.values
        if outcome.value is not None:
            found.setdefault(index, []).append(outcome.value)
    means = {index: math.fsum(each) / len(each) for index, each in found.items() if len(each) == len(search.seeds)}
    if not means:
        return None
    sign = 1 if METRICS[search.metric].higher_is_better else -1
    best = max(means, key=lambda index: (sign * means[index], -index))
    edges = _find_edges(search, values[best], [values[index] for index in means])
    failed = len(values) - len(means)
    return {"values": values[best], "trial": best, "value": means[best], "failed": failed, "edges": edges}


def _find_edges(search: Search, best: dict[str, Value], tried: Sequence[dict[str, Value]]) -> dict[str, str]:
    """The keys of which the best value is the `lowest` or `highest` of a range that was tried: it may be too narrow."""
    found: dict[str, str] = {}
    for key, value in best.items():
        present = [values[key] for values in tried]
        if not search.axes[key].values and len(present) >= _FEWEST and value in (min(present), max(present)):
            found[key] = "lowest" if value == min(present) else "highest"
    return found
