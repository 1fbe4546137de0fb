"""Downloads official archives, resumed and retried. Nothing else in this folder but `hub.py` uses the network."""

from pathlib import Path
from typing import TYPE_CHECKING

from clnorm.data.datasets.published import Archive, Published
from clnorm.data.prepare.archive import is_archive
from clnorm.data.prepare.digests import md5_of
from clnorm.data.prepare.hub import download_repacks
from clnorm.errors import ClnormError

if TYPE_CHECKING:
    from clnorm.progress import Reporter

_TIMEOUT = (10.0, 60.0)  # seconds to connect, and between bytes
_RETRIES = 3


def fetch_archives(published: Published, folder: Path, *, mirror: bool, reporter: "Reporter") -> list[Path]:
    """All archives of a dataset in `folder`, downloaded where they do not lie there already.

    Args:
        published: what the dataset consists of.
        folder: where they come to; it is created.
        mirror: take those of the mirror, which there must be, and not those of the authors' server.
        reporter: told of addresses and of progress.

    Raises:
        UserError: the user's settings forbid it.
        ClnormError: one cannot be downloaded.
    """
    if mirror and published.mirror:
        return download_repacks(published.mirror, folder, reporter=reporter)
    other = f"; or add --mirror, for the copies of {published.mirror.repo} on the hub" if published.mirror else ""
    return [download(archive, folder, reporter=reporter, other=other) for archive in published.archives]


def download(archive: Archive, folder: Path, *, reporter: "Reporter", other: str = "") -> Path:
    """The archive in `folder`, downloaded unless it lies there already, with its md5 checked where that is known.

    A download that was interrupted goes on where it stopped (HTTP Range) in the next call.

    Args:
        archive: what to download, and from where.
        folder: where it comes to.
        reporter: told of the address before it is asked, and of progress.
        other: what else a user can do where it fails, for the end of the error's hint.

    Raises:
        ClnormError: the server cannot be reached or fails, what came is no archive or has another md5 (it is
            removed), or the disk is full.
    """
    path = folder / archive.file
    if path.is_file():
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

    elsewhere = f"get {archive.url} by other means and pass it with --from{other}"
    reporter.note(f"downloading from {archive.url}")
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
        reason, hint = " ".join(str(error).split()), f"the same command goes on where it stopped; or {elsewhere}"
        raise ClnormError(f"cannot be downloaded: {reason}", where=archive.url, hint=hint) from error
    except OSError as error:
        raise ClnormError(
            f"cannot be written: {error.strerror}", where=str(path), hint="free some room, or choose another folder"
        ) from error
    finally:
        reporter.finish()
    what = "" if is_archive(path) else "what came is no archive, perhaps a page of a server that has it no more"
    if not what and archive.md5 is not None and (found := md5_of(path)) != archive.md5:
        what = f"the md5 of what came is {found}, not {archive.md5}"
    if what:
        path.unlink()
        raise ClnormError(f"{what}; it was removed", where=archive.url, hint=elsewhere)
    return path
