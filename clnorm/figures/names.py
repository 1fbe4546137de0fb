"""What the series of a figure are called, in the order of tables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from clnorm.catalogue import NORMS, STRATEGIES
from clnorm.console import visible
from clnorm.errors import UserError
from clnorm.results.record import label_norm
from clnorm.tables.grid import ordered_names
from clnorm.tables.names import name_all

_PARTING = ":,.=/ _-"


@dataclass(frozen=True)
class Titles:
    """What norms and strategies are called in a figure, by the names that they have in its rows."""

    norms: Mapping[str, str]
    strategies: Mapping[str, str]

    def cell(self, norm: str, strategy: str) -> str:
        """A norm under a strategy."""
        return f"{self.norms[norm]}, {self.strategies[strategy]}"


def title_runs(rows: pd.DataFrame, names: Mapping[str, str] | None) -> Titles:
    """What papers call the norms and strategies of rows, as in tables, or the user; all of it visible.

    Args:
        rows: with the columns `norm`, `label` and `strategy`, as they were loaded.
        names: what the user calls some of them, by name.

    Raises:
        UserError: as `clnorm.tables.names.name_all`.
    """
    _, titles, _ = name_all(rows[["norm", "strategy", "label"]].astype(str), names or {})
    by_kind: dict[str, dict[str, str]] = {"norm": {}, "strategy": {}}
    for (kind, name), title in titles.items():
        by_kind[kind][name] = visible(title)
    return Titles(by_kind["norm"], by_kind["strategy"])


def label_norms(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with the label of a run in its norm's name.

    Raises:
        UserError: a norm under a strategy lacks a seed that others have, so that means would be of other seeds, or has
            two runs with one.
    """
    pairs = list(zip(rows["norm"], rows["label"], strict=True))
    names = {pair: label_norm(*pair) for pair in set(pairs)}
    named = rows.assign(norm=[names[pair] for pair in pairs])
    _refuse_gaps(named)
    return named


def leave_out_incomplete(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The rows without those of each norm under a strategy that lacks a seed that others have, and the names of these.

    Nothing is left out where nothing would be left.
    """
    norms = [label_norm(norm, label) for norm, label in zip(rows["norm"], rows["label"], strict=True)]
    pairs = pd.Series(list(zip(norms, rows["strategy"], strict=True)), index=rows.index, dtype=object)
    held = rows["seed"].groupby(pairs).nunique()
    lacking = sorted(held.index[held < rows["seed"].nunique()])
    if len(lacking) == len(held):
        return rows, []
    return rows[~pairs.isin(lacking)], [f"{norm} with {strategy}" for norm, strategy in lacking]


def _refuse_gaps(rows: pd.DataFrame) -> None:
    wanted = set(rows["seed"])
    held = rows[list({"norm", "strategy", "seed", "run"} & set(rows.columns))].drop_duplicates()
    for (norm, strategy), own in held.groupby(["norm", "strategy"], sort=False):
        name = f"{norm} with {strategy}"
        if lacking := sorted(wanted - set(own["seed"])):
            what = f"{name} has no finished run with seed {', '.join(map(str, lacking))}, which others have"
            raise UserError(what, where="figure", hint="run it, or choose seeds or norms with --where")
        if len(several := own["seed"][own["seed"].duplicated()]):
            raise UserError(f"{name} has several runs with seed {several.iloc[0]}", where="figure")


def list_norms(rows: pd.DataFrame) -> list[str]:
    """Norms in the order of the catalogue, then the others by alphabet."""
    return list(ordered_names(set(rows["norm"]), NORMS))


def list_strategies(rows: pd.DataFrame) -> list[str]:
    """Strategies in the order of the catalogue, then the others by alphabet."""
    return list(ordered_names(set(rows["strategy"]), STRATEGIES))


def list_cells(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Each norm and strategy that has runs, strategy by strategy."""
    present = set(zip(rows["norm"], rows["strategy"], strict=True))
    return [(norm, name) for name in list_strategies(rows) for norm in list_norms(rows) if (norm, name) in present]


def wrap_name(name: str, most: int) -> str:
    """A name in lines of at most so many letters, which end with a sign that parts the name where there is one."""
    lines = [""]
    for part in re.findall(rf"[^{_PARTING}]{{0,{most - 1}}}[{_PARTING}]|[^{_PARTING}]{{1,{most}}}", name):
        if len(lines[-1] + part) > most:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)
