"""What a configuration alone says in the record of its run: names, and how its tuned values were found."""

from typing import Any

from clnorm.config.config import Config
from clnorm.config.identity import list_values
from clnorm.config.tuned import leave_out_options, read_tuning


def name_parts(config: Config) -> dict[str, str]:
    """The names of a record; tuned options, which each norm has of its own, are not in the strategy's."""
    kinds = ("dataset", "protocol", "backbone", "norm", "strategy")
    names = {kind: getattr(config, kind).short for kind in kinds}
    if config.tuned is None:
        return names
    options = read_tuning(config.tuned).options_of(config.strategy.name)
    return {**names, "strategy": leave_out_options(config.strategy, options)}


def describe_tuning(config: Config) -> dict[str, Any]:
    """How the run's tuned values were found, and in which keys the trials were otherwise; empty without any."""
    if config.tuned is None:
        return {}
    tuning = read_tuning(config.tuned)
    cell, own = tuning.cell_of(config), list_values(config)
    told = ("digest", "metric", "trials", "experiences", "validation", "seeds", "sampler", "search")
    return {
        **{name: getattr(tuning, name) for name in told},
        "values": cell["values"],
        "failed": cell["failed"],
        "otherwise": {key: value for key, value in tuning.config.items() if key in own and own[key] != value},
    }
