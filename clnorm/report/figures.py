"""The figures of a setting that can be drawn, each as a picture, and of the others why not."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from clnorm.errors import UserError
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
        svg: the picture; empty where it cannot be drawn.
        reason: why it cannot.
        left_out: how many finished runs are not in it, since they do not keep what it is drawn from.
    """

    name: str
    text: str
    svg: bytes
    reason: str
    left_out: int


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
            frame = replace(accuracies, rows=setting.rows)
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
        return Drawing(name, kind.text, b"", "no run of this setting has finished", 0)
    if frame.left_out == frame.finished:
        return Drawing(name, kind.text, b"", f"no finished run of this setting keeps {_KEEP[name]}", frame.left_out)
    try:
        svg = write_figure(kind.draw(frame.rows, columns=2), "svg")
    except UserError as error:
        return Drawing(name, kind.text, b"", str(error), frame.left_out)
    return Drawing(name, kind.text, svg, "", frame.left_out)


def _tabulate(finished: Sequence[Run], list_rows: Callable[[Run], "list[dict[str, Any]] | pd.DataFrame"]) -> _Frame:
    """The rows of all runs, each with its run's norm, strategy, label and seed."""
    import pandas as pd

    parts = [list_rows(run) for run in finished]
    held = [(run, part) for run, part in zip(finished, parts, strict=True) if len(part)]
    frames = [part for _, part in held if isinstance(part, pd.DataFrame)]
    rows = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame([row for _, part in held for row in part])
    records = [run.record for run, _ in held]
    shared: dict[str, list[Any]] = {
        "run": [run.id for run, _ in held],
        "norm": [record.names["norm"] for record in records],
        "strategy": [record.names["strategy"] for record in records],
        "label": [record.label for record in records],
        "seed": [record.seed for record in records],
    }
    sizes = [len(part) for _, part in held]
    rows = rows.assign(**{name: np.repeat(np.array(values, dtype=object), sizes) for name, values in shared.items()})
    return _Frame(rows, len(parts) - len(held), len(finished))


def _list_pairs(run: Run) -> "list[dict[str, Any]] | pd.DataFrame":
    return [] if run.classes is None or run.confusion is None else list_pairs(run.classes, run.confusion)


_ROWS: "dict[str, Callable[[Run], list[dict[str, Any]] | pd.DataFrame]]" = {
    "confusion": _list_pairs,
    "explain": lambda run: [] if run.explanation is None else list_parts(run.explanation),
    "loss": lambda run: run.epochs,
    "sites": lambda run: [] if run.sites is None else place_sites(run.sites),
}
"""From a run to the rows of a figure; the others are drawn from accuracies, and those of ranks from the metrics."""
