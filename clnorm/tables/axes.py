"""What the rows and columns of a table are, and whether runs may stand beside each other in them."""

from collections.abc import Mapping
from shlex import quote

import pandas as pd

from clnorm.errors import UserError
from clnorm.results.selection import SETTING, check_one_setting, plain_text, tells_settings_apart
from clnorm.tables.names import KINDS

_GO_WITH: Mapping[str, set[str]] = {
    "dataset": {"experiences", "order", "data.fingerprint", "data.root", "data.clips"},
    "protocol": {"experiences", "order"},
    "backbone": {"weights"},
}
"""What differs between runs that differ in a part of the setting, by that part."""


def check_axes(df: pd.DataFrame, axes: tuple[str, str]) -> None:
    """Refuse rows of results that differ in more than the two axes, norm, strategy and seed.

    Args:
        df: of `load_results`; where dataset, protocol or backbone is an axis, with the columns of `config`.
        axes: the kinds of rows and columns.

    Raises:
        UserError: an axis is none or both are the same, there are several settings in one place, or those of several
            places differ in what does not go with the axes.
    """
    for axis, where in zip(axes, ("--rows", "--cols"), strict=True):
        if axis not in KINDS:
            raise UserError(f"{axis!r} is nothing that a table has", where=where, legal=KINDS, given=axis)
    if axes[0] == axes[1]:
        raise UserError(f"rows and columns are both {axes[0]}", where="--cols", legal=set(KINDS) - {axes[0]})
    apart = [kind for kind in SETTING if kind in axes]
    if not apart:
        check_one_setting(df)
        return
    if not df.empty and "data.fingerprint" not in df.columns:
        what = f"where the {' and the '.join(apart)} may differ, all keys of the configuration are compared"
        raise UserError(what, where="table", hint='load them: load_results(folder, columns=["config"])')
    for _, group in df.groupby(apart, sort=False):
        check_one_setting(group)
    allowed = {*apart}.union(*(_GO_WITH[kind] for kind in apart))
    for column in map(str, df.columns):
        if column not in allowed and tells_settings_apart(df, column):
            values = sorted(map(plain_text, df[column].unique()))
            what = f"the runs differ in more than the {' and the '.join(apart)}: {column}: {' | '.join(values)}"
            raise UserError(what, where="table", hint=f"narrow with: --where {quote(f'{column}={values[0]}')}")


def fix_kind(df: pd.DataFrame, kind: str) -> str:
    """The one name of a kind that is no axis.

    Raises:
        UserError: there are several.
    """
    names = sorted(map(str, df[kind].unique()))
    if len(names) > 1:
        what = f"the runs have several of the kind {kind}, which is neither rows nor columns: {', '.join(names)}"
        raise UserError(what, where="table", hint=f"narrow with: --where {quote(f'{kind}={names[0]}')}")
    return names[0]
