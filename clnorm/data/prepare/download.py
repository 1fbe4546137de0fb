"""Downloads official archives, resumed and retried. Nothing else in this folder uses the network."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from clnorm.data.datasets.published import Archive
from clnorm.errors import ClnormError

if TYPE_CHECKING:
    from clnorm.progress import Reporter

_TIMEOUT = (10.0, 60.0)  # seconds to connect, and between bytes
_RETRIES = 3


def download(archive: Archive, folder: Path, *, reporter: "Reporter") -> Path:
    """The archive in `folder`, downloaded unless it lies there already, with its md5 checked where that is known.

    A download that was interrupted goes on where it stopped (HTTP Range) in the next call.

    Raises:
        ClnormError: the server cannot be reached or fails, the md5 is wrong (the file is removed), or the disk is full.
    """
    path = folder / archive.file
    if path.exists():
        return path
    import gdown  # with requests and more, which only a download needs
    import requests

    done = 0

    def progress(reached: int, total: int | None) -> None:
        nonlocal done
        if not done:
            reporter.start(f"downloading {archive.file}", total=total or 0, unit="bytes")
        reporter.advance(reached - done)
        done = reached

    hint = f"the same command goes on where it stopped; or get {archive.url} by other means and pass it with --from"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        gdown.download(
            archive.url,
            str(path),
            quiet=True,
            use_cookies=False,
            resume=True,
            progress=progress,
            timeout=_TIMEOUT,
            retries=_RETRIES,
            user_agent="clnorm",
        )
    except (requests.RequestException, gdown.exceptions.DownloadError) as error:
        reason = " ".join(str(error).split())
        raise ClnormError(f"cannot be downloaded: {reason}", where=archive.url, hint=hint) from error
    except OSError as error:
        raise ClnormError(f"cannot be written: {error.strerror}", where=str(path), hint="free some room") from error
    finally:
        reporter.finish()
    if archive.md5 is not None and (found := md5_of(path)) != archive.md5:
        path.unlink()
        raise ClnormError(f"the md5 of what came is {found}, not {archive.md5}", where=archive.url, hint=hint)
    return path


def md5_of(path: Path) -> str:
    """The md5 (hex) of a file: what archives are published with, no protection against an attacker."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
