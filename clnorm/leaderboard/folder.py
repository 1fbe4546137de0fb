"""The folder of a leaderboard: replaced as a whole, and never one that holds anything else."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from clnorm.errors import ClnormError, UserError
from clnorm.files import new_file, sync_folder

MARKER = ".clnorm-leaderboard"
"""The file that says that a folder was made here, and which files were."""

_FIRST = "Made by clnorm leaderboard, which replaces this folder as a whole. Its files:"


def check_target(folder: str | Path) -> Path:
    """Where the folder will be, with links followed.

    Raises:
        UserError: something is there that is not this program's own, or there is no folder that it could be in.
    """
    target = Path(folder).expanduser().resolve()
    hint = "choose another --out, or empty it yourself"
    if not target.name or not target.parent.is_dir():
        raise UserError("there is no folder that it could be in", where=f"--out {folder}", hint="make that first")
    if target.exists() and not target.is_dir():
        raise UserError("is a file", where=f"--out {folder}", legal="a folder", hint="choose another --out")
    if not target.exists() or not (there := sorted(path.name for path in target.iterdir())):
        return target
    own = _read_marker(target / MARKER)
    if own is None:
        what = f"is a folder that clnorm leaderboard has not made: it holds {there[0]}"
        raise UserError(what, where=f"--out {folder}", hint=hint)
    if others := [name for name in there if name not in own]:
        what = f"holds {others[0]}, which clnorm leaderboard has not made and would delete"
        raise UserError(what, where=f"--out {folder}", hint="move it elsewhere, or choose another --out")
    return target


def _read_marker(marker: Path) -> set[str] | None:
    """The names of the files that were made, its own among them; None where it is no marker."""
    if marker.is_symlink() or not marker.is_file():
        return None
    first, *names = marker.read_text(encoding="utf-8", errors="replace").splitlines()[:100_000] or [""]
    return {*names, MARKER} if first == _FIRST else None


def replace_folder(target: Path, files: Mapping[str, str]) -> None:
    """Put files in the place of whatever `check_target` has allowed at `target`: all of them, or nothing changes.

    Args:
        target: as `check_target` gives it.
        files: their texts by name.

    Raises:
        ClnormError: it cannot be written; what was there is as it was.
    """
    try:
        made = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    except OSError as error:
        raise ClnormError(f"cannot be written ({error.strerror or error})", where=str(target.parent)) from error
    try:
        made.chmod(0o755)  # a temporary folder is its owner's alone, and a site is for all
        marker = "\n".join([_FIRST, *sorted(files)]) + "\n"
        for name, text in {**files, MARKER: marker}.items():
            with new_file(made / name) as file:
                file.write(text.encode())
        sync_folder(made)
        _exchange(made, target)
    except OSError as error:
        raise ClnormError(f"cannot be written ({error.strerror or error})", where=str(target)) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _exchange(made: Path, target: Path) -> None:
    """The new folder in the place of the old one, which goes; where that fails the old one stays."""
    if not target.exists():
        made.rename(target)
        return
    old = made.with_name(f"{made.name}.old")
    target.rename(old)
    try:
        made.rename(target)
    except OSError:
        old.rename(target)
        raise
    sync_folder(target.parent)
    shutil.rmtree(old)
