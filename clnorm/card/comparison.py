"""How well a norm learns and keeps beside its references, seed by seed, and what is measured at its sites."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clnorm.errors import ClnormError
from clnorm.evaluation.metrics import METRICS
from clnorm.evaluation.stats import Interval, PairedDifference, holm, paired_difference, t_interval
from clnorm.results.record import RunRecord, label_norm

if TYPE_CHECKING:
    import pandas as pd

MEASURED = ("accuracy", "forgetting")
"""The metrics of a card."""
SITES = {
    "drift_probe": "drift of the inputs",
    "drift_running": "drift of running statistics",
    "effective_rank": "effective rank",
    "dormant": "dormant units (share)",
}
"""The columns of `plasticity.parquet` that a card shows; of the first two, what moved in an experience."""


@dataclass(frozen=True)
class Comparison:
    """A metric of one strategy's runs.

    Args:
        strategy: of the runs.
        metric: its key.
        values: of each norm, by seed.
        intervals: of each norm, over seeds.
        differences: by reference, of the card's norm less that one.
        p_holm: by reference, the p-value, corrected over all differences of the card.
    """

    strategy: str
    metric: str
    values: Mapping[str, Mapping[int, float]]
    intervals: Mapping[str, Interval]
    differences: Mapping[str, PairedDifference]
    p_holm: Mapping[str, float]


def name_norms(records: Sequence[RunRecord]) -> list[str]:
    """The norms of runs with the labels of these, in the order of the records, the card's own first."""
    return list(dict.fromkeys(label_norm(record.names["norm"], record.label) for record in records))


def compare_runs(records: Sequence[RunRecord]) -> list[Comparison]:
    """The metrics of finished runs, each of which has the norm of the first one and others with the same seeds.

    Raises:
        ClnormError: a run has no value of a metric.
        UserError: a seed of one norm is not one of another.
    """
    norms, found = name_norms(records), []
    for strategy in dict.fromkeys(record.names["strategy"] for record in records):
        for metric in MEASURED:
            values = {norm: _values(records, norm, strategy, metric) for norm in norms}
            differences = {other: paired_difference(values[norms[0]], values[other]) for other in norms[1:]}
            intervals = {norm: t_interval(list(of_norm.values())) for norm, of_norm in values.items()}
            found.append(Comparison(strategy, metric, values, intervals, differences, {}))
    places = [(number, other) for number, each in enumerate(found) for other in each.differences]
    corrected = holm([found[number].differences[other].p for number, other in places])
    by_place = dict(zip(places, corrected.tolist(), strict=True))
    return [
        Comparison(**{**vars(each), "p_holm": {other: by_place[number, other] for other in each.differences}})
        for number, each in enumerate(found)
    ]


def _values(records: Sequence[RunRecord], norm: str, strategy: str, metric: str) -> dict[int, float]:
    """The value of each seed.

    Raises:
        ClnormError: a run has none.
    """
    values = {}
    for record in records:
        if (label_norm(record.names["norm"], record.label), record.names["strategy"]) == (norm, strategy):
            if (value := record.metrics.get(metric)) is None:
                what = f"has no {METRICS[metric].title}"
                raise ClnormError(what, where=record.run, hint="choose a protocol of two or more experiences")
            values[record.seed] = value
    return values


def summarize_sites(sites: "pd.DataFrame", measure: str) -> dict[tuple[str, str], Interval | None]:
    """A measure by (strategy, norm): its mean over sites, over seeds; None where it is defined at no site.

    Drift is that of each experience from the second on, and its mean over them; the others are those of the last one.

    Args:
        sites: as `clnorm.results.frames.sites.load_sites` gives them.
        measure: a column of it.
    """
    rows = sites if measure.startswith("drift") else sites[sites["after"] == sites["after"].max()]
    rows = rows.assign(norm=list(map(label_norm, rows["norm"], rows["label"])))
    found: dict[tuple[str, str], Interval | None] = {}
    for (strategy, norm), own in rows.groupby(["strategy", "norm"], sort=False):
        means = own.groupby("seed")[measure].mean()  # of what is defined: the first experience has no drift
        values = means.to_numpy(dtype=np.float64)
        if np.isinf(values).any():  # statistics without a spread have moved
            found[str(strategy), str(norm)] = Interval(float("inf"), float("nan"), len(values))
        else:
            found[str(strategy), str(norm)] = None if np.isnan(values).any() else t_interval(values)
    return found
