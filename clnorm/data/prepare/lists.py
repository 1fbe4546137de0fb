"""The official lists that sources hold, brought into the dataset's folder."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from clnorm.data.prepare.archive import Member, name_archive_errors
from clnorm.data.prepare.place import finished_classes
from clnorm.errors import UserError
from clnorm.files import replace_file

SPLITS = "splits"
_MOST = 16_000_000  # bytes; the lists of HMDB51 and UCF101 have less than 0.5 MB


@contextmanager
def write_lists(root: Path, members: Sequence[Member]) -> Iterator[None]:
    """Write lists into `root/splits`, each in full or not at all, for the block that brings the clips.

    Where the block fails and has finished no class, they are again as they were.

    Raises:
        UserError: a file is too large for a list.
        ClnormError: one cannot be read or written.
    """
    folder, classes = root / SPLITS, finished_classes(root)
    if members:
        folder.mkdir(exist_ok=True)
    before: dict[Path, bytes | None] = {}
    try:
        for member in members:
            path = folder / member.path.name
            text = _read(member)
            before.setdefault(path, path.read_bytes() if path.is_file() else None)
            _write(path, text)
        yield
    except BaseException:
        if finished_classes(root) == classes:
            for path, old in before.items():
                if old is None:
                    path.unlink(missing_ok=True)
                else:
                    _write(path, old)
        raise


def _read(member: Member) -> bytes:
    if member.size > _MOST:
        what = f"this list is {member.size / 1e6:,.0f} MB long, and no list of clips is longer than 16 MB"
        raise UserError(what, where=f"{member.source}: {member.path}", hint="get the official lists")
    with name_archive_errors(member.source), member.open() as source:
        return source.read()


def _write(path: Path, text: bytes) -> None:
    replace_file(path, lambda file: file.write(text))
