"""How much archives may hold: counted while they are listed, before anything of them is written."""

import math
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from clnorm.errors import UserError

_NUMBER = re.compile(r"([0-9]+)([kMGT]?)")
_THOUSANDS = ("", "k", "M", "G", "T")


@dataclass(frozen=True)
class Limits:
    """What the archives of one call may hold; the defaults are several times what HMDB51 and UCF101 need.

    Args:
        entries: files and folders of all archives, archives within archives included; of a RAR, its headers.
        bytes: of all their files, unpacked.
        ratio: an archive's files, unpacked, in times the size of the archive itself.
    """

    entries: int = 50_000
    bytes: int = 50_000_000_000
    ratio: int = 100


def parse_limits(words: Iterable[str]) -> Limits:
    """`Limits` with other numbers, each given as `NAME=N`; N is a whole number above 0, such as 80000, 80k or 64G.

    Raises:
        UserError: an unknown name, one given twice, or no such number.
    """
    limits, given = Limits(), set()
    for word in words:
        name, _, text = word.partition("=")
        if name not in asdict(limits):
            raise UserError(f"unknown limit {name!r}", where="--limit", legal=asdict(limits), given=name)
        if name in given:
            raise UserError(f"{name} is given twice", where="--limit", hint="give it once")
        given.add(name)
        found = _NUMBER.fullmatch(text)
        if found is None or len(found[1]) > 18 or not int(found[1]):
            legal = f"a whole number above 0, such as {name}=80000 or {name}=64G (k, M, G, T are powers of 1,000)"
            raise UserError(f"{name}={text} is no limit", where="--limit", legal=legal)
        limits = replace(limits, **{name: int(found[1]) * 1000 ** _THOUSANDS.index(found[2])})
    return limits


class Tally:
    """What the archives of one call hold so far, held against the limits.

    Args:
        limits: where counting ends with a `UserError`.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._entries = self._bytes = 0

    @property
    def left(self) -> int:
        """How many entries may still come."""
        return self.limits.entries - self._entries

    def count(self, where: str) -> None:
        """One more entry, of the archive that is called `where`."""
        if not self.left:
            raise self.too_many(where)
        self._entries += 1

    def too_many(self, where: str) -> UserError:
        """The error where an archive lists more entries than may still come."""
        most = self.limits.entries
        what = f"the archives up to this one list more than {most:,} entries"
        return _excess(what, where, f"entries={2 * most}")

    def weigh(self, where: str, size: int, *, packed: int) -> None:
        """The files of an archive, all of them: their bytes unpacked, and those of the archive itself."""
        if size > self.limits.ratio * packed:
            times = math.ceil(size / max(packed, 1))
            what = f"its files are {times:,} times as large as the archive, more than {self.limits.ratio:,} times"
            raise _excess(what, where, f"ratio={times}")
        self._bytes += size
        if self._bytes > self.limits.bytes:
            what = f"the files of the archives up to this one take {_gigabytes(self._bytes)} unpacked, "
            what += f"more than {_gigabytes(self.limits.bytes)}"
            raise _excess(what, where, f"bytes={self._bytes}")


def _excess(what: str, where: str, limit: str) -> UserError:
    return UserError(what, where=where, hint=f"nothing of it was written; if you trust it, add --limit {limit}")


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size:,} bytes"
