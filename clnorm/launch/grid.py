"""The grid of a sweep: its configurations, all checked, and their names."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from clnorm.catalogue.plugins import parse_allowed
from clnorm.config.config import Config
from clnorm.config.fields import list_keys
from clnorm.config.identity import list_values
from clnorm.config.load import merge_config, read_yaml
from clnorm.errors import UserError
from clnorm.results.selection import plain_text

_KEYS = ("config", "grid")


def read_sweep(path: str | Path, overrides: Mapping[str, Any], *, allow_plugins: Iterable[str] = ()) -> list[Config]:
    """The configurations of a sweep file, in the order of its grid, the last key varying fastest.

    The file holds `grid`, lists of values by dotted key, and may hold `config`, what all runs share. Every
    configuration is checked before the first one runs.

    Args:
        path: the YAML file.
        overrides: values by dotted key that win over `config`.
        allow_plugins: as in `load_config`.

    Raises:
        UserError: an unknown key, a list that is none or empty, an illegal configuration, or a plug-in that is not
            allowed.
    """
    loaded = read_yaml(path, allowed=parse_allowed(allow_plugins))
    if loaded and loaded.keys() <= set(list_keys(Config)):
        hint = f"write clnorm run --config {path}; a sweep has `grid`, lists of values by key"
        raise UserError("holds the configuration of one run", where=str(path), hint=hint)
    for key in loaded:
        if key not in _KEYS:
            raise UserError(f"unknown key {key!r}", where=str(path), legal=_KEYS, given=str(key))
    grid = loaded.get("grid")
    if not isinstance(grid, dict) or not grid:
        raise UserError("needs lists of values under `grid`", where=str(path), hint="such as grid: {norm: [bn, cn]}")
    for key, values in grid.items():
        if not isinstance(values, list) or not values:
            what, legal = f"{values!r} is not a list of values", "a list, not empty, such as [0, 1, 2]"
            raise UserError(what, where=f"{path}: grid.{key}", legal=legal)
        if key in overrides:
            raise UserError(f"{key!r} is varied by the grid", where="--set", hint=f"change it in {path}")
    shared = loaded.get("config") or {}
    if not isinstance(shared, dict):
        raise UserError(
            f"{shared!r} is not a mapping of keys", where=f"{path}: config", hint="such as config: {train: {epochs: 5}}"
        )
    return [merge_config(shared, {**overrides, **point}) for point in _points(grid)]


def name_cells(configs: Sequence[Config]) -> list[str]:
    """Each configuration by the keys in which they differ, such as `norm=bn train.epochs=3`; norm first."""
    short = {"norm", "strategy", "backbone", "dataset", "protocol"}
    flat = [list_values(config) | {key: getattr(config, key).short for key in short} for config in configs]
    differing = [key for key in flat[0] if len({str(values[key]) for values in flat}) > 1] if flat else []
    keys = differing or ["norm", "strategy", "seed"]
    return [" ".join(f"{key}={plain_text(values[key])}" for key in keys) for values in flat]


def _points(grid: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    return (dict(zip(grid, values, strict=True)) for values in product(*grid.values()))
