"""ZIP archives, read by zipfile: what lists their entries is bounded before it is parsed, and so is what reading takes.

Of a member, zipfile hands out as many bytes as are listed at most, and compares their CRC at the end.
"""

import io
import zipfile
from contextlib import ExitStack
from pathlib import Path

from clnorm.data.prepare.limits import Tally
from clnorm.errors import UserError

_LISTED = 320  # bytes for an entry in the list: its header, name and what programs add; a clip has about 150
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_OTHERS = {9: "deflate64", 12: "bzip2", 14: "lzma", 93: "zstd", 95: "xz"}


class _BoundedFile(io.BufferedReader):
    """A file that refuses a read of more than `most` bytes: zipfile reads the list of an archive in one piece."""

    def __init__(self, path: Path, *, most: int, error: Exception) -> None:
        super().__init__(io.FileIO(path))
        self._most, self._error = most, error

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self._most:
            raise self._error
        return super().read(size)


def open_zip(path: Path, where: str, stack: ExitStack, tally: Tally) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]:
    """A ZIP archive and its entries, ready to be read; they are in the tally.

    Raises:
        UserError: it holds more than the limits say, is encrypted, or is compressed by another method than deflation.
        zipfile.BadZipFile: it is damaged.
    """
    most = max(1 << 20, tally.left * _LISTED)
    file = stack.enter_context(_BoundedFile(path, most=most, error=tally.too_many(where)))
    archive = stack.enter_context(zipfile.ZipFile(file))
    entries = archive.infolist()
    for info in entries:
        tally.count(where)
        if info.flag_bits & 1:
            what = f"the entry {info.filename!r} is encrypted"
            raise UserError(what, where=where, hint="unpack it by hand and pass the folder")
        if info.compress_type not in _METHODS:
            # zipfile unpacks these without a bound on memory: 4 kB of bzip2 can be 5 GB.
            method = _OTHERS.get(info.compress_type, str(info.compress_type))
            raise UserError(
                f"the entry {info.filename!r} is compressed by the method {method!r}",
                where=where,
                legal="stored or deflated entries",
                hint="unpack it by hand and pass the folder",
            )
    tally.weigh(where, sum(info.file_size for info in entries), packed=path.stat().st_size)
    return archive, entries
