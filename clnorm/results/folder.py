"""A run's folder: what it leaves behind, never half-written."""

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clnorm.config.config import Config
from clnorm.config.identity import run_id
from clnorm.errors import ClnormError, UserError
from clnorm.files import UNSEALED, check_seal, replace_file, seal
from clnorm.reading import check_types, read_json, read_regular
from clnorm.results.record import RunRecord, read_record
from clnorm.results.state import StateFiles, UnkeptState

if TYPE_CHECKING:
    import pandas as pd


PLASTICITY_FILE = "plasticity.parquet"
"""The name of the measures at the norm sites in a run's folder, after each experience; see `eval.plasticity`."""

MOMENTS = ("mean", "var", "running_mean", "running_var")
"""Its columns of lists, which the measures of the next experience need; a finished run has them no more."""

_STEPS = "predictions"  # the folder in an unfinished run's folder with a file for each training step


def run_name(config: Config, *, data: str, weights: str | None = None) -> str:
    """The name of a run's folder: readable parts, then the hash of what changes the result; arguments as `run_id`."""
    parts = [config.dataset, config.backbone, config.norm, config.strategy]
    words = [part.name.rpartition(":")[2] for part in parts]
    return "-".join([*words, f"s{config.seed}", run_id(config, data=data, weights=weights)])


class RunIsHeldError(UserError):
    """Another process runs this now."""


class RunFolder:
    """One run's folder; its `record.json` says whether the run is finished.

    Attributes:
        path: of the folder.
        state: what an unfinished run goes on from.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = StateFiles(path)

    def load(self) -> RunRecord | None:
        """The record, finished or not, or None where no run has begun."""
        file = self.path / "record.json"
        return read_record(file) if file.exists() else None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder, creating it; one process at a time. Where nothing is written before an error, it is gone.

        Raises:
            RunIsHeldError: another process holds it.
            UserError: it cannot be written.
        """
        from filelock import FileLock, Timeout

        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock", timeout=0)
            lock.acquire()
        except Timeout:
            raise RunIsHeldError("another process runs this now", where=str(self.path), hint="wait for it") from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise UserError(
                f"cannot be written ({reason})", where=str(self.path), hint="choose another --out"
            ) from error
        try:
            yield
        except BaseException:
            if [path.name for path in self.path.glob("*")] == [".lock"]:
                shutil.rmtree(self.path)
            raise
        finally:
            lock.release()

    @contextmanager
    def followed(self, record: RunRecord) -> Iterator[None]:
        """While a run trains and is written down; a folder that tells others of it begins and ends that here."""
        yield

    def write(self, name: str, text: str) -> None:
        """Replace a text file at once."""
        replace_file(self.path / name, lambda file: file.write(text.encode()))

    def log(self, record: dict[str, Any]) -> None:
        """Append one line to `log.jsonl`.

        Raises:
            ClnormError: the disk is full, or the folder is gone; the last state is as it was.
        """
        path = self.path / "log.jsonl"
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:
            what = f"cannot be written ({error.strerror or error})"
            hint = "make room, and give the same command again, which continues from the last state"
            raise ClnormError(what, where=str(path), hint=hint) from error

    def read_log(self) -> list[dict[str, Any]]:
        """The lines of `log.jsonl`, but for one that a kill cut short.

        Raises:
            ClnormError: it is damaged.
        """
        file = self.path / "log.jsonl"
        try:
            lines = read_regular(file).splitlines(keepends=True) if file.exists() else []
            records: list[dict[str, Any]] = [read_json(line) for line in lines if line.endswith(b"\n")]
            for record in records:
                check_types({"experience": record["experience"]}, {"experience": int})
        except (OSError, ValueError, KeyError, TypeError) as error:
            hint = "delete it; the log then begins with the next experience"
            raise ClnormError(f"is damaged ({error})", where=str(file), hint=hint) from error
        return records

    def count_done(self) -> int:
        """How many experiences of an unfinished run were trained and evaluated."""
        steps = (file.stem.removeprefix("after_") for file in (self.path / _STEPS).glob("after_*.parquet"))
        return max((1 + int(step) for step in steps if step.isdecimal()), default=0)

    def last_change(self) -> float:
        """When anything in it was last written, in seconds since 1970."""
        return max(path.stat().st_mtime for path in (self.path, *self.path.iterdir()) if path.exists())

    def save_predictions(self, after: int, predictions: "pd.DataFrame") -> None:
        """Keep what was predicted after a training step, in a file of its own until the run is finished."""
        try:
            (self.path / _STEPS).mkdir(exist_ok=True)
        except OSError as error:
            raise ClnormError(f"cannot be written ({error.strerror or error})", where=str(self.path)) from error
        write_frame(self._step(after), predictions)

    def load_predictions(self, steps: Iterable[int]) -> "pd.DataFrame":
        """What was predicted after each of some training steps, one below the other.

        Raises:
            ClnormError: a step's file is missing or damaged.
        """
        import pandas as pd

        parts = [read_frame(self._step(after), hint=f"delete {self.path} to start this run anew") for after in steps]
        return pd.concat(parts, ignore_index=True)

    def _step(self, after: int, kind: str = "after") -> Path:
        return self.path / _STEPS / f"{kind}_{after}.parquet"

    def save_plasticity(self, after: int, measures: "pd.DataFrame") -> None:
        """Keep what was measured at the norm sites after a training step, likewise."""
        write_frame(self._step(after, "plasticity"), measures)

    def load_plasticity(self, after: int) -> "pd.DataFrame":
        """What was measured after a training step.

        Raises:
            ClnormError: the step's file is missing or damaged.
        """
        return read_frame(self._step(after, "plasticity"), hint=f"delete {self.path} to start this run anew")

    def _join_plasticity(self) -> None:
        """Write `plasticity.parquet`, the measures of all steps without the moments that the next step needed."""
        import pandas as pd

        steps = [int(file.stem.partition("_")[2]) for file in (self.path / _STEPS).glob("plasticity_*.parquet")]
        if steps:
            whole = pd.concat([self.load_plasticity(after) for after in sorted(steps)], ignore_index=True)
            write_frame(self.path / PLASTICITY_FILE, whole.drop(columns=list(MOMENTS)))

    def write_table(self, name: str, frame: "pd.DataFrame") -> None:
        """Write `name.parquet`, a table that a finished run leaves beside its predictions."""
        write_frame(self.path / f"{name}.parquet", frame)

    def write_results(self, record: RunRecord, predictions: "pd.DataFrame") -> None:
        """Write a finished run's files, its record last, and drop what only an unfinished one needs."""
        write_frame(self.path / "predictions.parquet", predictions)
        self._join_plasticity()
        self.write("matrix.csv", write_matrix(record))
        self.write("record.json", record.to_json())
        self.drop_state()

    def drop_state(self) -> None:
        """Remove what only an unfinished run needs; a kill may have left it beside a finished record."""
        self.state.drop()
        shutil.rmtree(self.path / _STEPS, ignore_errors=True)


class UnwrittenFolder(RunFolder):
    """A run's folder for a process that leaves all writing, and what was kept before, to the first of several."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.state = UnkeptState(path)

    def load(self) -> RunRecord | None:
        return None

    @contextmanager
    def locked(self) -> Iterator[None]:
        yield

    def write(self, name: str, text: str) -> None: ...

    def log(self, record: dict[str, Any]) -> None: ...

    def read_log(self) -> list[dict[str, Any]]:
        return []

    def save_predictions(self, after: int, predictions: "pd.DataFrame") -> None: ...

    def load_predictions(self, steps: Iterable[int]) -> "pd.DataFrame":
        import pandas as pd

        return pd.DataFrame()

    def write_table(self, name: str, frame: "pd.DataFrame") -> None: ...


def write_matrix(record: RunRecord) -> str:
    """The text of `matrix.csv`: the accuracies of a record, a line for each step, empty where there is none."""
    lines = [",".join("" if value is None else repr(value) for value in row) for row in record.matrix]
    header = ",".join(f"experience_{index + 1}" for index in range(len(record.experiences)))
    return "\n".join([header, *lines]) + "\n"


def write_frame(path: Path, frame: "pd.DataFrame") -> None:
    """Write a parquet file whose metadata hold its checksum, for `read_frame` to compare."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    buffer = BytesIO()
    pq.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), "checksum": UNSEALED}), buffer)
    sealed = seal(buffer.getvalue())
    replace_file(path, lambda file: file.write(sealed))


def read_frame(path: Path, *, hint: str, columns: list[str] | None = None) -> "pd.DataFrame":
    """The rows of a parquet file that a run wrote, with all of its columns or some.

    Raises:
        ClnormError: it is missing or damaged; `hint` says what to do.
    """
    import pyarrow.parquet as pq

    try:
        content = read_regular(path)
        if not check_seal(content):
            raise ValueError("it has no checksum")
        # A table of one run is small: threads, and all that reads many files as one, take longer than reading it.
        file = pq.ParquetFile(BytesIO(content))
        if absent := [name for name in columns or () if name not in file.schema_arrow.names]:
            raise ValueError(f"it has no column {absent[0]!r}")
        frame: pd.DataFrame = file.read(columns=columns, use_threads=False).to_pandas()
        return frame
    except (OSError, ValueError) as error:
        raise ClnormError(f"cannot be read ({error})", where=str(path), hint=hint) from error


def read_predictions(file: Path, record: RunRecord, *, columns: list[str] | None = None) -> "pd.DataFrame":
    """The predictions of a run, whose file has a checksum where its record has one, with all columns or some.

    Raises:
        ClnormError: they are missing or damaged.
    """
    import pandas as pd

    hint = "bring back the file that this run wrote, or delete the folder to run it again"
    if record.schema > 1:
        return read_frame(file, hint=hint, columns=columns)
    try:
        return pd.read_parquet(BytesIO(read_regular(file)), columns=columns)
    except (OSError, ValueError) as error:
        raise ClnormError(f"cannot be read ({error})", where=str(file), hint=hint) from error
