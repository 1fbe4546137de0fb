"""Tuned values: what `clnorm tune` wrote for each norm and strategy, and the configurations that take it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from clnorm.catalogue import STRATEGIES
from clnorm.catalogue.option import Value
from clnorm.catalogue.registry import Spec, format_spec
from clnorm.errors import ClnormError, Mistakes, UserError
from clnorm.files import UNSEALED, check_seal, replace_file, seal
from clnorm.reading import check_types, read_yaml

if TYPE_CHECKING:
    from clnorm.config.config import Config

SCHEMA = 1
TUNED_FILE = "tuned.yaml"
"""The name of the file, where it is written and beside each run that takes it."""
SECTION = "train."
"""What begins a searched key of the configuration; any other is an option, such as `ewc.lam`."""

_KINDS: dict[str, Any] = {
    "metric": str,
    "trials": int,
    "experiences": int,
    "validation": float,
    "seeds": list[int],
    "sampler": str,
    "search": dict[str, Any],
    "config": dict[str, Any],
    "cells": list[dict[str, Any]],
}
_CELL: dict[str, Any] = {"norm": str, "strategy": str, "values": dict[str, Any], "failed": int, "edges": dict[str, str]}


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The result of a search, and how it was made.

    Args:
        metric: that decided.
        trials: how many each norm and strategy had.
        experiences: of the stream, the first ones, that each trial was trained on.
        validation: the share of their training clips that the metric was measured on.
        seeds: that a trial's value is the mean of.
        sampler: what drew the trials.
        search: the values or the range of each searched key.
        config: what all trials had in common, by dotted key.
        cells: for each norm and strategy its best `values`, their `trial` and `value`, how many trials `failed`, and
            the `edges`, the keys whose best value is the lowest or the highest of those tried.
        digest: sha256 (hex) of all of it.
    """

    metric: str
    trials: int
    experiences: int
    validation: float
    seeds: list[int]
    sampler: str
    search: dict[str, Any]
    config: dict[str, Any]
    cells: list[dict[str, Any]]
    digest: str = ""

    @property
    def keys(self) -> list[str]:
        """The searched keys of the configuration."""
        return [key for key in self.search if key.startswith(SECTION)]

    def options_of(self, strategy: str) -> list[str]:
        """The searched options of a strategy, by its name."""
        return options_of(self.search, strategy)

    def cell_of(self, config: "Config") -> dict[str, Any]:
        """The entry of `cells` for a configuration's norm and strategy.

        Raises:
            UserError: there is none.
        """
        strategy = leave_out_options(config.strategy, self.options_of(config.strategy.name))
        for cell in self.cells:
            if (cell["norm"], cell["strategy"]) == (config.norm.short, strategy):
                return cell
        known = [f"{cell['norm']} with {cell['strategy']}" for cell in self.cells]
        given = f"{config.norm.short} with {strategy}"
        hint = "add it to the grid of the search, and give clnorm tune again"
        raise UserError(f"has no values for {given}", where=f"tuned {config.tuned}", legal=known, hint=hint)

    def refuse_other_values(self, config: "Config", *, unless: Collection[str] = ()) -> None:
        """Refuse a configuration that has others than the tuned values; those of the keys in `unless` do not count.

        Raises:
            UserError: it has, or there are none for it.
        """
        mistakes = Mistakes()
        for key, value in self.cell_of(config)["values"].items():
            if key not in unless and (present := read_value(config, key)) != value:
                what, hint = f"{present} is given, and {value} is tuned", "leave it out, or leave out the tuned file"
                mistakes.add(UserError(what, where=key, hint=hint))
        mistakes.refuse()

    def to_yaml(self) -> bytes:
        """The content of a file that `read_tuning` reads back, sealed."""
        content = {"schema": SCHEMA, **{name: getattr(self, name) for name in _KINDS}, "checksum": UNSEALED}
        text = "# Written by clnorm tune; its checksum guards it. To change it, change the search.\n"
        return seal((text + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)).encode())


def options_of(search: Collection[str], strategy: str) -> list[str]:
    """The options of a strategy among searched keys, such as `lam` for `ewc.lam`."""
    parts = (key.rpartition(".") for key in search if not key.startswith(SECTION))
    return [option for name, _, option in parts if name == strategy]


def leave_out_options(strategy: Spec, options: Collection[str]) -> str:
    """A strategy's short text without some of its options."""
    known = strategy.entry.options
    kept = {key: strategy.kwargs[key] for key in known if key not in options}
    return format_spec(strategy.name, {key: value for key, value in kept.items() if value != known[key].default})


def with_options(strategy: Spec, options: Mapping[str, Value]) -> Spec:
    """A strategy with other values of some of its options."""
    return STRATEGIES.parse(format_spec(strategy.name, {**strategy.kwargs, **options}))


def read_value(config: "Config", key: str) -> Value:
    """What a configuration has for a searched key."""
    if key.startswith(SECTION):
        value: Value = getattr(config.train, key.removeprefix(SECTION))
        return value
    return config.strategy.kwargs[key.rpartition(".")[2]]


def take_tuned(config: "Config", given: Collection[str]) -> "Config":
    """A configuration with the tuned values of its norm and strategy.

    Args:
        config: which names the file.
        given: the dotted keys that do not merely have their defaults; of a strategy's options its name knows.

    Raises:
        UserError: the file has no values for it, or others than those given.
        ClnormError: the file is damaged or was edited.
    """
    tuning, strategy = read_tuning(str(config.tuned)), config.strategy
    defaults = [
        f"{strategy.name}.{option}" for option in tuning.options_of(strategy.name) if option not in strategy.given
    ]
    tuning.refuse_other_values(config, unless={*defaults, *(key for key in tuning.keys if key not in given)})
    values = tuning.cell_of(config)["values"]
    options = {option: values[f"{strategy.name}.{option}"] for option in tuning.options_of(strategy.name)}
    train = {key.removeprefix(SECTION): values[key] for key in tuning.keys}
    return replace(config, train=replace(config.train, **train), strategy=with_options(strategy, options))


def copy_tuning(path: str | Path, folder: Path) -> None:
    """Put the result of a search into a run's folder, which then says all that made it; raises as `read_tuning`."""
    content = read_tuning(path).to_yaml()
    replace_file(folder / TUNED_FILE, lambda target: target.write(content))


def read_tuning(path: str | Path) -> Tuning:
    """The result of a search from its file.

    Raises:
        UserError: it cannot be read.
        ClnormError: it is damaged, or was edited.
    """
    file = Path(path).expanduser()
    try:
        status = file.stat()
        return _read(file, (status.st_ino, status.st_size, status.st_mtime_ns))
    except OSError as error:
        what, hint = f"cannot be read ({error.strerror or error})", "give the file that clnorm tune wrote"
        raise UserError(what, where=f"tuned {path}", hint=hint) from error
    except (ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        hint = "it is not edited: change the search, and give clnorm tune again"
        what = f"is no result of clnorm tune, or was changed ({error})"
        raise ClnormError(what, where=f"tuned {path}", hint=hint) from error


@lru_cache(maxsize=16)
def _read(file: Path, state: tuple[int, ...]) -> Tuning:  # `state` tells a file that was changed
    content = file.read_bytes()
    if not check_seal(content):
        raise ValueError("it has no checksum")
    loaded = read_yaml(content.decode())
    if loaded["schema"] != SCHEMA:
        raise ValueError(f"it has schema {loaded['schema']}")
    check_types(loaded, _KINDS)
    for cell in loaded["cells"]:
        check_types(cell, _CELL)
    digest = loaded["checksum"].partition(":")[2]
    return Tuning(**{name: loaded[name] for name in _KINDS}, digest=digest)
