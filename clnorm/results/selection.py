"""Which runs a table is about: conditions on columns, and the check that the rest of them share one setting."""

import re
from collections.abc import Iterable
from shlex import quote

import pandas as pd

from clnorm.config.identity import BESIDE, NOT_IDENTITY
from clnorm.config.moved import MOVED_COLUMNS
from clnorm.errors import UserError

SETTING = ("dataset", "protocol", "backbone")
EXPERIMENT = (
    "experiences",
    "weights",
    "data.frames",
    "data.image_size",
    "data.augment",
    "data.mix",
    "train.epochs",
    "train.lr",
    "train.batch_size",
    "imbalance",
    "fine_tuning",
    "frozen",
    "forward",
    "eval.views",
    "train.experiences",
    "data.validation",
    "tuning",
    "tuning.keys",
)
"""What defines an experiment beside its setting, for a caption; a frame made by hand may lack it."""
VERSIONS = ("versions.clnorm", "versions.torch", "versions.python")
"""What tells which versions runs were made with, where it is loaded."""
_TUNED = {"tuned", "tuning.keys"}
"""What `tuning` tells too: the file, and what was searched."""
_FINGERPRINT = 12
"""Digits of a fingerprint that tell it from another."""
OF_RUNS = ("run", "setting", *SETTING, "norm", "strategy", "label", "seed", "status")
COLUMNS = (*OF_RUNS, "metric", "value")


def select(df: pd.DataFrame, conditions: Iterable[str]) -> pd.DataFrame:
    """The rows that meet all conditions; of several conditions on one column, any one will do.

    Args:
        df: the long frame of results.
        conditions: texts of the form `column=value`, compared as configurations write values: `true`, `0.002`. The
            columns are those of the frame, keys of the configuration among them where it was loaded with these.

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
        meant = {text for text in map(plain_text, df[column].astype(str).unique()) if _is_meant(value, text)}
        if not meant:
            present = map(plain_text, df[column].unique())
            several = f"give --where {column}=VALUE once for each of several values" if "," in value else None
            raise UserError(f"no run has {condition}", where="--where", legal=present, given=value, hint=several)
        wanted.setdefault(column, set()).update(meant)
    for column, values in wanted.items():
        df = df[df[column].astype(str).map(plain_text).isin(values)]
    return df


def plain_text(value: object) -> str:
    """A value as a configuration writes it."""
    text = str(value)
    return text.lower() if text in ("True", "False", "None") else text


def _is_meant(given: str, text: str) -> bool:
    """Whether `given` means the value that is written as `text`: 2e-3 is 0.002."""
    try:
        return given == text or float(given) == float(text)
    except ValueError:
        return False


def check_one_setting(df: pd.DataFrame, *, where: str = "table") -> None:
    """Refuse rows that differ in more than norm, strategy and seed: their means would mix what is not comparable.

    Args:
        df: of `load_results`, or of another loader of runs.
        where: what they are for.

    Raises:
        UserError: there is no row, a column is missing, or there are several settings.
    """
    if missing := [column for column in OF_RUNS if column not in df.columns]:
        raise UserError(f"columns {', '.join(missing)} are missing", where=where, legal=", ".join(OF_RUNS))
    if df.empty:
        raise UserError("there is no run", where=where, hint="train one with: clnorm run")
    if df["setting"].nunique(dropna=False) == 1:
        return
    # Fingerprints come last: a name or a number is easier to choose by. Tuning decides other keys, and comes first.
    others = [str(column) for column in df.columns if column not in SETTING]
    ordered = [*SETTING, *sorted(others, key=lambda name: (name != "tuning", "fingerprint" in name))]
    shown = {column: _values(df, column) for column in ordered if tells_settings_apart(df, column)}
    unsaid = ""
    if not shown:
        shown = {"setting": _values(df, "setting")}
        if "data.fingerprint" not in df.columns:
            unsaid = '; load_results(folder, columns=["config"]) knows in which keys'
    column, values = next(iter(shown.items()))
    differ = (f"{name}: {' | '.join(map(shorten, found))}" for name, found in shown.items())
    raise UserError(
        "the runs differ in " + "; ".join(differ),
        where=where,
        hint=f"narrow with: --where {quote(f'{column}={values[0]}')}{unsaid}",
    )


def shorten(text: str) -> str:
    """A value for a list of differences: of a fingerprint its beginning."""
    return f"{text[:_FINGERPRINT]}..." if re.fullmatch(r"[0-9a-f]{64}", text) else text


def _values(df: pd.DataFrame, column: str) -> list[str]:
    return sorted(map(plain_text, df[column].unique()), key=_by_number)


def _by_number(text: str) -> tuple[bool, float, str]:
    try:
        return False, float(text), text
    except ValueError:
        return True, 0.0, text


def tells_settings_apart(df: pd.DataFrame, column: str) -> bool:
    """Whether a column belongs to the setting (one value in each) and differs between settings."""
    if (column in COLUMNS and column not in SETTING) or column in NOT_IDENTITY or column.startswith("cost."):
        return False
    # What each strategy keeps, or a run has kept beside its results, decides no setting.
    if (
        column in ("folder", "kept", *BESIDE, *VERSIONS)
        or column in _TUNED
        or (column == "imbalance" and "train.imbalance" in df.columns)
    ):
        return False
    text = df[column].map(plain_text)
    return text.nunique() > 1 and text.groupby(df["setting"]).nunique().max() == 1
