"""`clnorm clean`: what can be deleted, in the cache and in folders of runs; nothing is, unless that is asked for."""

import argparse
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from clnorm.cli.cache import measure
from clnorm.cli.flags import Verbs
from clnorm.cli.output import print_text
from clnorm.errors import ClnormError, UserError

_STATES = "states"
_DAY = 86_400


@dataclass(frozen=True)
class Leftover:
    """Something that is made again when it is needed.

    Args:
        kind: the part of the cache that it is in, or `states`.
        paths: its files and folders.
        size: bytes.
        used: when it was last used, in seconds since 1970.
        lock: the file that whoever uses it holds.
    """

    kind: str
    paths: tuple[Path, ...]
    size: int
    used: float
    lock: Path


def add_clean(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    clean = verbs.add_parser(
        "clean",
        parents=[common],
        help="delete what was not used for long: decoded clips, shared beginnings, states of stopped runs",
        description="Lists what the cache holds and what stopped runs left, with sizes; --delete deletes it. What is "
        "in the cache is made again when a run needs it. A stopped run whose state is gone starts anew.",
    )
    clean.add_argument("folder", nargs="?", help="a folder of runs, whose states are listed too")
    clean.add_argument("--kind", metavar="NAME", help="only this kind, such as stores, prefixes or states")
    clean.add_argument(
        "--unused", type=float, default=30.0, metavar="DAYS", help="only what was not used for so long (default: 30)"
    )
    clean.add_argument("--delete", action="store_true", help="delete it; what a process holds stays")
    clean.set_defaults(verb=_clean)


def _clean(options: argparse.Namespace) -> None:
    found = [*_list_cache(), *(_list_states(Path(options.folder)) if options.folder is not None else ())]
    kinds = {item.kind for item in found}
    if options.kind is not None and options.kind not in kinds:
        raise UserError(f"there are no {options.kind!r}", where="--kind", legal=kinds, given=options.kind)
    limit = time.time() - options.unused * _DAY
    chosen = [item for item in found if item.used <= limit and options.kind in (None, item.kind)]
    lines = [f"  {item.kind:<12}{item.size / 1e6:>10,.1f} MB  {_ago(item.used):>9}  {item.paths[0]}" for item in chosen]
    total = sum(item.size for item in chosen)
    if not options.delete:
        age = f"not used for {options.unused:g} days" if options.unused else "in all"
        hint = "; --delete deletes that" if chosen else ""
        print_text("\n".join([*lines, f"{len(chosen)} of {len(found)} {age}: {total / 1e6:,.1f} MB{hint}"]))
        return
    held = [item for item in chosen if not _delete(item)]
    freed = total - sum(item.size for item in held)
    kept = f"; {len(held)} that are in use stay" if held else ""
    print_text(f"deleted {len(chosen) - len(held)}: {freed / 1e6:,.1f} MB{kept}")


def _list_cache() -> Iterator[Leftover]:
    from clnorm.files import cache_dir

    for part in sorted(cache_dir().iterdir()):
        if part.is_symlink() or not part.is_dir():
            continue
        for path in sorted(part.iterdir()):
            if path.suffix != ".lock" and not path.is_symlink():
                yield _describe(part.name, (path,), lock=_lock_of(path))


def _list_states(folder: Path) -> Iterator[Leftover]:
    """The states of runs that were stopped, at any depth."""
    from clnorm.results.state import StateFiles

    if not folder.is_dir():
        raise UserError("there is no such folder", where=str(folder), hint="give the --out of your runs")
    for run in sorted({file.parent for file in folder.rglob("state*.pt")}):
        if files := StateFiles(run).found():
            yield _describe(_STATES, files, lock=run / ".lock")


def _describe(kind: str, paths: tuple[Path, ...], *, lock: Path) -> Leftover:
    unread: list[OSError] = []
    size = sum(measure(path, unread)[1] if path.is_dir() else path.stat().st_size for path in paths)
    used = max(path.stat().st_mtime for path in paths)
    if unread:
        raise ClnormError(f"cannot be read ({unread[0].strerror})", where=str(unread[0].filename))
    return Leftover(kind, paths, size, used, lock)


def _lock_of(path: Path) -> Path:
    """The lock of something in the cache; an unfinished store has that of the store."""
    return path.with_name(f"{path.name.removesuffix('.part').removesuffix('.unfinished').removesuffix('.pt')}.lock")


def _delete(item: Leftover) -> bool:
    """Delete something; False where a process holds it."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(item.lock, timeout=0):
            for path in item.paths:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    except Timeout:
        return False
    except OSError as error:
        raise ClnormError(f"cannot be deleted ({error.strerror})", where=str(item.paths[0])) from error
    return True


def _ago(used: float) -> str:
    days = (time.time() - used) / _DAY
    return f"{days:.0f} days" if days >= 2 else f"{24 * days:.0f} h"
