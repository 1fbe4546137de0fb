"""Each figure once, of runs that are made up and the same everywhere."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clnorm.figures.registry import FIGURES
from clnorm.results.explanation import write_explanation
from clnorm.results.folder import RunFolder
from clnorm.results.selection import select
from tests.figures.test_differences import blocks
from tests.report.made import make_grid
from tests.results.kept import EXPLANATION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NORMS = ("bn", "cn", "ln")


def keep_runs(root: Path) -> None:
    """Three norms under three strategies with three seeds, which keep all that a figure is drawn from."""
    make_grid(root, norms=NORMS, strategies=("naive", "replay", "joint"))
    for place, folder in enumerate(sorted(root.iterdir())):
        record = RunFolder(folder).load()
        scale = (1 + NORMS.index(record.names["norm"])) / (4 + place % 3)
        parts = {"statistics": -0.1 * scale, "head": 0.4 * scale, "features": 0.3 * scale}
        final = 0.9 - sum(parts.values())
        columns = {name: [value, value / 2] for name, value in parts.items()}
        told = {"best": [0.9, 0.9], "final": [final, (0.9 + final) / 2], "head_before_statistics": columns["head"]}
        write_explanation(folder, replace(EXPLANATION, run=folder.name, **told, **columns))
