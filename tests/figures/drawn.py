"""Each figure once, of runs that are made up and the same everywhere."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from clnorm.figures.registry import FIGURES
from clnorm.results.explanation import write_explanation
from clnorm.results.folder import RunFolder
from clnorm.results.selection import select
from tests.figures.test_differences import blocks
from tests.report.made import make_grid
from tests.results.kept import EXPLANATION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NORMS, STRATEGIES = ("bn", "cn", "ln"), ("naive", "replay", "joint")


def keep_runs(root: Path) -> None:
    """Three norms under three strategies with three seeds, which keep all that a figure is drawn from."""
    make_grid(root, norms=NORMS, strategies=STRATEGIES)
    for folder in root.iterdir():
        names = RunFolder(folder).load().names
        scale = (1 + NORMS.index(names["norm"])) / (4 + STRATEGIES.index(names["strategy"]))
        parts = {"statistics": -0.1 * scale, "head": 0.4 * scale, "features": 0.3 * scale}
        columns = {name: [value, value / 2] for name, value in parts.items()}
        final = [0.9 - sum(values) for values in zip(*columns.values(), strict=True)]
        told = {"best": [0.9, 0.9], "final": final, "head_before_statistics": columns["head"]}
        write_explanation(folder, replace(EXPLANATION, run=folder.name, **told, **columns))


def draw(name: str, root: Path, *, renamed: dict[str, str] | None = None, **options: object) -> "list[Figure]":
    """The pages of a figure of runs that `keep_runs` made in a folder, with other names for norms and strategies."""
    if name == "differences":
        return FIGURES[name].draw.pages(blocks(settings=("a",)), **options)
    frame = FIGURES[name].load(root, on_unreadable=None, on_lacking=None)
    if name == "confusion":  # each seed has an order of its own
        frame = select(frame, ["seed=0"])
    names = {key: frame[key].replace(renamed or {}) for key in ("norm", "strategy")}
    return FIGURES[name].draw.pages(frame.assign(**names), **options)
