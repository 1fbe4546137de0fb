"""The grid of a sweep: its configurations, all checked, and their names."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from clnorm.catalogue.plugins import parse_allowed
from clnorm.config.config import Config
from clnorm.config.fields import ContradictionError, list_keys
from clnorm.config.identity import list_values
from clnorm.config.load import merge_config, read_yaml
from clnorm.errors import Mistakes, UserError
from clnorm.results.selection import plain_text

_KEYS = ("config", "grid")
MOST_RUNS = 10_000
"""Of a grid."""


def read_sweep(path: str | Path, overrides: Mapping[str, Any], *, allow_plugins: Iterable[str] = ()) -> list[Config]:
    """The configurations of a sweep file, in the order of its grid, the last key varying fastest.

    The file holds `grid`, lists of values by dotted key, or a list of such grids, one after the other, for what does
    not go with all else; and it may hold `config`, what all runs share. Every configuration is checked before the first
    one runs.

    Args:
        path: the YAML file.
        overrides: values by dotted key that win over `config`.
        allow_plugins: as in `load_config`.

    Raises:
        UserError: unknown keys, lists that are none or empty, illegal configurations and plug-ins that are not allowed,
            all of them; or a grid of over 10,000 runs.
    """
    loaded = read_yaml(path, allowed=parse_allowed(allow_plugins))
    if loaded and loaded.keys() <= set(list_keys(Config)):
        hint = f"write clnorm run --config {path}; a sweep has `grid`, lists of values by key"
        raise UserError("holds the configuration of one run", where=str(path), hint=hint)
    if "search" in loaded:
        hint = f"write clnorm tune --search {path}; a sweep takes what that finds with --tuned"
        raise UserError("holds a search of hyper-parameters", where=str(path), hint=hint)
    mistakes, grid, shared = Mistakes(), loaded.get("grid"), loaded.get("config") or {}
    for key in loaded:
        if key not in _KEYS:
            mistakes.add(UserError(f"unknown key {key!r}", where=str(path), legal=_KEYS, given=str(key)))
    if not isinstance(shared, dict):
        what, hint = f"{shared!r} is not a mapping of keys", "such as config: {train: {epochs: 5}}"
        mistakes.add(UserError(what, where=f"{path}: config", hint=hint))
        shared = {}
    points = read_points(grid, mistakes, where=str(path), overrides=overrides)
    configs, leave_out = [], ContradictionError if mistakes else None
    for point in points:
        try:
            configs.append(merge_config(shared, {**overrides, **point}))
        except UserError as error:
            mistakes.add(error, leave_out=leave_out)
    mistakes.refuse()
    return configs


def read_points(grid: object, mistakes: Mistakes, *, where: str, overrides: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each point of a grid, or of a list of grids, as values by dotted key; of what is legal in it, if not all is."""
    several = isinstance(grid, list) and grid
    grids = [(f"grid.{place}", one) for place, one in enumerate(several)] if several else [("grid", grid)]
    legal = [_read_grid(one, mistakes, name=name, where=where, overrides=overrides) for name, one in grids]
    if (count := sum(prod(map(len, one.values())) for one in legal)) > MOST_RUNS:
        raise UserError(f"makes {count:,} runs", where=f"{where}: grid", legal=f"at most {MOST_RUNS:,}")
    return [dict(zip(one, values, strict=True)) for one in legal for values in product(*one.values())]


def _read_grid(
    grid: object, mistakes: Mistakes, *, name: str, where: str, overrides: Mapping[str, Any]
) -> dict[str, list[Any]]:
    """The lists of values of one grid, by dotted key, of those that are legal."""
    if not isinstance(grid, dict) or not grid:
        hint = "such as grid: {norm: [bn, cn]}"
        mistakes.add(UserError(f"needs lists of values under `{name}`", where=where, hint=hint))
        return {}
    legal: dict[str, list[Any]] = {}
    for key, values in grid.items():
        if not isinstance(values, list) or not values:
            what, wanted = f"{values!r} is not a list of values", "a list, not empty, such as [0, 1, 2]"
            mistakes.add(UserError(what, where=f"{where}: {name}.{key}", legal=wanted))
        elif key in overrides:
            mistakes.add(UserError(f"{key!r} is varied by the grid", where="--set", hint=f"change it in {where}"))
        else:
            legal[str(key)] = values
    return legal


def name_cells(configs: Sequence[Config]) -> list[str]:
    """Each configuration by the keys in which they differ, such as `norm=bn train.epochs=3`; norm first."""
    short = {"norm", "strategy", "backbone", "dataset", "protocol"}
    flat = [list_values(config) | {key: getattr(config, key).short for key in short} for config in configs]
    differing = [key for key in flat[0] if len({str(values[key]) for values in flat}) > 1] if flat else []
    keys = differing or ["norm", "strategy", "seed"]
    return [" ".join(f"{key}={plain_text(values[key])}" for key in keys) for values in flat]
