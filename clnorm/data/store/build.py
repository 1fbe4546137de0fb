"""Build the folder of a store: decode every clip of a table and write the frames, all of them or nothing."""

import contextlib
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clnorm.data.store.ahead import map_ahead
from clnorm.data.store.decode import TRIM_EVERY, read_clip, return_memory
from clnorm.data.store.file_state import ABSENT, digest_file, read_state
from clnorm.data.store.journal import FRAMES, ClipRow, Part, Pixels, read_meta
from clnorm.data.store.video import DecodeError, require_decoder
from clnorm.data.table import ClipTable
from clnorm.errors import ClnormError

Progress = Callable[[int, int], None]
Known = Callable[[int], tuple[ClipRow, Pixels | None] | None]
"""What is known of a clip, from its id; None where it must be decoded."""

_AHEAD = 4  # clips a thread


class BadClipsError(ClnormError):
    """Clips that cannot be decoded, where nobody said that they may be skipped."""


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """How a store is built; none of it changes the pixels.

    Args:
        skip_bad: accept clips that cannot be decoded.
        progress: called with (clips done, clips in all).
        workers: threads that decode.
    """

    skip_bad: bool
    progress: Progress | None
    workers: int


def build_store(
    folder: Path, table: ClipTable, meta: Mapping[str, Any], options: BuildOptions, *, known: Known = lambda clip: None
) -> None:
    """Decode `table` into `folder`, which appears only when it is complete. The caller holds the lock of `folder`.

    A build that was killed or interrupted is continued; one that failed leaves nothing.

    Args:
        folder: a new one, or a store to be replaced.
        table: the clips.
        meta: what the store will be: `limit`, the most frames kept of a clip (None: all), `size`, `decoder`, and
            whether it has `pixels` or only knows its clips.
        options: how.
        known: clips that need not be decoded.

    Raises:
        BadClipsError: clips cannot be decoded and `skip_bad` is off, or none can.
        UserError, ClnormError: there is too little room, or nothing to decode with.
        OSError: writing fails.
    """
    require_decoder(meta["decoder"])
    part_folder = folder.with_name(f"{folder.name}.part")
    if read_meta(part_folder) != meta:
        shutil.rmtree(part_folder, ignore_errors=True)
    _check_room(folder, clips=len(table), meta=meta, written=part_folder / FRAMES)
    paths = table.paths()
    sizes = table.frame["bytes"].tolist()

    def read(clip: int) -> tuple[ClipRow, Pixels | None]:
        return known(clip) or _decode(paths[clip], listed=sizes[clip], meta=meta)

    try:
        with Part(part_folder, meta, is_valid=lambda clip, row: row.state == read_state(paths[clip])) as part:
            _write_clips(part, read, clips=len(table), options=options)
            bad = {clip: row.reason for clip, row in enumerate(part.rows) if row.reason}
            if bad and (not options.skip_bad or len(bad) == len(table)):
                raise bad_clips_error(table, bad)
            if folder.exists():
                shutil.rmtree(folder)
            part.finish(folder)
    except Exception:
        shutil.rmtree(part_folder, ignore_errors=True)
        raise


def _write_clips(
    part: Part, read: Callable[[int], tuple[ClipRow, Pixels | None]], *, clips: int, options: BuildOptions
) -> None:
    """Add the clips that the part lacks, read side by side, a few ahead."""
    progress = options.progress or (lambda done, total: None)
    if part.rows:
        progress(len(part.rows), clips)
    pool = ThreadPoolExecutor(options.workers, thread_name_prefix="decode")
    try:
        for row, pixels in map_ahead(pool, read, range(len(part.rows), clips), ahead=_AHEAD * options.workers):
            part.add(row, pixels if part.meta["pixels"] else None)
            progress(len(part.rows), clips)
            if len(part.rows) % TRIM_EVERY == 0:
                return_memory()
    finally:
        pool.shutdown(cancel_futures=True)


def _decode(path: Path, *, listed: int, meta: Mapping[str, Any]) -> tuple[ClipRow, Pixels | None]:
    """Decode a clip. What its file is is read first: if it changes meanwhile, the store is seen to be out of date."""
    state, digest = read_state(path), digest_file(path)
    try:
        if state.bytes not in (listed, ABSENT.bytes):
            reason = f"it has changed since it was listed, from {listed} to {state.bytes} bytes"
            raise DecodeError(path, reason)
        decoded = read_clip(path, frames=meta["limit"], size=meta["size"], decoder=meta["decoder"])
    except DecodeError as error:
        return ClipRow(0, 0, None, error.reason, 0, *state, digest, uneven=False), None
    kept: Pixels = decoded.kept.numpy()
    found = (len(kept), decoded.decoded, decoded.header, "", zlib.crc32(kept.data))
    return ClipRow(*found, *state, digest, decoded.uneven), kept


def bad_clips_error(table: ClipTable, bad: Mapping[int, str], *, hint: str | None = None) -> BadClipsError:
    """The error that names the first bad clips, each with its reason."""
    paths = table.frame["path"]
    shown = [f"{paths.iloc[clip]}: {bad[clip]}" for clip in sorted(bad)[:3]]
    more = [f"and {len(bad) - len(shown)} more"] if len(bad) > len(shown) else []
    what = f"{len(bad)} of {len(table)} clips cannot be decoded ({'; '.join([*shown, *more])})"
    if len(bad) == len(table):
        return BadClipsError(what, where=str(table.root), hint="see: clnorm doctor")
    skip = "leave them out with --set data.skip_bad=true"
    return BadClipsError(what, where=str(table.root), hint=skip if hint is None else f"{skip}, {hint}")


@contextlib.contextmanager
def name_disk_errors(folder: Path) -> Iterator[None]:
    """Turn an error of the file system into one that names the store and the way out."""
    try:
        yield
    except OSError as error:
        raise _disk_error(folder, error.strerror or str(error)) from error


def _disk_error(folder: Path, reason: str) -> ClnormError:
    return ClnormError(
        f"cannot write the decoded clips: {reason}",
        where=str(folder),
        hint="free some room, or set CLNORM_CACHE to a folder on another disk",
    )


def _check_room(folder: Path, *, clips: int, meta: Mapping[str, Any], written: Path) -> None:
    """Refuse to begin what may not fit. How many frames all clips have together is not known before."""
    if meta["limit"] is None or not meta["pixels"]:
        return
    done = written.stat().st_size if written.exists() else 0
    needed, free = clips * meta["limit"] * 3 * meta["size"] ** 2, shutil.disk_usage(folder.parent).free
    if needed > free + done:
        raise _disk_error(folder, f"they need {needed / 1e9:.2f} GB and {(free + done) / 1e9:.2f} GB are free")
