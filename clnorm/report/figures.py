"""The figures of a setting that can be drawn, each as a picture, and of the others why not."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from clnorm.errors import UserError
from clnorm.figures.names import leave_out_incomplete
from clnorm.figures.registry import FIGURES
from clnorm.figures.style import write_figure
from clnorm.report.collect import Run
from clnorm.report.settings import Setting
from clnorm.results.frames.confusion import list_pairs
from clnorm.results.frames.explanations import list_parts
from clnorm.results.frames.matrices import list_accuracies
from clnorm.results.frames.sites import place_sites

if TYPE_CHECKING:
    import pandas as pd

_KEEP = {
    "confusion": "predictions.parquet",
    "explain": "explain.json, which clnorm explain makes",
    "loss": "log.jsonl",
    "sites": "plasticity.parquet, which eval.plasticity=true makes",
}


@dataclass(frozen=True)
class Drawing:
    """One figure of a setting.

    Args:
        name: of the figure, as of `clnorm plot`.
        text: what it shows.
        pages: the pictures, as SVG; none where it cannot be drawn.
        reason: why it cannot.
        left_out: how many finished runs are not in it, since they do not keep what it is drawn from.
        incomplete: norms with strategies that are not in it, since they lack a seed that others have.
    """

    name: str
    text: str
    pages: tuple[bytes, ...]
    reason: str
    left_out: int
    incomplete: tuple[str, ...] = ()


def draw_all(setting: Setting, runs: Iterable[Run]) -> list[Drawing]:
    """Every figure of the finished runs of a setting.

    Args:
        setting: with its rows.
        runs: those of the setting.
    """
    finished = [run for run in runs if run.finished]
    accuracies = _tabulate(finished, lambda run: list(list_accuracies(run.record)))
    drawings = []
    for name in FIGURES:
        frame = accuracies if name not in _ROWS else _tabulate(finished, _ROWS[name])
        if name in ("differences", "ranks"):
            frame = replace(accuracies, rows=setting.rows[setting.rows["status"] == "finished"])
        drawings.append(_draw(name, frame))
    return drawings


@dataclass(frozen=True)
class _Frame:
    """What a figure is drawn from, and how many finished runs have none of it."""

    rows: "pd.DataFrame"
    left_out: int
    finished: int


def _draw(name: str, frame: _Frame) -> Drawing:
    kind = FIGURES[name]
    if not frame.finished:
        return Drawing(name, kind.text, (), "no run of this setting has finished", 0)
    if frame.left_out == frame.finished:
        return Drawing(name, kind.text, (), f"no finished run of this setting keeps {_KEEP[name]}", frame.left_out)
    rows, incomplete = leave_out_incomplete(frame.rows)
    try:
        pages = tuple(write_figure(page, "svg") for page in kind.draw.pages(rows, columns=2))
    except UserError as error:
        return Drawing(name, kind.text, (), str(error), frame.left_out, tuple(incomplete))
    return Drawing(name, kind.text, pages, "", frame.left_out, tuple(incomplete))


def _tabulate(finished: Sequence[Run], list_rows: Callable[[Run], Any]) -> _Frame:
    """The rows of all runs, each with its run's norm, strategy, label and seed.

    Args:
        finished: the runs.
        list_rows: the rows of one as dicts, as columns by name, or as a frame.
    """
    parts = [list_rows(run) for run in finished]
    held = [(run, part) for run, part in zip(finished, parts, strict=True) if len(part)]
    rows, sizes = _join([part for _, part in held])
    records = [run.record for run, _ in held]
    shared: dict[str, list[Any]] = {
        "run": [run.id for run, _ in held],
        "norm": [record.names["norm"] for record in records],
        "strategy": [record.names["strategy"] for record in records],
        "label": [record.label for record in records],
        "seed": [record.seed for record in records],
    }
    rows = rows.assign(**{name: np.repeat(np.array(values, dtype=object), sizes) for name, values in shared.items()})
    return _Frame(rows, len(parts) - len(held), len(finished))


def _join(parts: list[Any]) -> "tuple[pd.DataFrame, list[int]]":
    """One frame of the rows of several runs, and how many each has."""
    import pandas as pd

    if parts and isinstance(parts[0], dict):
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return pd.DataFrame(columns), [len(part["place"]) for part in parts]
    if parts and isinstance(parts[0], pd.DataFrame):
        return pd.concat(parts, ignore_index=True), [len(part) for part in parts]
    return pd.DataFrame([row for part in parts for row in part]), [len(part) for part in parts]


_ROWS: dict[str, Callable[[Run], Any]] = {
    "confusion": lambda run: [] if run.confusion is None else list_pairs(run.confusion),
    "explain": lambda run: [] if run.explanation is None else list_parts(run.explanation),
    "loss": lambda run: run.epochs,
    "sites": lambda run: [] if run.sites is None else place_sites(run.sites),
}
"""From a run to the rows of a figure; the others are drawn from accuracies, and those of ranks from the metrics."""
