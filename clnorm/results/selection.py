"""Which runs a table is about: conditions on columns, and the check that the rest of them share one setting."""

from collections.abc import Iterable

import pandas as pd

from clnorm.config.moved import MOVED_COLUMNS
from clnorm.errors import UserError

SETTING = ("dataset", "protocol", "backbone")
COLUMNS = ("run", "setting", *SETTING, "norm", "strategy", "label", "seed", "status", "metric", "value")


def select(df: pd.DataFrame, conditions: Iterable[str]) -> pd.DataFrame:
    """The rows that meet all conditions; of several conditions on one column, any one will do.

    Args:
        df: the long frame of results.
        conditions: texts of the form `column=value`, compared as text.

    Raises:
        UserError: a condition has another form, or names a column or value that is not there.
    """
    wanted: dict[str, set[str]] = {}
    for condition in conditions:
        column, equals, value = condition.partition("=")
        if not equals:
            raise UserError(f"{condition!r} is not of the form column=value", where="--where")
        if column in MOVED_COLUMNS and column not in df.columns:
            option, usual = MOVED_COLUMNS[column]
            hint = f"write --where norm=NAME, such as norm=bn{'' if value == usual else f':{option}={value}'}"
            raise UserError(f"{column} is part of the norm's name now", where="--where", hint=hint)
        if column not in df.columns:
            raise UserError(f"there is no column {column!r}", where="--where", legal=map(str, df.columns), given=column)
        present = set(df[column].astype(str))
        if value not in present:
            raise UserError(f"no run has {condition}", where="--where", legal=present, given=value)
        wanted.setdefault(column, set()).add(value)
    for column, values in wanted.items():
        df = df[df[column].astype(str).isin(values)]
    return df


def check_one_setting(df: pd.DataFrame) -> None:
    """Refuse rows that differ in more than norm, strategy and seed: their means would mix what is not comparable.

    Raises:
        UserError: there is no row, a column is missing, or there are several settings.
    """
    if missing := [column for column in COLUMNS if column not in df.columns]:
        raise UserError(f"columns {', '.join(missing)} are missing", where="table", legal=", ".join(COLUMNS))
    if df.empty:
        raise UserError("there is no run", where="table", hint="train one with: clnorm run")
    if df["setting"].nunique(dropna=False) == 1:
        return
    ordered = [*SETTING, *(str(column) for column in df.columns if column not in SETTING)]
    differing = {column: _values(df, column) for column in ordered if _tells_settings_apart(df, column)}
    shown = differing or {"setting": _values(df, "setting")}
    column, values = next(iter(shown.items()))
    raise UserError(
        "the runs differ in " + "; ".join(f"{name} ({', '.join(found)})" for name, found in shown.items()),
        where="table",
        hint=f"narrow with: --where {column}={values[0]}",
    )


def _values(df: pd.DataFrame, column: str) -> list[str]:
    return sorted(set(df[column].astype(str)))


def _tells_settings_apart(df: pd.DataFrame, column: str) -> bool:
    """Whether a column belongs to the setting (one value in each) and differs between settings."""
    if column in COLUMNS and column not in SETTING:
        return False
    text = df[column].astype(str)
    return text.nunique() > 1 and text.groupby(df["setting"]).nunique().max() == 1
