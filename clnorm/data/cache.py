"""The one folder in which clnorm keeps what it can make again: decoded clips and synthetic videos."""

import os
from pathlib import Path

from clnorm.errors import UserError


def cache_dir() -> Path:
    """$CLNORM_CACHE, else $XDG_CACHE_HOME/clnorm, else ~/.cache/clnorm; created where it does not exist.

    Raises:
        UserError: the folder cannot be created or written.
    """
    folder = _chosen()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, error.strerror or str(error)) from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise _unusable(folder, "no permission to write")
    return folder


def _chosen() -> Path:
    if own := os.environ.get("CLNORM_CACHE"):
        return Path(own).absolute()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base).absolute() / "clnorm"
    try:
        return Path.home() / ".cache" / "clnorm"
    except RuntimeError as error:
        raise UserError("there is no home folder to keep a cache in", hint="set CLNORM_CACHE to a folder") from error


def _unusable(folder: Path, reason: str) -> UserError:
    return UserError(
        f"{reason}", where=f"cache folder {folder}", hint="set CLNORM_CACHE to a folder that can be written"
    )
