"""The folder of a finished store: how it is loaded, and how it is brought up to files that changed."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from clnorm.data.store.build import BuildOptions, build_store
from clnorm.data.store.file_state import compare_sources
from clnorm.data.store.journal import FRAMES, INFO, META, ClipRow, read_meta, write_info
from clnorm.data.store.pixels import DecodedPixels, MappedPixels, Pixels
from clnorm.data.table import ClipTable
from clnorm.errors import ClnormError
from clnorm.files import replace_file

Note = Callable[[str], None]


def load_store(folder: Path, table: ClipTable, meta: dict[str, Any], *, workers: int) -> tuple[pd.DataFrame, Pixels]:
    """The rows of a store, `ClipRow`, and what gives its pixels.

    Raises:
        ClnormError: its structure is damaged.
    """
    size = meta["size"]
    try:
        mapped = np.lib.format.open_memmap(folder / FRAMES, mode="r") if meta["pixels"] else None
        info = pd.read_parquet(folder / INFO, page_checksum_verification=True)
    except (OSError, ValueError) as error:
        raise _damaged(folder, " ".join(str(error).split())) from error
    if read_meta(folder) != meta:
        raise _damaged(folder, f"{META} is missing or describes another store")
    if len(info) != meta["clips"] or list(info.columns) != list(ClipRow._fields):
        raise _damaged(folder, f"{INFO} holds {len(info)} rows of {', '.join(info.columns)}")
    if mapped is None:
        shape = {"limit": meta["limit"], "size": size, "decoder": meta["decoder"]}
        return info, DecodedPixels(table.paths(), info, **shape, workers=workers)
    kept, crc32 = (info[name].to_numpy(dtype=np.int64) for name in ("kept", "crc32"))
    if mapped.shape != (kept.sum(), 3, size, size) or mapped.dtype != np.uint8:
        raise _damaged(folder, f"{FRAMES} holds {mapped.dtype} {mapped.shape}")

    def wrong_clip(clip: int) -> ClnormError:
        return _damaged(folder, f"clip {clip} has another checksum than when it was written")

    return info, MappedPixels(np.asarray(mapped), kept, crc32, wrong_clip)


def renew_store(
    folder: Path,
    info: pd.DataFrame,
    pixels: Pixels,
    *,
    table: ClipTable,
    meta: dict[str, Any],
    options: BuildOptions,
    note: Note | None,
) -> bool:
    """Bring a store, as `load_store` gives it, up to its files; whether anything of it was written."""
    changed, present = compare_sources(table.paths(), info, workers=options.workers)
    if not changed:
        if present is not info:
            replace_file(folder / INFO, partial(write_info, present))
        return present is not info
    if note is not None:
        first = table.frame["path"].iloc[changed[0]]
        note(f"{len(changed)} clips have other files than when they were decoded, {first} first: decoded anew.")
    stale = set(changed)
    rows = [ClipRow(*row) for row in present.astype(object).where(present.notna(), None).itertuples(index=False)]

    def known(clip: int) -> tuple[ClipRow, npt.NDArray[np.uint8] | None] | None:
        if clip in stale:
            return None
        return rows[clip], pixels.clip(clip) if isinstance(pixels, MappedPixels) else None

    build_store(folder, table, meta, options, known=known)
    return True


def _damaged(folder: Path, reason: str) -> ClnormError:
    return ClnormError(
        f"the decoded clips are damaged: {reason}",
        where=str(folder),
        hint="delete this folder and run the same command again, which decodes them anew",
    )
