"""Downloads the archives of a mirror on the Hugging Face hub, by the hub's own library.

One commit is asked for. Sizes and sha256 are known before, the hub must offer the same, and what came must have them.
No token is sent, even where the user has one.
"""

import errno
import importlib.metadata
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clnorm.data.datasets.published import Mirror, Repack
from clnorm.data.prepare.digests import sha256_of
from clnorm.errors import ClnormError, UserError

if TYPE_CHECKING:
    from clnorm.progress import Reporter

_LOWEST = (1, 20)  # of huggingface_hub: takes a bar of ours, and takes up a download where the server breaks it off
_SECONDS = 10.0
_INSTALL = "pip install 'clnorm[hub]'"
_ROOM = "free some room, or choose another folder, then give the same command again"
_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM}


def download_repacks(mirror: Mirror, folder: Path, *, reporter: "Reporter") -> list[Path]:
    """The archives of a mirror in `folder`, in their order; one that lies there already is not downloaded.

    What is asked of whom is said before. An interrupted download leaves nothing, and begins anew in the next call.

    Raises:
        UserError: HF_HUB_OFFLINE is set, or something else lies in an archive's place.
        ClnormError: the library is missing, the hub cannot be reached or has not what is wanted, the sha256 of what
            came is wrong (it is removed), or the disk is full.
    """
    wanted = [repack for repack in mirror.files if not _lies_there(folder / repack.file, repack)]
    if wanted:
        _require_library()
        from huggingface_hub import constants

        listed = ", ".join(f"{repack.file} ({repack.size:,} bytes)" for repack in wanted)
        source = f"datasets/{mirror.repo} at {mirror.revision} on {constants.ENDPOINT}"
        reporter.note(f"downloading from {source} and the storage that it names, without a token: {listed}")
        for repack in wanted:
            _compare_offer(mirror, repack, folder)
        _require_room(folder, wanted)
        for repack in wanted:
            _download(mirror, repack, folder, reporter=reporter)
    return [folder / repack.file for repack in mirror.files]


def _lies_there(path: Path, repack: Repack) -> bool:
    """Whether something of the archive's name and size is there already; its sha256 is checked where it is read."""
    if not os.path.lexists(path):
        return False
    if not path.is_file() or path.stat().st_size != repack.size:
        what = f"what lies here is not the archive, a file of {repack.size:,} bytes"
        raise UserError(what, where=str(path), hint="delete it, then give the same command again")
    return True


def _require_library() -> None:
    try:
        version = importlib.metadata.version("huggingface_hub")
    except importlib.metadata.PackageNotFoundError as error:
        raise ClnormError("the hub needs huggingface_hub", where="--mirror", hint=_INSTALL) from error
    if tuple(int(part) for part in version.split(".")[:2]) < _LOWEST:
        what = f"huggingface_hub {version} is too old"
        raise ClnormError(what, where="--mirror", legal="1.20 and newer", hint=_INSTALL)


def _address(mirror: Mirror, repack: Repack) -> str:
    from huggingface_hub import hf_hub_url

    return hf_hub_url(mirror.repo, repack.file, repo_type="dataset", revision=mirror.revision)


def _compare_offer(mirror: Mirror, repack: Repack, folder: Path) -> None:
    """Ask the hub for a file's size and sha256, before gigabytes of another file come."""
    from huggingface_hub import get_hf_file_metadata

    where = _address(mirror, repack)
    with _hub_errors(mirror, where, folder):
        offered = get_hf_file_metadata(where, token=False, timeout=_SECONDS)
    given = {"size": offered.size, "commit": offered.commit_hash, "sha256": offered.etag}
    known = {"size": repack.size, "commit": mirror.revision, "sha256": repack.sha256}
    for name, value in given.items():
        if value is not None and value != known[name] and (name != "sha256" or len(str(value)) == 64):
            what = f"the {name} of what is offered is {value}, not {known[name]}; nothing was downloaded"
            raise ClnormError(what, where=where, hint=_by_other_means(where))


def _require_room(folder: Path, wanted: Sequence[Repack]) -> None:
    needed = sum(repack.size for repack in wanted)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ClnormError(f"cannot be written: {error.strerror}", where=str(folder), hint=_ROOM) from error
    if needed > (free := shutil.disk_usage(folder).free):
        what = f"{needed / 1e6:,.1f} MB are to come and {free / 1e6:,.1f} MB are free"
        raise ClnormError(what, where=str(folder), hint=_ROOM)


def _download(mirror: Mirror, repack: Repack, folder: Path, *, reporter: "Reporter") -> None:
    """Download into a folder of its own, and move what came to `folder` when its sha256 is right."""
    from huggingface_hub import hf_hub_download

    where, part = _address(mirror, repack), folder / ".hub"
    shutil.rmtree(part, ignore_errors=True)  # left by a process that was killed
    reporter.start(f"downloading {repack.file}", total=repack.size, unit="bytes")
    try:
        with _hub_errors(mirror, where, folder):
            came = hf_hub_download(
                mirror.repo,
                repack.file,
                repo_type="dataset",
                revision=mirror.revision,
                local_dir=part,
                token=False,
                etag_timeout=_SECONDS,
                tqdm_class=_bar_class(reporter),
            )
        if (found := sha256_of(Path(came))) != repack.sha256:
            what = f"the sha256 of what came is {found}, not {repack.sha256}; it was removed"
            raise ClnormError(what, where=where, hint=_by_other_means(where))
        Path(came).replace(folder / repack.file)
    finally:
        reporter.finish()
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _hub_errors(mirror: Mirror, where: str, folder: Path) -> Iterator[None]:
    """Turn what the hub's library raises, and the libraries below it, into errors that say what to do."""
    from huggingface_hub import errors

    try:
        yield
    except Exception as error:
        if isinstance(error, errors.OfflineModeIsEnabled) or isinstance(error.__cause__, errors.OfflineModeIsEnabled):
            what = "HF_HUB_OFFLINE is set, and so the hub is not asked"
            raise UserError(what, where="--mirror", hint="unset it, or use --from") from error
        if isinstance(error, errors.RevisionNotFoundError):
            what = f"the hub has no commit {mirror.revision} of {mirror.repo} any more"
        elif isinstance(error, errors.RepositoryNotFoundError):
            what = f"the hub has no dataset {mirror.repo} that is open to all"
        elif isinstance(error, errors.EntryNotFoundError) and not isinstance(error, FileNotFoundError):
            what = "the hub has no such file"
        elif isinstance(error, OSError) and error.errno in _OF_THE_DISK:
            raise ClnormError(f"cannot be written: {error.strerror}", where=str(folder), hint=_ROOM) from error
        else:
            reason = " ".join(str(error.__cause__ or error).split()) or type(error).__name__
            what = f"cannot be downloaded: {reason}"
        raise ClnormError(what, where=where, hint=_by_other_means(where)) from error


def _by_other_means(where: str) -> str:
    return f"the same command begins this file anew; or get {where} by other means and pass it with --from"


def _bar_class(reporter: "Reporter") -> Any:
    """What the hub's library takes for a progress bar: it draws nothing, and tells `reporter` of bytes on the disk."""

    class Bar:
        def __init__(self, *, total: float | None = None, **drawing: object) -> None:
            self.n, self.total = 0, total

        def __enter__(self) -> "Bar":
            return self

        def __exit__(self, *raised: object) -> None:
            self.close()

        def update(self, count: float = 1) -> None:
            self.n += int(count)
            reporter.advance(int(count))

        def update_transfer(self, count: float) -> None:
            """Bytes that are not on the disk yet are not counted."""

        def set_postfix_str(self, text: str = "", refresh: bool = True) -> None:
            """Nothing is drawn."""

        set_transfer_postfix_str = set_postfix_str

        def refresh(self) -> None:
            """Nothing is drawn."""

        def close(self) -> None:
            """There is nothing to take down."""

    return Bar
