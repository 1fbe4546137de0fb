"""The runs of a report by setting, each with its means: what is not comparable is in no mean together."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clnorm.errors import UserError
from clnorm.evaluation.metrics import METRICS
from clnorm.results.record import UNKNOWN
from clnorm.results.selection import SETTING, plain_text, shorten, tells_settings_apart
from clnorm.tables.captions import write_caption
from clnorm.tables.dialects import PLAIN
from clnorm.tables.grid import Grid, create_grid

if TYPE_CHECKING:
    import pandas as pd


_OF_FOLDER = ("changed", "done")


@dataclass(frozen=True)
class Setting:
    """Runs that share all but norm, strategy and seed.

    Args:
        id: hash of what they share.
        names: dataset, protocol and backbone.
        apart: what else tells it from the other settings of the report, by key.
        rows: of its runs, as of `load_results`.
        grid: its means, of all of clnorm's own metrics that a run holds; None where there are none.
        caption: what the means are of.
        reason: why there are none.
    """

    id: str
    names: Mapping[str, str]
    apart: Mapping[str, str]
    rows: "pd.DataFrame"
    grid: Grid | None
    caption: str
    reason: str

    @property
    def title(self) -> str:
        """Its names, and in what it differs from the others."""
        return " · ".join([*self.names.values(), *self._list_apart()])

    @property
    def short(self) -> str:
        """In what it differs from the others beside its names; its id where no key says it."""
        return ", ".join(self._list_apart()) or self.id

    def _list_apart(self) -> list[str]:
        return [f"{key} {value}" for key, value in self.apart.items() if key not in self.names]


def list_settings(results: "pd.DataFrame") -> list[Setting]:
    """The settings of runs, by their names.

    Args:
        results: of `load_results` with the groups `config` and `folder`.
    """
    runs = results.drop_duplicates("folder")
    keys = [str(column) for column in runs.columns if column not in _OF_FOLDER and tells_settings_apart(runs, column)]
    keys = [key for key in keys if key != "data.fingerprint" or UNKNOWN not in set(runs[key])]
    settings = []
    for name, rows in results.groupby("setting", sort=True):
        first = rows.iloc[0]
        grid, caption, reason = _average(rows)
        names = {column: str(first[column]) for column in SETTING}
        apart = {key: shorten(plain_text(first[key])) for key in keys}
        settings.append(Setting(str(name), names, apart, rows, grid, caption, reason))
    return sorted(settings, key=lambda setting: (*setting.names.values(), *setting.apart.values()))


def _average(rows: "pd.DataFrame") -> tuple[Grid | None, str, str]:
    """The means with what they are of, or why there are none."""
    held = set(rows["metric"][rows["value"].notna()])
    metrics = [name for name in METRICS if name in held]
    if not metrics:
        return None, "", "no run of this setting has finished"
    try:
        grid = create_grid(rows, metrics=metrics)
    except UserError as error:
        return None, "", str(error)
    return grid, write_caption(replace(grid, metrics=()), PLAIN), ""
