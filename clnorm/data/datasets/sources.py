"""Which source each clip was cut from, as names and folders tell it; and what may tell it where nothing is known."""

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

import pandas as pd

from clnorm.data.datasets import hmdb51, ucf101
from clnorm.data.datasets.layout import few_clips
from clnorm.data.datasets.published import HMDB51
from clnorm.data.datasets.splits import leaking_groups
from clnorm.data.table import ClipTable
from clnorm.errors import UserError

_READERS = {"ucf101": ucf101, "hmdb51": hmdb51}
_SEPARATORS = "_-. "  # between a source's name and a clip's number


def name_groups(paths: "pd.Series[str]", labels: "pd.Series[str]", group: str) -> "pd.Series[str]":
    """The source of each clip.

    Args:
        paths: (n,) of the clips, posix.
        labels: (n,) the names of their classes.
        group: `name`, `folder`, `prefix`, `ucf101` or `hmdb51`, as an option of the dataset `folder`; or `auto`: that
            of the last two which all names are written by, else `name`.

    Raises:
        UserError: a name is not written as UCF101's or HMDB51's are, where that was asked for.
    """
    if group == "auto":
        group = recognize(paths, labels) or "name"
    if group in _WRITTEN:
        read = [_read_name(group, *clip) for clip in zip(paths.tolist(), labels.tolist(), strict=True)]
        if None in read:
            what = f"the name {paths.iloc[read.index(None)]!r} is not written as those of {group}"
            hint = "choose another group; or write clips.csv with a column 'group'"
            raise UserError(what, where=f"folder:group={group}", hint=hint)
        return pd.Series(read)
    if group == "folder":
        return pd.Series([path.rpartition("/")[0].rpartition("/")[2] or path for path in paths.tolist()])
    if group == "prefix":
        return pd.Series([path.rpartition("/")[2].rpartition("_")[0] or path for path in paths.tolist()])
    return paths.copy()


def recognize(paths: "pd.Series[str]", labels: "pd.Series[str]") -> str:
    """`ucf101` or `hmdb51` where every clip's name is written as that dataset's are, else nothing."""
    return next((name for name in _WRITTEN if _count_written(name, paths, labels) == len(paths)), "")


def describe_sources(table: ClipTable) -> str:
    """Nothing where sources are known; else that they are not, what follows, and what in the names may tell them."""
    own, total = len(table.without_source), len(table)
    if own == 0:
        return ""
    if own < total:
        shown = few_clips(table.frame["path"].iloc[table.without_source].tolist())
        return f"{shown} of {total} are of no known source, and each counts as one of its own"
    paths, splits = table.frame["path"], table.frame["split"]
    labels = pd.Series([table.classes[label] for label in table.labels])
    parts = [
        "sources unknown: each clip counts as a source of its own, so that clips of one video may be in training and "
        "in testing"
    ]
    for name in _WRITTEN:
        if count := _count_written(name, paths, labels):
            parts.append(f"{count} of {len(paths)} names, not all, are written as those of {name}")
    for group in ("folder", "prefix"):
        parts += _suggest(f"folder:group={group}", name_groups(paths, labels, group), labels, splits)
    if len(parts) == 1:
        other = pd.Series([_cut_number(PurePosixPath(path)) for path in paths.tolist()])
        parts += _suggest("a column 'group' in clips.csv", other, labels, splits)
    if len(parts) == 1:
        parts.append("no repeated beginning of names and no folder tells them; a column 'group' in clips.csv can")
    return "; ".join(parts)


def _suggest(way: str, groups: "pd.Series[str]", labels: "pd.Series[str]", splits: "pd.Series[str]") -> list[str]:
    """What to say of a way to tell sources: nothing where all of them hold one clip, or every class is one of them."""
    counts = groups.value_counts()
    if counts.max() == 1 or (groups.groupby(labels).nunique() == 1).all():
        return []
    leaking = len(leaking_groups(pd.DataFrame({"group": groups, "split": splits})))
    shared = f"{len(counts)} sources, such as {counts.index[0]!r} of {counts.iloc[0]} clips"
    both = f", and {leaking} of them are in training and in testing now" if leaking else ""
    return [f"{way} would tell {shared}{both}"]


def _cut_number(path: PurePosixPath) -> str:
    """A file's name without its last part, whatever separates the two, and without a number at its end."""
    stem = path.stem
    cut = max(map(stem.rfind, _SEPARATORS))
    return (stem[:cut] if cut > 0 else stem.rstrip("0123456789")) or str(path)


def _count_written(name: str, paths: "pd.Series[str]", labels: "pd.Series[str]") -> int:
    return sum(_read_name(name, *clip) is not None for clip in zip(paths.tolist(), labels.tolist(), strict=True))


def _read_name(name: str, path: str, label: str) -> str | None:
    """The source that a clip's name states, if it is written as those of a dataset are."""
    stem = PurePosixPath(path).stem
    for stated in _WRITTEN[name](stem, label):
        try:
            return str(_READERS[name].parse_group(f"{stem}.avi", stated, where=Path(path)))
        except UserError:
            continue
    return None


def _classes_of_ucf101(stem: str, label: str) -> list[str]:
    stated = stem.removeprefix("v_").rpartition("_g")[0]
    return [label if stated.lower() == label.lower() else stated]


def _classes_of_hmdb51(stem: str, label: str) -> list[str]:
    return [label, *(name for name in sorted(HMDB51.clips, key=len, reverse=True) if f"_{name}_" in stem)]


_WRITTEN: Mapping[str, Callable[[str, str], list[str]]] = {"ucf101": _classes_of_ucf101, "hmdb51": _classes_of_hmdb51}
"""The datasets whose clips' names state class and source, each with the classes that a name may state: a clip may be
taken for another class than its name says."""
