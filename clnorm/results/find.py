"""The runs below a folder: each once, links followed, and what cannot be looked into said."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from clnorm.errors import ClnormError

_RECORD = "record.json"
_OF_A_RUN = {"state.pt", "log.jsonl", "predictions.parquet", "matrix.csv"}


def find_records(root: Path, on_problem: Callable[[ClnormError], None]) -> list[Path]:
    """The `record.json` of each run below a folder, at any depth, sorted by path.

    Links to folders are followed. A folder that several ways lead to, by links or a loop of them, counts once, under
    the way without a link where there is one.

    Args:
        root: a folder.
        on_problem: told of a folder that cannot be looked into, of one with files of a run and no record, and of a
            link outside of runs that leads nowhere.
    """
    found, seen, refused = list[Path](), set[tuple[int, int]](), set[str]()

    def refuse(error: OSError) -> None:
        if error.filename not in refused:
            on_problem(ClnormError(f"cannot be looked into ({error.strerror})", where=str(error.filename)))
        refused.add(error.filename)

    starts = [root]
    while starts:
        links = list[Path]()
        for start in starts:
            for name, folders, files in os.walk(start, onerror=refuse):
                folder = Path(name)
                try:
                    status = folder.stat()
                    if (status.st_dev, status.st_ino) in seen:
                        folders.clear()
                        continue
                    seen.add((status.st_dev, status.st_ino))
                    links += [path for each in folders if (path := folder / each).is_symlink()]
                    if _RECORD in files or _RECORD in folders:
                        found.append(folder / _RECORD)
                    else:
                        for problem in _look_for_lacks(folder, files):
                            on_problem(problem)
                except OSError as error:
                    refuse(error)
        starts = sorted(links)
    return sorted(found)


def describe_lack(folder: Path) -> ClnormError | None:
    """Why there is no record in what should be a run's folder; None where nothing of a run is there.

    Raises:
        OSError: it cannot be looked into.
    """
    for path in (folder, folder / _RECORD):
        if path.is_symlink() and not path.exists():
            return _leads_nowhere(path)
    if not folder.is_dir():
        return None
    return next(_look_for_lacks(folder, [path.name for path in folder.iterdir()]), None)


def _look_for_lacks(folder: Path, names: Iterable[str]) -> Iterator[ClnormError]:
    names = sorted(names)
    if _OF_A_RUN.intersection(names):
        config = folder / "config.yaml"
        hint = f"do the run again: clnorm run --config {config}" if config.name in names else "do the run again"
        yield ClnormError(f"has files of a run and no {_RECORD}", where=str(folder), hint=hint)
    for path in (folder / name for name in names):
        if path.is_symlink() and not path.exists():
            yield _leads_nowhere(path)


def _leads_nowhere(path: Path) -> ClnormError:
    return ClnormError("is a link that leads nowhere", where=str(path))
