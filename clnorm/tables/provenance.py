"""The runs behind the numbers of a table."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from clnorm.errors import UserError
from clnorm.evaluation.metrics import Metric, find_metric
from clnorm.results.measure import explain_lack
from clnorm.results.percent import percent
from clnorm.results.record import label_norm
from clnorm.tables.grid import create_grid


def explain_cell(df: pd.DataFrame, norm: str, strategy: str, metric: str) -> str:
    """One number of a table, and each run that it comes from, with its seed, its value and where it lies.

    Args:
        df: as for `make_table`; with a column `folder` it says where runs lie.
        norm: a row's name, with its label where it has one.
        strategy: a column group's name.
        metric: its key.

    Returns:
        The text, ending in a newline.

    Raises:
        UserError: there is no such cell, or no table could be made of the runs.
    """
    shown = find_metric(metric, where="--explain")
    grid = create_grid(df, metrics=[metric])
    for name, legal, where in ((norm, grid.rows, "norm"), (strategy, grid.columns, "strategy")):
        if name not in legal:
            raise UserError(f"no run has {where} {name!r}", where="--explain", legal=legal, given=name)
    cell = grid.cells[norm, strategy, shown.key]
    rows = df.assign(norm=[label_norm(*pair) for pair in zip(df["norm"], df["label"], strict=True)])
    own = rows[(rows["norm"] == norm) & (rows["strategy"] == strategy)].sort_values("seed", kind="stable")
    if cell.interval is None:
        told = f"--, since {'; '.join(_list_lacks(own, shown, sorted(set(grid.seeds) - set(cell.values))))}"
    else:
        told = f"{percent(cell.interval.mean)} %, the mean over {cell.interval.n} seeds"
        if cell.interval.n > 1:
            told += f" ± {percent(cell.interval.half_width)}, half of the 95 % Student-t interval"
    return "\n".join([f"{shown.title} of {norm} with {strategy}: {told}", *_list_runs(own, shown.key)]) + "\n"


def _list_lacks(rows: pd.DataFrame, metric: Metric, seeds: Sequence[int]) -> Iterator[str]:
    """Why each of some seeds has no value, those of one reason together."""
    reasons: dict[str, list[int]] = {}
    for seed in seeds:
        reasons.setdefault(_explain_lack(rows[rows["seed"] == seed], metric), []).append(seed)
    for reason, of_it in reasons.items():
        yield f"seed{'s' * (len(of_it) > 1)} {', '.join(map(str, of_it))}: {reason}"


def _explain_lack(rows: pd.DataFrame, metric: Metric) -> str:
    finished = rows[rows["status"] == "finished"]
    if finished.empty:
        return "no finished run"
    if "folder" not in finished.columns:
        return "no value"
    reason = explain_lack(metric, Path(str(finished["folder"].iloc[0])))
    return f"undefined, since {reason}" if metric.key in set(finished["metric"]) else reason


def _list_runs(rows: pd.DataFrame, metric: str) -> Iterator[str]:
    for run, of_run in rows.groupby("run", sort=False):
        first, found = of_run.iloc[0], of_run.loc[of_run["metric"] == metric, "value"].dropna()
        value = f"{100 * float(found.iloc[0]):.12g} %" if len(found) else f"no value ({first['status']})"
        yield f"  seed {first['seed']}: {value}  {first.get('folder', run)}"
