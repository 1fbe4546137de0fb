"""`clips.csv`: the list of the videos in a folder, as a user or `clnorm data prepare folder` writes it."""

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.csv as csv

from clnorm.data.datasets.layout import few_clips
from clnorm.data.table import COLUMNS, SPLITS
from clnorm.errors import UserError, nearest
from clnorm.files import replace_file

INDEX = "clips.csv"
_NEEDED = ("path", "label")
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}  # of other tables than CSVs
_UNCLEAN = ("//", "/./", "/../")  # in a path between two slashes: it is absolute, or has an empty part, `.` or `..`


def read_clip_list(root: Path) -> pd.DataFrame:
    """The rows of `root/clips.csv`: `path` and `label`, and of `split`, `group` and `bytes` those that it has.

    `label` is text, the class's name. `bytes` (int64) has been compared with the files.

    Raises:
        UserError: the file is no CSV of these columns, or a row of it is wrong; the first one is named by its line.
    """
    path = root / INDEX
    frame = _parse(path)
    for column in frame.columns.difference(["bytes"]):
        _refuse(path, frame, column, frame[column] == "", legal="a value in every row")
    framed = "/" + frame["path"] + "/"
    unclean = np.logical_or.reduce([framed.str.contains(part, regex=False) for part in _UNCLEAN])
    _refuse(path, frame, "path", unclean, legal="a path below the folder of the list")
    _refuse(path, frame, "path", frame["path"].duplicated(), legal="every path once")
    if "split" in frame:
        _refuse(path, frame, "split", ~frame["split"].isin(SPLITS), legal=", ".join(SPLITS))
    if "bytes" in frame:
        _refuse(path, frame, "bytes", ~frame["bytes"].str.fullmatch(r"\d{1,18}"), legal="the file's size in bytes")
        frame["bytes"] = frame["bytes"].astype(np.int64)
        changed = np.flatnonzero(read_sizes(root, frame["path"]) != frame["bytes"].to_numpy())
        if changed.size:
            hint = f"mend the list, or delete it and write it anew with: clnorm data prepare folder {root}"
            what = f"{few_clips(frame['path'].iloc[changed].tolist())} not of the size in the list"
            raise UserError(what, where=str(path), hint=hint)
    return frame


def write_clip_list(root: Path, frame: pd.DataFrame) -> None:
    """Write `root/clips.csv`, complete or not at all."""
    table = pa.Table.from_pandas(frame, preserve_index=False)

    def write(file: BinaryIO) -> None:
        csv.write_csv(table, file)

    replace_file(root / INDEX, write)


def read_sizes(root: Path, paths: "pd.Series[str]") -> npt.NDArray[np.int64]:
    """(n,) the size in bytes of each file, in the order of `paths`, which are relative to `root`.

    Each folder is listed once, which is several times as fast as asking for each file.

    Raises:
        UserError: files are missing; the first ones are named.
    """
    folders: dict[str, dict[str, int]] = {}
    sizes = np.empty(len(paths), dtype=np.int64)
    for row, path in enumerate(paths.tolist()):
        folder, _, name = path.rpartition("/")
        if folder not in folders:
            folders[folder] = _list_files(root / folder)
        sizes[row] = folders[folder].get(name, -1)
    if (missing := np.flatnonzero(sizes < 0)).size:
        hint = "mend the list, or copy them there"
        raise UserError(
            f"{few_clips(paths.iloc[missing].tolist())} in the list but not on disk", where=str(root), hint=hint
        )
    return sizes


def _list_files(folder: Path) -> dict[str, int]:
    try:
        with os.scandir(folder) as found:
            return {entry.name: entry.stat().st_size for entry in found if entry.is_file()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise UserError(f"cannot read this folder: {error.strerror}", where=str(folder)) from error


def _parse(path: Path) -> pd.DataFrame:
    text = csv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string()), strings_can_be_null=False)
    try:
        _refuse_other_separators(path)
        table = csv.read_csv(path, parse_options=csv.ParseOptions(newlines_in_values=True), convert_options=text)
    except (OSError, pa.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"cannot read it as a CSV: {reason}", where=str(path), hint=_example()) from error
    given = table.column_names
    if twice := [name for name in given if given.count(name) > 1]:
        raise UserError(f"the column {twice[0]!r} stands twice", where=str(path), hint=_example())
    if unknown := [name for name in given if name not in COLUMNS]:
        match = nearest(unknown[0], COLUMNS)
        hint = f"did you mean {match!r}?" if match else _example()
        raise UserError(f"unknown column {unknown[0]!r}", where=str(path), legal=", ".join(COLUMNS), hint=hint)
    if absent := [name for name in _NEEDED if name not in given]:
        raise UserError(f"no column {absent[0]!r}", where=str(path), legal=", ".join(COLUMNS), hint=_example())
    if not table.num_rows:
        raise UserError("the list names no clip", where=str(path), hint=_example())
    listed: pd.DataFrame = table.to_pandas()
    return listed


def _refuse_other_separators(path: Path) -> None:
    """A list that a spreadsheet wrote otherwise than with commas would be read as one of a single, unknown column."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = file.readline(200).rstrip("\n")
    for separator, name in _SEPARATORS.items():
        columns = [column.strip(' "') for column in first.split(separator)]
        if len(columns) > 1 and not set(columns).isdisjoint(COLUMNS):
            what = f"the first line is {first!r}, with {name} between the columns"
            raise UserError(what, where=str(path), legal="commas", hint=_example())


def _example() -> str:
    return "the first line reads path,label or path,label,split,group"


def _refuse(path: Path, frame: pd.DataFrame, column: str, wrong: npt.ArrayLike, *, legal: str) -> None:
    if (rows := np.asarray(wrong, dtype=bool)).any():
        row = int(rows.argmax())
        raise UserError(f"{column} is {frame[column].iloc[row]!r}", where=f"{path}:{row + 2}", legal=legal)
