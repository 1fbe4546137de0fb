"""The official lists that sources hold, brought into the dataset's folder; one that is there is never replaced.

A list says which clips are for training and which for testing: another under the same name is another split.
"""

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from clnorm.data.datasets.layout import VIDEOS, entries, few_clips
from clnorm.data.prepare.archive import Member, name_archive_errors
from clnorm.data.prepare.place import finished_classes
from clnorm.errors import UserError
from clnorm.files import replace_file

SPLITS = "splits"
_MOST = 16_000_000  # bytes; the lists of HMDB51 and UCF101 have less than 0.5 MB


@contextmanager
def write_lists(root: Path, members: Sequence[Member], *, pattern: str, folders: Sequence[str]) -> Iterator[None]:
    """Write the lists that the dataset lacks, each in full or not at all, for the block that brings the clips.

    They go to where its lists are, else to `root/splits`. Where the block fails and has finished no class, they are
    removed again.

    Args:
        root: the dataset's folder.
        members: the files of all sources, lists and others.
        pattern: what the names of lists match in full.
        folders: where below `root` lists are looked for, in this order.

    Raises:
        UserError: two sources give different lists of one name, the dataset has another of that name, or a file is too
            large for a list.
        ClnormError: one cannot be read or written.
    """
    given = _gather([member for member in members if re.fullmatch(pattern, member.path.name)])
    own = [path for folder in folders for path in _find_lists(root / folder, pattern)]
    _refuse_others(root, given, own)
    home, names = own[0].parent if own else root / SPLITS, {path.name for path in own}
    classes, written = finished_classes(root), list[Path]()
    try:
        for name, (_, text) in given.items():
            if name not in names:
                home.mkdir(exist_ok=True)
                written.append(home / name)
                _write(written[-1], text)
        yield
    except BaseException:
        if finished_classes(root) == classes:
            for path in written:
                path.unlink(missing_ok=True)
        raise


def _gather(members: Sequence[Member]) -> dict[str, tuple[Member, bytes]]:
    """Each list by its name, with the text; of several that say the same, the first."""
    given: dict[str, tuple[Member, bytes]] = {}
    others: dict[str, Member] = {}
    for member in members:
        text = _read(member)
        _, first = given.setdefault(member.path.name, (member, text))
        if _lines(first) != _lines(text):
            others.setdefault(member.path.name, member)
    if others:
        name, other = next(iter(others.items()))
        what = f"the sources give {few_clips(list(others), 'list')} more than once, with different content"
        hint = "give one of them only, such as --from FOLDER/videos for the clips of a folder without its lists"
        raise UserError(what, where=f"{_name(given[name][0])}, {_name(other)}", hint=hint)
    return given


def _find_lists(folder: Path, pattern: str) -> list[Path]:
    found = entries(folder) if folder.is_dir() else ()
    return sorted(Path(entry.path) for entry in found if entry.is_file() and re.fullmatch(pattern, entry.name))


def _refuse_others(root: Path, given: Mapping[str, tuple[Member, bytes]], own: Sequence[Path]) -> None:
    """Refuse lists that say something else than those of the dataset."""
    same = [path for path in own if path.name in given]
    differ = {path.name: path for path in same if _lines(path.read_bytes()) != _lines(given[path.name][1])}
    if differ:
        name, path = next(iter(differ.items()))
        what = f"the dataset has {few_clips(list(differ), 'list')} with other content than the sources give"
        hint = "to keep its split, leave out the sources' lists (--from FOLDER/videos for clips alone); for the "
        hint += f"sources' split, choose another folder, or remove {root / VIDEOS} and the lists in {path.parent} first"
        raise UserError(what, where=f"{path}, {_name(given[name][0])}", hint=hint)


def _lines(text: bytes) -> list[list[bytes]]:
    """What a list says, whatever the order of its lines, their ends and the blanks in them."""
    lines = text.removeprefix(codecs.BOM_UTF8).splitlines()
    return sorted(line.rsplit(None, 1) for line in map(bytes.strip, lines) if line)


def _read(member: Member) -> bytes:
    if member.size > _MOST:
        what = f"this list is {member.size / 1e6:,.0f} MB long, and no list of clips is longer than 16 MB"
        raise UserError(what, where=_name(member), hint="get the official lists")
    with name_archive_errors(member.source), member.open() as source:
        return source.read()


def _write(path: Path, text: bytes) -> None:
    replace_file(path, lambda file: file.write(text))


def _name(member: Member) -> str:
    return f"{member.source}: {member.path}"
