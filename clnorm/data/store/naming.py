"""What names a store and its content, without opening it: a finished run asks it, and needs no torch for that."""

import hashlib
import importlib.metadata
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from clnorm.data.store.file_state import compare_sources, digest_file
from clnorm.data.store.journal import INFO
from clnorm.data.store.sampling import keep_limit
from clnorm.data.table import ClipTable
from clnorm.files import cache_dir

SAMPLING_VERSION = 2
"""Raised whenever the same file would give other frames, so that stores decoded before are not taken for new ones."""

_LAYOUT = 3


def describe_store(table: ClipTable, *, frames: int, size: int, keep: str, cache: str, decoder: str) -> dict[str, Any]:
    """All that decides a store: its folder is named by the hash of this, and holds it."""
    return {
        "layout": _LAYOUT,
        "table": table.fingerprint,
        "clips": len(table),
        "limit": keep_limit(keep, frames=frames),
        "size": size,
        "decoder": decoder,
        "pixels": cache == "store",
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


def present_content(meta: dict[str, Any], table: ClipTable, *, workers: int) -> str | None:
    """The `digest_content` of a table's files as they are now, where the store `meta` knows them; nothing is decoded.

    Only files of another size or time than the store's are read. None where there is no such store, or one that cannot
    be read, which is an error when it is opened.
    """
    try:
        info = pd.read_parquet(locate_store(meta) / INFO, page_checksum_verification=True)
    except (OSError, ValueError):
        return None
    paths, digests = table.paths(), info["sha256"].tolist()
    for clip in compare_sources(paths, info, workers=workers)[0]:
        digests[clip] = digest_file(paths[clip])
    return digest_content(digests)
