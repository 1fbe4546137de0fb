"""What the series of a figure are called, in the order of tables."""

import pandas as pd

from clnorm.catalogue import NORMS, STRATEGIES
from clnorm.results.grid import ordered_names
from clnorm.results.record import label_norm


def label_norms(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with the label of a run in its norm's name, ordered by strategy as tables are."""
    named = rows.assign(norm=list(map(label_norm, rows["norm"], rows["label"])))
    place = {name: index for index, name in enumerate(ordered_names(set(rows["strategy"]), STRATEGIES))}
    return named.sort_values("strategy", key=lambda names: names.map(place), kind="stable")


def list_norms(rows: pd.DataFrame) -> list[str]:
    """Norms in the order of the catalogue, then the others by alphabet."""
    return list(ordered_names(set(rows["norm"]), NORMS))


def list_strategies(rows: pd.DataFrame) -> list[str]:
    """Strategies in the order of the catalogue, then the others by alphabet."""
    return list(ordered_names(set(rows["strategy"]), STRATEGIES))
