"""ClipTable: every clip of a dataset in one table, one row a clip, whatever reader it came from."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from clnorm.catalogue.option import Value
from clnorm.errors import UserError

SPLITS = ("train", "test", "unused")
COLUMNS = ("path", "label", "split", "group", "bytes")

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ClipTable:
    """The clips of a dataset. A clip's id is its row, 0 to n - 1, and never changes.

    Args:
        name: the dataset's name.
        root: the folder that paths are relative to.
        classes: the class names; a label is an index into them.
        frame: one row a clip, in the order of the ids, not to be changed afterwards. Its columns: `path` (posix,
            relative to root), `label` (int64), `split` ("train", "test" or "unused"), `group` (the source that a
            clip was cut from: clips of one group are not independent), `bytes` (int64, the file's size), then
            whatever else the reader knows of a clip.
        automatic: what the reader's options at `auto` stand for where no list of the dataset decides.
        listed: those of them that a list decides.

    Raises:
        UserError: the frame breaks this contract; the column and the first offending row are named.
    """

    name: str
    root: Path
    classes: tuple[str, ...]
    frame: pd.DataFrame
    automatic: Mapping[str, Value] = field(default_factory=dict)
    listed: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._check_classes()
        self._check_columns()
        self._check_values()

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        return (
            f"ClipTable({self.name!r}, {len(self)} clips, {len(self.classes)} classes, "
            f"{len(self.train_ids)} train, {len(self.test_ids)} test)"
        )

    @cached_property
    def labels(self) -> Ids:
        """(n,) the class index of every clip."""
        return self.frame["label"].to_numpy(dtype=np.int64, copy=True)

    @cached_property
    def groups(self) -> npt.NDArray[np.object_]:
        """(n,) the source of every clip."""
        return self.frame["group"].to_numpy(dtype=object, copy=True)

    @cached_property
    def without_source(self) -> Ids:
        """The ids of the clips whose source is not known: their group is their own path."""
        return np.flatnonzero((self.frame["group"] == self.frame["path"]).to_numpy(dtype=bool)).astype(np.int64)

    @cached_property
    def train_ids(self) -> Ids:
        """The ids of the training clips, ascending."""
        return self._ids("train")

    @cached_property
    def test_ids(self) -> Ids:
        """The ids of the test clips, ascending."""
        return self._ids("test")

    def paths(self) -> list[Path]:
        """The absolute path of every clip, in the order of the ids."""
        root = f"{self.root.absolute()}/"
        return [Path(root + path) for path in self.frame["path"].tolist()]

    @cached_property
    def fingerprint(self) -> str:
        """sha256 (hex) of the classes and of the five common columns: the same wherever the dataset lies."""
        digest = hashlib.sha256(json.dumps(self.classes).encode())
        for column in COLUMNS:
            values = self.frame[column]
            if column in ("label", "bytes"):
                digest.update(values.to_numpy(dtype="<i8").tobytes())
            else:
                digest.update(json.dumps(values.tolist()).encode())
        return digest.hexdigest()

    def _ids(self, split: str) -> Ids:
        return np.flatnonzero((self.frame["split"] == split).to_numpy(dtype=bool)).astype(np.int64)

    def _check_classes(self) -> None:
        if not self.classes or not all(isinstance(name, str) and name for name in self.classes):
            raise self._error(f"classes are {self.classes!r}", legal="one or more names")
        if len(set(self.classes)) < len(self.classes):
            twice = next(name for name in self.classes if self.classes.count(name) > 1)
            raise self._error(f"the class {twice!r} stands twice")

    def _check_columns(self) -> None:
        if absent := [column for column in COLUMNS if column not in self.frame.columns]:
            raise self._error(f"no column {absent[0]!r}", legal=", ".join(COLUMNS))
        if not self.frame.index.equals(pd.RangeIndex(len(self.frame))):
            raise self._error("the rows are not numbered 0, 1, 2 ...", hint="call frame.reset_index(drop=True)")
        if self.frame.empty:
            raise self._error("there is no clip")
        for column in ("label", "bytes"):
            if self.frame[column].dtype != np.int64:
                raise self._error(f"column {column!r} holds {self.frame[column].dtype}", legal="int64")
        for column in ("path", "split", "group"):
            if pd.api.types.infer_dtype(self.frame[column], skipna=False) != "string":
                raise self._error(f"column {column!r} holds something else than text", legal="text in every row")

    def _check_values(self) -> None:
        label, path = self.frame["label"], self.frame["path"]
        self._refuse("label", (label < 0) | (label >= len(self.classes)), legal=f"0 to {len(self.classes) - 1}")
        self._refuse("bytes", self.frame["bytes"] < 0, legal="0 or more")
        self._refuse("split", ~self.frame["split"].isin(SPLITS), legal=", ".join(SPLITS))
        self._refuse("group", self.frame["group"] == "", legal="the name of a source")
        outside = (path == "") | path.str.startswith("/") | path.str.contains(r"(?:^|/)\.\.(?:/|$)", regex=True)
        self._refuse("path", outside, legal="a path below the dataset's folder")
        self._refuse("path", path.duplicated(), legal="every path once")

    def _refuse(self, column: str, wrong: "pd.Series[bool]", *, legal: str) -> None:
        if wrong.any():
            row = int(wrong.to_numpy(dtype=bool).argmax())
            raise self._error(f"row {row}: {column} is {self.frame[column].iloc[[row]].tolist()[0]!r}", legal=legal)

    def _error(self, what: str, *, legal: str | None = None, hint: str | None = None) -> UserError:
        return UserError(what, where=f"table of {self.name!r}", legal=legal, hint=hint)
