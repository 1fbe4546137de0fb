"""Frames of results, made by hand, and tables read back."""

import io
from pathlib import Path

import pandas as pd

from clnorm.tables.make import make_table

EARLIER = Path(__file__).parents[1] / "results" / "earlier"
"""Runs of earlier versions: cn with three strategies and three seeds."""


def runs(values, *, metric="accuracy", **columns):
    """One row for each seed of each (norm, strategy): `values` maps them to one value a seed."""
    rows = [
        {
            "run": f"{norm}-{strategy}-{seed}",
            "setting": "a1",
            "dataset": "synthetic",
            "protocol": "even:experiences=3",
            "backbone": "lsvit_nano",
            "norm": norm,
            "strategy": strategy,
            "label": "",
            "seed": seed,
            "status": "finished",
            "metric": metric,
            "value": value,
            **columns,
        }
        for (norm, strategy), of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    ]
    return pd.DataFrame(rows)


def read_csv(df, **options):
    """The csv table as rows by (norm, strategy, metric)."""
    table = pd.read_csv(io.StringIO(make_table(df, format="csv", **options)))
    return table.set_index(["norm", "strategy", "metric"])


def markdown_rows(df, **options):
    """The cells of the markdown table by norm, as runs name it."""
    names = {norm: norm for norm in df["norm"].unique()}
    lines = make_table(df, format="markdown", names=names, **options).split("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0]: row[1:] for row in cells}


# Means and t(0.975, 2) s / sqrt(3) by hand: 0.4 0.5 0.6 -> 50.0 ± 24.8, 0.6 0.62 0.64 -> 62.0 ± 5.0
SMALL = pd.concat(
    [
        runs(
            {
                ("ln", "replay:per_class=5"): [0.6, 0.62, 0.64],
                ("ln", "naive"): [0.4, 0.5, 0.6],
                ("bn", "replay:per_class=5"): [0.4, 0.5, 0.6],
                ("bn", "naive"): [0.3, 0.3, 0.3],
                ("my_norm&co", "naive"): [0.6, 0.62, 0.64],
                ("my_norm&co", "replay:per_class=5"): [0.9, 0.9],
            }
        ),
        runs(
            {
                ("ln", "replay:per_class=5"): [0.1, 0.2, 0.3],
                ("ln", "naive"): [0.4, 0.5, 0.6],
                ("bn", "replay:per_class=5"): [-0.01, 0.0, 0.01],
                ("bn", "naive"): [0.6, 0.62, 0.64],
                ("my_norm&co", "naive"): [0.7, 0.72, 0.74],
                ("my_norm&co", "replay:per_class=5"): [0.0, 0.0],
            },
            metric="forgetting",
        ),
    ],
    ignore_index=True,
)
