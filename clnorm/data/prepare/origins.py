"""Where a dataset is prepared from: its official archives, or others by their md5, or folders."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from clnorm.data.datasets.layout import VIDEOS, list_folders, refuse_own_splits
from clnorm.data.datasets.published import PUBLISHED, Published
from clnorm.data.prepare.archive import Member, list_folder, open_archive
from clnorm.data.prepare.download import md5_of
from clnorm.errors import UserError

if TYPE_CHECKING:
    from clnorm.progress import Reporter

ARCHIVES = "archives"
"""The folder in the root that downloads go to."""


def own_archives(root: Path, name: str) -> list[Path]:
    """The official archives that lie in the root; without any, the layout must be there already.

    Raises:
        UserError: there are none, and no layout, or one with a split of somebody else's.
    """
    published = PUBLISHED[name]
    candidates = [folder / archive.file for archive in published.archives for folder in (root, root / ARCHIVES)]
    found = [path for path in candidates if path.is_file()]
    if not found and not (root / VIDEOS).is_dir():
        if root.is_dir():
            refuse_own_splits(list_folders(root), dataset=name, where=str(root))
        raise UserError(
            "there is nothing to prepare from",
            where=str(root),
            legal=f"{' and '.join(archive.file for archive in published.archives)} in this folder",
            hint="pass --from ARCHIVE_OR_FOLDER, once for each, or --download",
        )
    return found


def open_source(
    path: Path,
    root: Path,
    stack: ExitStack,
    *,
    published: Published,
    accept: Sequence[str],
    reporter: "Reporter",
) -> list[Member]:
    """The members of a folder or of an archive, those of the official archives in a folder included.

    Args:
        path: the source.
        root: the folder to prepare, which must not lie in a source.
        stack: closes the archives.
        published: what the dataset consists of.
        accept: md5s of archives that may be taken though they are not the official ones.
        reporter: told of each archive that is not known to be official.

    Raises:
        UserError: an archive that is not official, or not to be read, or a folder that holds `root`.
        ClnormError: an archive is damaged, or nothing can decompress it.
    """
    if not path.is_dir():
        _check_md5(path, published=published, accept=accept, reporter=reporter)
        return stack.enter_context(open_archive(path, scratch=root))
    if root.resolve().is_relative_to(path.resolve()):
        raise UserError(f"{path} holds the folder to prepare", where="--from", hint="choose a folder outside of it")
    members = list_folder(path)
    official = [m for m in members if m.path.name in {archive.file for archive in published.archives}]
    rest = [member for member in members if member not in official]
    for member in official:
        inner = path / member.path
        rest += open_source(inner, root, stack, published=published, accept=accept, reporter=reporter)
    return rest


def _check_md5(path: Path, *, published: Published, accept: Sequence[str], reporter: "Reporter") -> None:
    """Whether this archive is an official one; that it is another, or that none is known, is said."""
    official = {archive.md5 for archive in published.archives if archive.md5 is not None}
    try:
        found = md5_of(path)
    except OSError as error:
        raise UserError(f"cannot read this archive: {error.strerror}", where=str(path)) from error
    if found in official:
        return
    if official and found not in accept:
        raise UserError(
            f"this is not an official archive: its md5 is {found}",
            where=str(path),
            legal=official,
            hint=f"download it again, or take it all the same with --accept {found}",
        )
    why = "not an official archive, accepted by its md5" if official else "no official md5 is known to compare with"
    reporter.note(f"{path}: {why} ({found})")
