"""`clnorm cache`: what the cache holds."""

import argparse
import os
import shutil
from pathlib import Path

from clnorm.cli.flags import Verbs
from clnorm.cli.output import print_text
from clnorm.errors import ClnormError


def add_cache(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    cache = verbs.add_parser(
        "cache",
        parents=[common],
        help="what the cache holds: decoded clips, made videos",
        description="What the cache holds, with sizes. All of it is made again when a run needs it; see: clnorm clean",
    )
    cache.set_defaults(verb=_cache)


def _cache(options: argparse.Namespace) -> None:
    from clnorm.files import cache_dir

    folder = cache_dir()
    parts = sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
    unread: list[OSError] = []
    print_text(_describe(folder, parts, unread))
    if unread:
        named = "; ".join(f"{error.filename}: {error.strerror}" for error in unread)
        raise ClnormError(f"{len(unread)} in the cache cannot be read and are not counted: {named}")


def _describe(folder: Path, parts: list[Path], unread: list[OSError]) -> str:
    lines = [str(folder)]
    total = 0
    for part in parts:
        entries, size = measure(part, unread)
        total += size
        lines.append(f"  {part.name:<20}{size / 1e6:>12,.1f} MB  {entries:,} entries")
    free = shutil.disk_usage(folder).free
    if others := sorted(path.name for path in folder.iterdir() if path not in parts):
        lines.append(f"  {len(others)} links and files, which are not counted: {', '.join(others)}")
    return "\n".join([*lines, f"  {'all':<20}{total / 1e6:>12,.1f} MB  {free / 1e9:,.0f} GB are free on the disk"])


def measure(part: Path, unread: list[OSError]) -> tuple[int, int]:
    """How many things stand in a folder, and the bytes of all files below it; links are counted, not followed.

    Errors are added to `unread`, but for what another process deletes meanwhile.
    """
    entries, size = 0, 0
    for place, folders, files in os.walk(part, onerror=unread.append):
        if Path(place) == part:
            entries = len(folders) + len(files)
        for name in files:
            try:
                size += (Path(place) / name).lstat().st_size
            except FileNotFoundError:
                continue
            except OSError as error:
                unread.append(error)
    return entries, size
