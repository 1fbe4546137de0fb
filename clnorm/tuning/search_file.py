"""The file of a search, read and checked whole."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np
import pandas as pd

from clnorm.catalogue import STRATEGIES
from clnorm.catalogue.option import Option
from clnorm.catalogue.plugins import parse_allowed
from clnorm.catalogue.registry import Spec
from clnorm.config.config import Config
from clnorm.config.fields import ContradictionError
from clnorm.config.load import merge_config, read_yaml
from clnorm.config.sections import TrainConfig
from clnorm.config.tuned import SECTION, options_of
from clnorm.errors import Mistakes, UserError
from clnorm.evaluation.metrics import METRICS, RunData, evaluate
from clnorm.launch.grid import MOST_RUNS, read_points
from clnorm.tuning.axis import Axis, plain, read_axis
from clnorm.tuning.search import Search

_GRID = ("norm", "strategy")
_NUMBERS = {
    "trials": Option(10, low=1, high=1000),
    "experiences": Option(2, low=1, high=1000),
    "validation": Option(0.2, low=0.01, high=0.9),
    "metric": Option("accuracy", words=tuple(METRICS)),
    "sampler_seed": Option(0, low=0, high=2**31 - 1),
}
_KEYS = ("config", "grid", "search", "seeds", *_NUMBERS)
_SET = {"seed": "seeds", "train.experiences": "experiences", "data.validation": "validation", "tuned": "search"}
"""Keys of a configuration that the search itself decides, each with the key of its file that does so."""


def read_search(path: str | Path, overrides: Mapping[str, Any], *, allow_plugins: Iterable[str] = ()) -> Search:
    """A search from its file.

    Args:
        path: a YAML file with `search`, ranges or lists of values by key, `grid`, lists of norms and strategies, and
            maybe `config`, what all runs share, `trials`, `experiences`, `validation`, `metric`, `seeds` and
            `sampler_seed`.
        overrides: values by dotted key that win over `config`.
        allow_plugins: as in `clnorm.load_config`.

    Raises:
        UserError: unknown keys, illegal values, options that no strategy of the grid has, and what else cannot be run,
            all of it.
    """
    loaded, where, mistakes = read_yaml(path, allowed=parse_allowed(allow_plugins)), str(path), Mistakes()
    for key in loaded:
        if key not in _KEYS:
            mistakes.add(UserError(f"unknown key {key!r}", where=where, legal=_KEYS, given=str(key)))
    numbers = _read_numbers(loaded, mistakes, where=where)
    seeds = _read_seeds(loaded.get("seeds", [0]), mistakes, where=f"{where}: seeds")
    wrong = Mistakes()
    cells = _read_cells(loaded, overrides, wrong, where=where)
    axes = _read_axes(loaded.get("search"), cells, mistakes, is_whole=not wrong, where=f"{where}: search")
    with mistakes.collected():
        wrong.refuse()
    given = {**_flatten_train(loaded.get("config")), **overrides}
    for key in axes:
        if key in given:
            what, hint = "it is searched, and given too", "leave it out of the search, or of `config` and --set"
            mistakes.add(UserError(what, where=key, hint=hint))
    if "metric" in numbers and "experiences" in numbers:
        with mistakes.collected():
            _refuse_undefined(numbers["metric"], numbers["experiences"], cells, where=f"{where}: metric")
    mistakes.refuse()
    if (count := numbers["trials"] * len(cells) * len(seeds)) > MOST_RUNS:
        raise UserError(f"makes {count:,} runs", where=f"{where}: trials", legal=f"at most {MOST_RUNS:,}")
    return Search(file=where, axes=axes, seeds=seeds, cells=cells, **numbers)


def _read_numbers(loaded: Mapping[str, Any], mistakes: Mistakes, *, where: str) -> dict[str, Any]:
    numbers = {}
    for key, option in _NUMBERS.items():
        with mistakes.collected():
            numbers[key] = option.parse(plain(loaded.get(key, option.default)), where=f"{where}: {key}")
    return numbers


def _refuse_undefined(metric: str, experiences: int, cells: Sequence[Config], *, where: str) -> None:
    """Refuse a metric that no run of so many experiences has, such as the forgetting of one."""
    if reason := evaluate(METRICS[metric], _imagine_run(experiences, cells))[1]:
        hint = "more experiences, eval.unseen for FWT, or another metric; see: clnorm list metrics"
        what = f"{metric} is undefined in a run with experiences={experiences}: {reason}"
        raise UserError(what, where=where, hint=hint)
    has_joint = any(config.strategy.name == "joint" for config in cells)
    if has_joint and (reason := evaluate(METRICS[metric], _imagine_run(experiences, cells, at_once=True))[1]):
        hint = "leave joint out of the grid, or take another metric; see: clnorm list metrics"
        raise UserError(f"{metric} is undefined in joint training: {reason}", where=where, hint=hint)


def _imagine_run(experiences: int, cells: Sequence[Config], *, at_once: bool = False) -> RunData:
    """What any run of the cells keeps: of a class and a test clip for each experience, half of them right.

    Args:
        experiences: of the run, learned in turn.
        cells: their configurations.
        at_once: the experiences are learned together, and tested once.
    """
    asked = [config.eval for config in cells]
    tested = np.ones((1, experiences), dtype=bool) if at_once else np.tri(experiences, dtype=bool)
    after, labels = np.nonzero(tested)
    clips = {"after": after, "clip": labels, "label": labels, "predicted": labels, "rank": 0, "confidence": 0.5}
    for column, words in (("nme", ("exemplars", "both")), ("ncm", ("all", "both"))):
        if all(each.nearest in words for each in asked):
            clips[column] = labels
    kept = {"predictions": pd.DataFrame(clips)}
    if all(each.every for each in asked):
        steps = {"experience": after, "step": after + 1, "tested": labels, "accuracy": 0.5, "clips": 1}
        kept["steps"] = pd.DataFrame(steps)
    columns = {"probe_accuracy": all(each.probe for each in asked), "cka": all(each.cka for each in asked)}
    if measured := {column: 0.5 for column, given in columns.items() if given}:
        kept["probes"] = pd.DataFrame({"after": after, "tested": labels, **measured})
    unseen = all(each.unseen for each in asked)
    matrix = np.where(tested | unseen, 0.5, np.nan)
    return RunData(
        matrix=matrix,
        test_clips=[1] * experiences,
        experiences=[[label] for label in range(experiences)],
        train_clips=range(1, experiences + 1),
        untrained=matrix[-1] if unseen else None,
        frames=kept,
    )


def _read_seeds(given: object, mistakes: Mistakes, *, where: str) -> list[int]:
    legal = "a list of different whole numbers from 0 on, such as [0, 1]"
    if (
        not isinstance(given, list)
        or not given
        or not all(type(seed) is int and 0 <= seed < 2**31 for seed in given)
        or len(set(given)) < len(given)
    ):
        mistakes.add(UserError(f"{given!r} is not legal", where=where, legal=legal))
        return [0]
    return given


def _read_cells(
    loaded: Mapping[str, Any], overrides: Mapping[str, Any], mistakes: Mistakes, *, where: str
) -> list[Config]:
    """The configuration of each norm and strategy, each once."""
    shared = loaded.get("config") or {}
    if not isinstance(shared, dict):
        what, hint = f"{shared!r} is not a mapping of keys", "such as config: {train: {epochs: 5}}"
        mistakes.add(UserError(what, where=f"{where}: config", hint=hint))
        shared = {}
    grid = loaded.get("grid")
    points = read_points(grid, mistakes, where=where, overrides=overrides)
    for key in dict.fromkeys(key for point in points for key in point):
        if key not in _GRID:
            what = f"a search is for norms and strategies, not for each {key}"
            advice = "`seeds` is a list beside `grid`" if key == "seed" else "one value goes into `config`"
            mistakes.add(UserError(what, where=f"{where}: {_find_place(grid, key)}", legal=_GRID, hint=advice))
    cells: dict[tuple[str, str], Config] = {}
    for point in points:
        own = {key: value for key, value in point.items() if key in _GRID}
        try:
            config = merge_config(shared, {**overrides, **own})
        except UserError as error:
            mistakes.add(error, leave_out=ContradictionError if mistakes else None)
            continue
        cells.setdefault((config.norm.short, config.strategy.short), config)
    given = {key for key in _SET if key in overrides or _holds(shared, key)}
    for key in sorted(given):
        mistakes.add(UserError("the search decides it", where=key, hint=f"give {_SET[key]!r} in {where}"))
    return list(cells.values())


def _find_place(grid: object, key: str) -> str:
    """Where the first grid that has the key has it, such as `grid.seed`, or `grid.1.seed` of a list of grids."""
    several = enumerate(grid) if isinstance(grid, list) else []
    places = [f"grid.{place}.{key}" for place, one in several if isinstance(one, dict) and key in one]
    return places[0] if places else f"grid.{key}"


def _holds(shared: Mapping[str, Any], key: str) -> bool:
    section, _, name = key.rpartition(".")
    inner = shared.get(section) if section else shared
    return isinstance(inner, Mapping) and name in inner


def _flatten_train(shared: object) -> dict[str, Any]:
    train = shared.get("train") if isinstance(shared, Mapping) else None
    return {f"{SECTION}{key}": value for key, value in train.items()} if isinstance(train, Mapping) else {}


def _read_axes(
    given: object, cells: list[Config], mistakes: Mistakes, *, is_whole: bool, where: str
) -> dict[str, Axis]:
    """What is searched; keys that no strategy has are told of where the grid is whole."""
    if not isinstance(given, dict) or not given:
        hint = "such as search: {train.lr: {low: 1.0e-4, high: 1.0e-2, log: true}}"
        mistakes.add(UserError("needs a range, or a list of values, for each key", where=where, hint=hint))
        return {}
    searchable = _list_searchable(cells)
    axes = {}
    for key, values in given.items():
        place = f"{where}.{key}"
        if (option := searchable.get(str(key))) is None:
            if is_whole:
                mistakes.add(_unknown(str(key), searchable, cells, where=place))
            continue
        with mistakes.collected():
            axes[str(key)] = read_axis(values, option, where=place)
    for config in cells:
        for option_name in options_of(axes, config.strategy.name):
            strategy, default = config.strategy, config.strategy.entry.options[option_name].default
            if strategy.kwargs[option_name] != default:
                what = f"{strategy.short} has a value for {option_name}, which is searched"
                mistakes.add(UserError(what, where=f"{where}.{strategy.name}.{option_name}", hint="leave out one"))
    return axes


def _list_searchable(cells: Iterable[Config]) -> dict[str, Option]:
    """What can be searched for some norms and strategies: rates of training, and options of the strategies.

    Not what decides the cost, the execution or what norms see of a batch, such as `train.batch_size`; nor whole
    numbers of a strategy, which are sizes of what it keeps or repeats.
    """
    own = {f"{SECTION}{item.name}": item.metadata.get("option") for item in fields(TrainConfig)}
    known = {key: option for key, option in own.items() if option is not None and option.type is float}
    for config in cells:
        strategy = config.strategy
        stated = _list_stated(strategy)
        options = {name: option for name, option in strategy.entry.options.items() if option.type is not int}
        known |= {f"{strategy.name}.{name}": option for name, option in options.items() if name not in stated}
    return known


def _list_stated(strategy: Spec) -> set[str]:
    """The options that are part of what a strategy is called in tables, such as the size of a memory."""
    return {word for _, word, _, _ in Formatter().parse(strategy.entry.title) if word}


def _unknown(key: str, searchable: Mapping[str, Option], cells: Iterable[Config], *, where: str) -> UserError:
    name, _, option = key.rpartition(".")
    for strategy in (config.strategy for config in cells):
        if strategy.name == name and option in _list_stated(strategy):
            what = f"{option} is part of what {name} is called in tables, and is not searched"
            return UserError(what, where=where, hint="give each value to the grid as a strategy of its own")
    if name in {config.strategy.name for config in cells}:
        what = f"{name} has no option {option!r}"
    else:
        what = f"no strategy of the grid is {name}" if name in STRATEGIES.names() else "it is not searched"
    return UserError(what, where=where, legal=searchable, given=key)
