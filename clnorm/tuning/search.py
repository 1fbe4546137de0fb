"""A search of hyper-parameters: what is searched, and its trials, the same for each norm and strategy."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from clnorm.catalogue.option import Value
from clnorm.config.config import Config
from clnorm.config.tuned import SECTION, leave_out_options, options_of, with_options
from clnorm.errors import Mistakes
from clnorm.tuning.axis import Axis


@dataclass(frozen=True)
class Search:
    """A search, as its file has it.

    Args:
        file: the file.
        axes: what is searched, by key.
        trials: how many, for each norm and strategy.
        experiences: of the stream, the first ones, that a trial is trained on.
        validation: the share of their training clips that it is tested on.
        metric: that decides.
        seeds: a trial is a run of each.
        sampler_seed: of what draws the trials.
        cells: of each norm and strategy, the configuration of its runs but for what a trial decides.
    """

    file: str
    axes: dict[str, Axis]
    trials: int
    experiences: int
    validation: float
    metric: str
    seeds: list[int]
    sampler_seed: int
    cells: list[Config]


@dataclass(frozen=True)
class Trial:
    """One run of a search.

    Args:
        norm: of the run.
        strategy: of the run, without the options that are searched.
        index: of the trial, the same for the same values in each norm and strategy.
        values: of the searched keys that this norm and strategy has.
        config: what to run.
    """

    norm: str
    strategy: str
    index: int
    values: dict[str, Value]
    config: Config

    @property
    def cell(self) -> tuple[str, str]:
        return self.norm, self.strategy


def list_trials(search: Search, points: Iterable[Mapping[str, Value]]) -> list[Trial]:
    """The runs of a search: for each norm and strategy a run of each point and seed.

    Raises:
        UserError: values that are illegal together, all such mistakes.
    """
    trials, mistakes, numbered = list[Trial](), Mistakes(), list(enumerate(points))
    for config in search.cells:
        options = options_of(search.axes, config.strategy.name)
        strategy = leave_out_options(config.strategy, options)
        own = [key for key in search.axes if key.startswith(SECTION) or key.rpartition(".")[0] == config.strategy.name]
        for index, point in numbered:
            values = {key: point[key] for key in own}
            for seed in search.seeds:
                with mistakes.collected():
                    run = _with_values(config, values, search, seed=seed)
                    trials.append(Trial(config.norm.short, strategy, index, values, run))
    mistakes.refuse()
    return trials


def _with_values(config: Config, values: Mapping[str, Value], search: Search, *, seed: int) -> Config:
    options = {key.rpartition(".")[2]: value for key, value in values.items() if not key.startswith(SECTION)}
    train: dict[str, Any] = {
        key.removeprefix(SECTION): value for key, value in values.items() if key.startswith(SECTION)
    }
    return replace(
        config,
        strategy=with_options(config.strategy, options),
        seed=seed,
        keep_model=False,  # nobody needs a trial's
        data=replace(config.data, validation=search.validation),
        train=replace(config.train, experiences=search.experiences, **train),
    )
