"""The runs of a report as compact JSON, of which the page's script makes all that it shows of single runs."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from clnorm.config.identity import flatten
from clnorm.console import visible
from clnorm.evaluation.metrics import METRICS
from clnorm.evaluation.stats import LEVEL, find_quantile
from clnorm.figures.of_sites import MEASURES
from clnorm.report.collect import Collection, Run
from clnorm.report.settings import Setting
from clnorm.report.shared import Keys, Shared
from clnorm.results.explanation import MEANING, PARTS
from clnorm.results.inspect import NOT_OF_A_RUN
from clnorm.results.overview import SHOWN
from clnorm.results.percent import rounded
from clnorm.results.record import NOTES, UNKNOWN, label_norm
from clnorm.results.selection import plain_text

if TYPE_CHECKING:
    import pandas as pd

# What of a record the page lists as it is; the rest has a form of its own.
_TOLD = ("execution", "versions", "weights", "calibration", "tuning", "memory", "reused", "earlier", "classifier")


def write_data(collection: Collection, settings: Sequence[Setting]) -> str:
    """The JSON text, which may stand in a script element: it holds no `<`, and all of its text is visible."""
    values = _read_values(collection.results)
    held = {name for of_run in values.values() for name in of_run}
    metrics = [*(name for name in METRICS if name in held), *sorted(held - set(METRICS))]
    places = {setting.id: place for place, setting in enumerate(settings)}
    shared, keys = Shared(), Keys()
    runs = [
        {
            "setting": places[run.record.setting],
            "values": [values.get(run.folder, {}).get(name) for name in metrics],
            **_describe(run, shared, keys),
        }
        for run in collection.runs
    ]
    most = max((len(setting.grid.seeds) for setting in settings if setting.grid is not None), default=0)
    content = {
        "metrics": [_define(name) for name in metrics],
        "shown": [name for name in SHOWN if name in held],
        "notes": NOTES,
        "measures": list(MEASURES.values()),
        "parts": PARTS,
        "explanation": MEANING,
        "settings": [_average(setting, metrics) for setting in settings],
        "quantiles": [None, None, *(find_quantile(n, level=LEVEL) for n in range(2, most + 1))],
        "beside": sorted(NOT_OF_A_RUN),
        "runs": runs,
        "keys": list(keys.names),
        "texts": keys.texts,
        "shared": shared.values,
    }
    text = json.dumps(_clean(content), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _read_values(results: "pd.DataFrame") -> dict[str, dict[str, float | None]]:
    """The metrics of each run by its folder; None where one is undefined."""
    rows = results[results["metric"].notna()]
    values: dict[str, dict[str, float | None]] = {}
    for folder, name, value in zip(rows["folder"], rows["metric"], rows["value"], strict=True):
        values.setdefault(str(folder), {})[str(name)] = _number(value)
    return values


def _define(name: str) -> dict[str, Any]:
    """What a metric is; of one that is not clnorm's own, its name."""
    if (metric := METRICS.get(name)) is None:
        return {"key": name, "title": name, "formula": "", "source": "a plug-in", "higher": None}
    told = {"title": metric.title, "formula": metric.formula, "source": metric.source}
    return {"key": name, **told, "higher": metric.higher_is_better}


def _average(setting: Setting, metrics: Sequence[str]) -> dict[str, Any]:
    """A setting with its means: norm, strategy and metric by place, seeds, mean, half width, mark."""
    told: dict[str, Any] = {"id": setting.id, "title": setting.title, "short": setting.short, "reason": setting.reason}
    if (grid := setting.grid) is None:
        return {**told, "norms": [], "strategies": [], "seeds": [], "cells": []}
    cells = [
        [
            grid.rows.index(norm),
            grid.columns.index(strategy),
            metrics.index(name),
            len(cell.values),
            *([_number(cell.interval.mean), _number(cell.interval.half_width)] if cell.interval else [None, None]),
            cell.mark,
        ]
        for (norm, strategy, name), cell in grid.cells.items()
        if cell.values
    ]
    return {**told, "norms": grid.rows, "strategies": grid.columns, "seeds": grid.seeds, "cells": cells}


def _describe(run: Run, shared: Shared, keys: Keys) -> dict[str, Any]:
    """All that the page says of one run."""
    record = run.record
    flat = {**flatten(record.config), "data.fingerprint": record.data.get("fingerprint", UNKNOWN)}
    changed = None if run.changed is None else [[key, plain_text(usual)] for key, (_, usual) in run.changed.items()]
    told = {name: value for name in _TOLD if (value := getattr(record, name))}
    return {
        "id": run.id,
        "run": record.run,
        "norm": label_norm(record.names["norm"], record.label),
        "strategy": record.names["strategy"],
        "label": record.label,
        "seed": record.seed,
        "finished": run.finished,
        "done": run.done,
        "names": shared.add([record.names[name] for name in ("dataset", "protocol", "backbone")]),
        "stream": shared.add([record.classes, record.experiences]),
        "clips": record.data.get("test_clips"),
        "matrix": [[_number(value) for value in row] for row in record.matrix],
        "untrained": None if record.untrained is None else [_number(value) for value in record.untrained],
        "config": keys.add(flat),
        "changed": None if changed is None else shared.add(changed),
        "cost": {name: round(value, 3) for name, value in record.cost.items()},
        "swap": shared.add(record.swap),
        "data": shared.add({name: value for name, value in record.data.items() if name != "test_clips"}),
        "told": {name: shared.add(value) for name, value in told.items()},
        "confusion": _count(run),
        "epochs": _list_losses(run.epochs),
        "sites": _measure(run.sites),
        "explained": _explain(run),
    }


def _count(run: Run) -> dict[str, Any] | None:
    """Of each class in the order of the stream the pairs of a class that is taken for it and how often.

    Classes stand by their place in the order; behind it those that are predicted and in no experience.
    """
    if (found := run.confusion) is None:
        return None
    rows = [
        [number for place, count in enumerate(row) if count for number in (place, count)]
        for row in found.counts.tolist()
    ]
    return {"more": found.predicted[len(rows) :], "rows": rows}


def _list_losses(epochs: Iterable[Mapping[str, Any]]) -> list[list[Any]]:
    """The losses of the epochs of each experience, in the order in which they passed."""
    parts = groupby(epochs, key=itemgetter("experience"))
    return [[experience, [float(f"{epoch['loss']:.4g}") for epoch in of_it]] for experience, of_it in parts]


def _measure(sites: "pd.DataFrame | None") -> dict[str, Any] | None:
    """The measures of each site after the first experience and after the last, to three digits."""
    if sites is None or sites.empty:
        return None
    steps = [int(sites["after"].min()), int(sites["after"].max())]
    first, last = (sites[sites["after"] == step] for step in steps)
    names = [name for name in MEASURES if name in sites.columns]
    later = {row["site"]: row for row in last.to_dict("records")}
    rows = [
        [str(row["site"]), int(row["channels"])]
        + [[_digits(each.get(name)) for name in MEASURES] for each in (row, later.get(row["site"], {}))]
        for row in first[["site", "channels", *names]].to_dict("records")
    ]
    return {"steps": [step + 1 for step in steps], "rows": rows}


def _explain(run: Run) -> dict[str, Any] | None:
    """The best of each old experience, the final, what is forgotten, and its parts; and notes."""
    if (found := run.explanation) is None:
        return None
    columns = [getattr(found, name) for name in ("best", "final", "forgetting", *PARTS)]
    rows = [[_number(value) for value in row] for row in zip(*columns, strict=True)]
    return {"rows": rows, "notes": list(found.notes())}


def _digits(value: Any) -> float | None:
    number = _number(value)
    return None if number is None else float(f"{number:.3g}")


def _number(value: Any) -> float | None:
    """A number without the noise of its last digits; None for none, and where it is undefined."""
    return None if value is None or not math.isfinite(value) else rounded(value)


def _clean(value: Any) -> Any:
    """The value with all text in it made visible."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {visible(str(key)): _clean(inner) for key, inner in value.items()}
    return [_clean(inner) for inner in value] if isinstance(value, (list, tuple)) else value
