"""What a report is made of: the runs below a folder with what they keep, each file read once."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clnorm.console import visible
from clnorm.errors import ClnormError, UserError
from clnorm.results.explanation import EXPLANATION_FILE, Explanation, read_explanation
from clnorm.results.folder import PLASTICITY_FILE, read_frame
from clnorm.results.frames.confusion import PREDICTIONS_FILE
from clnorm.results.frames.losses import LOG_FILE, list_epochs
from clnorm.results.inspect import Confusion, count_predictions, list_changed
from clnorm.results.load import read_records, tabulate
from clnorm.results.record import RunRecord
from clnorm.results.selection import select

if TYPE_CHECKING:
    import pandas as pd

_SITE_COLUMNS = {"after", "site", "channels", "effective_rank"}


@dataclass(frozen=True)
class Run:
    """A run, and what its files say beside its record.

    Args:
        id: its place below the folder, made visible; no two runs have one.
        folder: of the run, as `results` name it.
        record: its record.
        done: experiences that were trained and evaluated.
        changed: the keys that differ from the defaults, each with its value and the default; None where what the run
            starts from is not known here.
        confusion: after the last step; None where it left no predictions.
        epochs: the rows of `clnorm.results.frames.losses`.
        sites: `plasticity.parquet`; None where nothing was measured.
        explanation: the parts of its forgetting; None where it was not explained.
    """

    id: str
    folder: str
    record: RunRecord
    done: int
    changed: dict[str, tuple[Any, Any]] | None
    confusion: Confusion | None
    epochs: list[dict[str, Any]]
    sites: "pd.DataFrame | None"
    explanation: Explanation | None

    @property
    def finished(self) -> bool:
        return self.record.status == "finished"


@dataclass(frozen=True)
class Collection:
    """The runs of a folder.

    Args:
        folder: its name, without the way to it.
        runs: by id.
        results: their rows of `load_results` with the groups `config`, `cost` and `folder`, but for `changed`, which
            says when files were written here.
        unreadable: what cannot be taken for a run, `where` below the folder.
        damaged: files of these runs that cannot be read, and are not shown, likewise.
    """

    folder: str
    runs: tuple[Run, ...]
    results: "pd.DataFrame"
    unreadable: tuple[ClnormError, ...]
    damaged: tuple[ClnormError, ...]


def collect(folder: str | Path, *, where: Iterable[str] = ()) -> Collection:
    """Read all runs below a folder.

    Args:
        folder: where the folders of runs lie, at any depth.
        where: conditions, as of `clnorm.results.selection.select`; runs that do not meet them are left out.

    Raises:
        UserError: there is no such folder, no finished run in it, or a condition is wrong.
        ClnormError: no run can be read.
    """
    root, unreadable, damaged = Path(folder), list[ClnormError](), list[ClnormError]()
    read = read_records(root, unreadable.append)
    rows = select(tabulate(read, columns=("config", "cost", "folder")), where)
    done = dict(zip(rows["folder"], rows["done"], strict=True))
    read = [(file.parent, record) for file, record in read if str(file.parent) in done]
    if not any(record.status == "finished" for _, record in read):
        raise UserError("holds no finished run", where=str(root), hint=f"go on with them: clnorm runs {root}")
    ids = _name_apart([path.relative_to(root).as_posix() for path, _ in read], root)
    runs = [
        _read_run(name, path, record, done[str(path)], damaged.append)
        for name, (path, record) in zip(ids, read, strict=True)
    ]
    below = [tuple(_seen_from(root, error) for error in errors) for errors in (unreadable, damaged)]
    name = visible(root.resolve().name or str(root))
    return Collection(name, tuple(runs), rows.drop(columns="changed"), *below)


def _name_apart(places: list[str], root: Path) -> list[str]:
    """Visible names; two that look alike then are counted."""
    taken, names = set[str](), []
    for place in places:
        name = plain = visible(root.resolve().name if place == "." else place)
        number = 1
        while name in taken:
            number += 1
            name = f"{plain} ({number})"
        taken.add(name)
        names.append(name)
    return names


def _seen_from(root: Path, error: ClnormError) -> ClnormError:
    """The error with its place below the folder, which is the same wherever the folder lies."""
    place = Path(error.where or "")
    inner = str(place.relative_to(root)) if place.is_relative_to(root) else str(place)
    return ClnormError(error.what, where=inner, hint=error.hint)


def _read_run(name: str, folder: Path, record: RunRecord, done: int, on_damaged: Callable[[ClnormError], None]) -> Run:
    def attempt(file: str, read: Callable[[Path], Any], otherwise: Any = None) -> Any:
        path = folder / file
        if not path.exists():
            return otherwise
        try:
            return read(path)
        except ClnormError as error:
            within = str(folder) in (error.where or "")
            on_damaged(error if within else error.within(str(path)))
            return otherwise

    return Run(
        id=name,
        folder=str(folder),
        record=record,
        done=int(done),
        changed=attempt("record.json", lambda _: list_changed(record.config)),
        confusion=attempt(PREDICTIONS_FILE, lambda path: count_predictions(path, record)),
        epochs=attempt(LOG_FILE, lambda _: list_epochs(folder), []),
        sites=attempt(PLASTICITY_FILE, _read_sites),
        explanation=attempt(EXPLANATION_FILE, lambda _: read_explanation(folder)),
    )


def _read_sites(file: Path) -> "pd.DataFrame":
    measures = read_frame(file, hint="delete it to leave it out")
    if absent := _SITE_COLUMNS - set(measures.columns):
        raise ClnormError(f"has no column {sorted(absent)[0]}", where=str(file))
    return measures
