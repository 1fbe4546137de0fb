"""What strategies reach over fine-tuning: accuracy, forgetting, what they keep and what they cost, in pairs by seed.

    .venv/bin/python benchmarks/strategies.py runs/strategies [--baseline naive]

All runs have one norm and one setting. Each number is a mean over seeds with its 95 % Student-t interval; the
difference is of pairs that share a seed, and so classes, clips and first weights.
"""

import argparse

import pandas as pd

from clnorm import load_results
from clnorm.evaluation.stats import paired_difference, t_interval
from clnorm.results.selection import check_one_setting

METRICS = ("accuracy", "average_incremental_accuracy", "forgetting")


def by_seed(rows: pd.DataFrame, strategy: str, metric: str) -> dict[int, float]:
    chosen = rows[(rows["strategy"] == strategy) & (rows["metric"] == metric)]
    return dict(zip(chosen["seed"], chosen["value"], strict=True))


def percent(mean: float, half_width: float) -> str:
    return "--" if mean != mean else f"{100 * mean:.1f} ± {100 * half_width:.1f}"


def row(rows: pd.DataFrame, strategy: str, baseline: str) -> str:
    values = [by_seed(rows, strategy, metric) for metric in METRICS]
    intervals = [t_interval(list(value.values())) for value in values]
    shown = [percent(interval.mean, interval.half_width) for interval in intervals]
    difference = paired_difference(values[0], by_seed(rows, baseline, METRICS[0]))
    better = "" if strategy == baseline else percent(difference.mean, difference.half_width)
    mark = "" if strategy == baseline else "yes" if difference.mean > difference.half_width else "no"
    cost = rows[(rows["strategy"] == strategy) & (rows["metric"] == METRICS[0])]
    costs = [f"{cost[name].mean():.{digits}f}" for name, digits in (("cost.kept_megabytes", 2), ("cost.seconds", 0))]
    return f"| `{strategy}` | {' | '.join([*shown, better, mark, *costs])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="of the runs")
    parser.add_argument("--baseline", default="naive", help="strategy that differences are to")
    options = parser.parse_args()
    rows = load_results(options.folder, columns=["cost"])
    rows = rows[rows["status"] == "finished"]
    check_one_setting(rows)
    (norm,) = rows["norm"].unique()
    order = sorted(rows["strategy"].unique(), key=lambda name: -sum(by_seed(rows, name, METRICS[0]).values()))
    seeds = rows["seed"].nunique()
    print(f"Norm `{norm}`, {seeds} seeds: mean ± half width of the 95 % Student-t interval, in per cent.\n")
    print(
        f"| strategy | ACC | A-bar | forgetting | ACC over {options.baseline}, in pairs | above 0 | kept MB | seconds |"
    )
    print("| :-- | --: | --: | --: | --: | :-- | --: | --: |")
    for strategy in order:
        print(row(rows, strategy, options.baseline))


if __name__ == "__main__":
    main()
