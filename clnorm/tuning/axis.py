"""One searched key: a range or a list of values, and the points that Optuna draws in all of them."""

import logging
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clnorm.catalogue.option import Option, Value
from clnorm.errors import ClnormError, UserError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

SAMPLER = "Sobol, scrambled"
_RANGE = ("low", "high", "log")
_DIGITS = 4  # of a drawn number: what is tuned is not known better


@dataclass(frozen=True)
class Axis:
    """A searched key.

    Args:
        values: that are drawn from, where they are listed.
        low: else, the least value.
        high: and the greatest.
        log: whether the logarithm is drawn evenly.
        is_whole: whether only whole numbers are drawn.
    """

    values: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    is_whole: bool = False

    def to_plain(self) -> object:
        """As it stands in a search's file."""
        return list(self.values) if self.values else {"low": self.low, "high": self.high, "log": self.log}

    def distribution(self) -> "BaseDistribution":
        """What Optuna draws: of a list the place in it, since its Sobol points are of numbers alone."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.values:
            return IntDistribution(0, len(self.values) - 1)
        if self.is_whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)

    def read(self, drawn: float) -> Value:
        """The value that a drawn number stands for."""
        if self.values:
            return self.values[int(drawn)]
        if self.is_whole:
            return int(drawn)
        return min(max(float(f"{drawn:.{_DIGITS}g}"), self.low), self.high)


def read_axis(given: object, option: Option, *, where: str) -> Axis:
    """A range, `{low: 1, high: 10}` with or without `log: true`, or a list of values.

    Raises:
        UserError: it is neither, or holds what is not legal for the key.
    """
    if isinstance(given, list):
        values = tuple(option.parse(plain(value), where=where) for value in given)
        if len(set(values)) < 2 or len(set(values)) < len(values):
            raise UserError(f"{given!r} is not legal", where=where, legal="a list of two different values or more")
        return Axis(values=values)
    if not isinstance(given, Mapping):
        what, legal = f"{given!r} is no range", "{low: NUMBER, high: NUMBER, log: true|false}, or a list of values"
        raise UserError(what, where=where, legal=legal)
    for key in given:
        if key not in _RANGE:
            raise UserError(f"unknown key {key!r}", where=where, legal=_RANGE, given=str(key))
    if option.type not in (int, float):
        raise UserError("it is no number, and has no range", where=where, legal=f"a list of values: {option.legal}")
    log = given.get("log", False)
    if not isinstance(log, bool):
        raise UserError(f"log is {log!r}", where=where, legal="true, false")
    low, high = (_read_end(given, name, option, where=where) for name in ("low", "high"))
    if low >= high:
        raise UserError(f"low is {low:g} and high {high:g}", where=where, legal="low below high")
    if log and low <= 0:
        raise UserError(f"low is {low:g}, which has no logarithm", where=where, legal="low above 0, or log: false")
    return Axis(low=low, high=high, log=log, is_whole=option.type is int)


def plain(value: object) -> object:
    """A value from a file; a text in it is not a plug-in's name, which alone the file is remembered for."""
    return str(value) if isinstance(value, str) else value


def _read_end(given: Mapping[str, Any], name: str, option: Option, *, where: str) -> float:
    if name not in given:
        raise UserError(f"there is no {name!r}", where=where, hint="write {low: NUMBER, high: NUMBER}")
    value = option.parse(given[name], where=f"{where}.{name}")
    if isinstance(value, (str, bool)) or not math.isfinite(value):
        raise UserError(f"{value!r} is no number", where=f"{where}.{name}", legal="a number")
    return value


def draw_points(axes: Mapping[str, Axis], count: int, *, seed: int) -> list[dict[str, Value]]:
    """Points of a search, drawn before any of them is tried, so that they cannot depend on a result.

    They are Optuna's scrambled Sobol points, which lie more evenly than independent ones, in each key by itself too
    (Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization", JMLR 2012, compare them). The first of more
    points are the points of fewer.

    Args:
        axes: by key.
        count: of points.
        seed: of the scrambling.

    Raises:
        ClnormError: Optuna is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise ClnormError("Optuna is not installed", where="clnorm tune", hint="pip install 'clnorm[tune]'") from error
    space = {key: axis.distribution() for key, axis in axes.items()}
    logger = logging.getLogger("optuna")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.QMCSampler(qmc_type="sobol", scramble=True, seed=seed)
        study = optuna.create_study(sampler=sampler)
        points = []
        for _ in range(count + 1):  # the first one, which is no Sobol point, tells the sampler the space
            trial = study.ask(space)
            study.tell(trial, 0.0)
            points.append({key: axis.read(trial.params[key]) for key, axis in axes.items()})
    finally:
        logger.setLevel(level)
    return points[1:]
