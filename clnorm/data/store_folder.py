"""The folder of a finished store: what names it, how it is loaded, and how it is brought up to files that changed."""

import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from clnorm.data.build import BuildOptions, build_store
from clnorm.data.cache import cache_dir
from clnorm.data.decode import SAMPLING_VERSION
from clnorm.data.part import FRAMES, INFO, META, ClipRow, read_meta, write_info
from clnorm.data.pixels import DecodedPixels, MappedPixels, Pixels
from clnorm.data.sources import compare_sources, digest_file
from clnorm.data.table import ClipTable
from clnorm.errors import ClnormError
from clnorm.files import replace_file

_LAYOUT = 2

Note = Callable[[str], None]


def describe_store(table: ClipTable, *, limit: int | None, size: int, decoder: str, pixels: bool) -> dict[str, Any]:
    """All that decides a store: its folder is named by the hash of this, and holds it."""
    return {
        "layout": _LAYOUT,
        "table": table.fingerprint,
        "clips": len(table),
        "limit": limit,
        "size": size,
        "decoder": decoder,
        "pixels": pixels,
        "sampling": SAMPLING_VERSION,
        "torchcodec": importlib.metadata.version("torchcodec"),
    }


def locate_store(meta: dict[str, Any]) -> Path:
    """The folder of the store that `describe_store` describes, whether it is there or not."""
    key = hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()[:20]
    return cache_dir() / "stores" / key


def digest_content(digests: Iterable[str]) -> str:
    """sha256 (hex) of the sha256 of all files, in the order of the clips."""
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def read_present_content(folder: Path, table: ClipTable, *, workers: int) -> str | None:
    """The `digest_content` of a table's files as they are now, where a store knows them; nothing is decoded.

    Only files of another size or time than the store's are read. None where there is no store in `folder`, or one that
    cannot be read, which is an error when it is opened.
    """
    try:
        info = pd.read_parquet(folder / INFO, page_checksum_verification=True)
    except (OSError, ValueError):
        return None
    paths, digests = table.paths(), info["sha256"].tolist()
    for clip in compare_sources(paths, info, workers=workers)[0]:
        digests[clip] = digest_file(paths[clip])
    return digest_content(digests)


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
