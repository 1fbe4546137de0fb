"""A submitted run: its files, each read when a check asks for it, and never more than data."""

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clnorm.catalogue.plugins import PluginRefusedError, mark_foreign
from clnorm.config.config import Config
from clnorm.config.load import merge_config, read_yaml
from clnorm.config.tuned import TUNED_FILE
from clnorm.errors import ClnormError, SeveralMistakesError
from clnorm.evaluation.metrics import METRICS, RunData, evaluate
from clnorm.results.clips import CLIPS_FILE
from clnorm.results.folder import read_frame, read_predictions
from clnorm.results.kept import KeptFrames
from clnorm.results.measure import describe_run
from clnorm.results.record import RunRecord
from clnorm.submission.findings import NotCheckedError

if TYPE_CHECKING:
    import pandas as pd

    from clnorm.data.table import ClipTable
    from clnorm.streams.stream import ClipStream

PREDICTIONS = "predictions.parquet"
AS_WRITTEN = "bring back the file that the run wrote, or make the run again"
"""What to do where a file is not what a run has written."""
MOST_BYTES = 25_000_000
"""Of a file: what a code host takes by its web page."""

_MOST_VALUES = 50_000_000


class SubmittedRun:
    """A run's folder in a submission.

    What several checks need is a property; where it cannot be had, it raises `NotCheckedError`, for the check that is
    about it says what is wrong.

    Args:
        folder: of the run.
        record: its record.
    """

    def __init__(self, folder: Path, record: RunRecord) -> None:
        self.folder, self.record = folder, record
        self._measured: dict[str, tuple[float, str]] = {}

    def require(self, name: str) -> Path:
        """A file of the run, which is one that can be read whole.

        Raises:
            ClnormError: it is not there, no regular file, too large, or holds more values than can be taken.
        """
        path = self.folder / name
        if not os.path.lexists(path):
            raise ClnormError("is not there", where=name, hint=AS_WRITTEN)
        if path.is_symlink() or not path.is_file():
            raise ClnormError("is no regular file", where=name, hint="put the file itself there, and no link")
        if (size := path.stat().st_size) > MOST_BYTES:
            what, legal = f"has {size / 1e6:.0f} MB", f"at most {MOST_BYTES / 1e6:.0f} MB a file"
            raise ClnormError(what, where=name, legal=legal, hint="ask before you submit runs of this size")
        if path.suffix == ".parquet":
            _refuse_many_values(path)
        return path

    def read_table(self, name: str) -> "pd.DataFrame":
        """The rows of a parquet file, as they stand there.

        Raises:
            ClnormError: it is missing, too large or damaged.
        """
        path = self.require(name)
        try:
            if name == PREDICTIONS:
                return read_predictions(path, self.record)
            return read_frame(path, hint=AS_WRITTEN)
        except ClnormError as error:
            raise ClnormError(error.what, where=name, hint=error.hint) from error

    def read_config(self, values: Mapping[str, Any], *, file: str) -> Config:
        """A configuration of this run, without importing anything that it names.

        Args:
            values: as nested plain values.
            file: where they stand.

        Raises:
            PluginRefusedError: it names a plug-in.
            ClnormError: it is none, or its tuned values cannot be read.
        """
        given: dict[str, Any] = mark_foreign(dict(values), frozenset(), file)
        if given.get("tuned") is not None:  # the path is of another machine; what was taken lies in the folder
            given["tuned"] = str(self.require(TUNED_FILE))
        return merge_config(given, {})

    def read_kept_config(self) -> Config:
        """The configuration in `config.yaml`; raises as `read_config`."""
        return self.read_config(read_yaml(self.require("config.yaml"), allowed=frozenset()), file="config.yaml")

    @cached_property
    def predictions(self) -> "pd.DataFrame":
        """The rows of `predictions.parquet`."""
        try:
            return self.read_table(PREDICTIONS)
        except ClnormError as error:
            raise NotCheckedError(error.what, where=PREDICTIONS) from error

    @cached_property
    def digest(self) -> str:
        """The hash of its predictions, to the last digit."""
        frame = self.predictions
        columns = [frame[name].to_numpy().tobytes() for name in sorted(frame.columns)]
        return hashlib.sha256(b"".join(columns)).hexdigest()

    def release(self) -> None:
        """Let go of what was read and is large, but for its digest."""
        with suppress(NotCheckedError):
            _ = self.digest
        for name in ("predictions", "frames", "data", "table", "stream"):
            self.__dict__.pop(name, None)

    @cached_property
    def frames(self) -> KeptFrames:
        """The tables that the run keeps, each of a size that can be read."""
        return _FittingFrames(self)

    @cached_property
    def data(self) -> RunData:
        """What it keeps, for metrics."""
        return describe_run(self.record, self.frames)

    def measure(self, name: str) -> tuple[float, str]:
        """One of clnorm's own metrics, of what the run keeps; where there is none, NaN and the reason."""
        if name not in self._measured:
            self._measured[name] = evaluate(METRICS[name], self.data)
        return self._measured[name]

    @cached_property
    def config(self) -> Config:
        """The configuration of the record."""
        try:
            return self.read_config(self.record.config, file="record.json")
        except ClnormError as error:
            raise explain_plugins(error) or NotCheckedError(
                "is none that this version takes", where="config"
            ) from error

    @cached_property
    def shared_config(self) -> Config:
        """As `config`, with another norm or strategy in the place of a plug-in: what runs of one setting share."""
        try:
            return self.config
        except NotCheckedError as error:
            own = {key: value for key, value in self.record.config.items() if key not in ("norm", "strategy", "tuned")}
            if self.record.config.get("tuned") is not None:  # which has values for norm and strategy
                raise
            try:
                return self.read_config(own, file="record.json")
            except ClnormError:
                raise error from None

    @cached_property
    def table(self) -> "ClipTable":
        """As `make_table`."""
        try:
            return self.make_table()
        except ClnormError as error:
            raise NotCheckedError("is no table of clips", where=CLIPS_FILE) from error

    def make_table(self) -> "ClipTable":
        """The clips of the dataset, as `clips.parquet` lists them.

        Raises:
            ClnormError: it is missing, damaged, or no table of clips.
        """
        from clnorm.data.table import COLUMNS, ClipTable

        frame = self.read_table(CLIPS_FILE)
        if absent := [name for name in COLUMNS if name not in frame.columns]:
            raise ClnormError(f"has no column {absent[0]!r}", where=CLIPS_FILE, legal=COLUMNS, hint=AS_WRITTEN)
        return ClipTable(self.record.names["dataset"], Path(), tuple(self.record.classes), frame[list(COLUMNS)])

    @cached_property
    def stream(self) -> "ClipStream":
        """As `make_stream`."""
        try:
            return self.make_stream()
        except NotCheckedError:
            raise
        except ClnormError as error:
            raise NotCheckedError("the protocol does not fit the clips", where="protocol") from error

    def make_stream(self) -> "ClipStream":
        """What the protocol of the record makes of these clips with its seed.

        Raises:
            NotCheckedError: it is a plug-in, or goes by a file that no submission holds.
            UserError: it does not fit the clips.
        """
        from clnorm.streams.stream import stream_of

        config = self.shared_config
        if file := find_protocol_file(config):
            raise NotCheckedError(f"the protocol goes by the file {file}, which no submission holds", where="protocol")
        paths = {path: clip for clip, path in enumerate(self.table.frame["path"])}
        bad = {paths[path]: str(why) for path, why in self.record.data.get("bad", {}).items() if path in paths}
        return stream_of(replace(config, seed=self.record.seed), self.table, bad=bad)


class _FittingFrames(KeptFrames):
    """The tables of a submitted run, which are looked at before they are read."""

    def __init__(self, run: SubmittedRun) -> None:
        super().__init__(run.folder, run.record, {"predictions": run.predictions})
        self._run = run

    def _load(self, name: str) -> "pd.DataFrame":
        return self._run.read_table(f"{name}.parquet")


def _refuse_many_values(path: Path) -> None:
    """Refuse a parquet file that may be small and holds more than fits into memory, or that was cut short.

    Raises:
        ClnormError: it is.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as file:
            metadata = pq.read_metadata(file)
    except (pa.ArrowException, OSError) as error:
        raise ClnormError("is no parquet file, or cut short", where=path.name, hint=AS_WRITTEN) from error
    if (count := metadata.num_rows * metadata.num_columns) > _MOST_VALUES:
        legal = f"at most {_MOST_VALUES:,} values"
        raise ClnormError(f"holds {count:,} values", where=path.name, legal=legal, hint=AS_WRITTEN)


def find_protocol_file(config: Config) -> str | None:
    """The file that a configuration's protocol goes by; None where there is none."""
    options, chosen = config.protocol.entry.options.items(), config.protocol.kwargs
    return next(
        (str(chosen[name]) for name, option in options if option.file and chosen[name] not in option.words), None
    )


def explain_plugins(error: ClnormError) -> NotCheckedError | None:
    """Why a configuration cannot be built, where it is legal as far as it can be told without importing plug-ins."""
    found = error.errors if isinstance(error, SeveralMistakesError) else (error,)
    if not all(isinstance(each, PluginRefusedError) for each in found):
        return None
    named = ", ".join(str(each.where) for each in found)
    what = f"{named} is a plug-in, which a check never imports, since importing it runs its code"
    return NotCheckedError(what, where="config", hint="where you trust it: --rerun RUN --allow-plugin NAME")
