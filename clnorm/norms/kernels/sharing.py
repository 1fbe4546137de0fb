"""Batch statistics over processes that share a batch: within `share_moments`, `transform` goes by all their samples."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from clnorm.ranks import Part, Ranks

ALONE = Part(Ranks(), 1)


@dataclass
class Sharing:
    """One use of `share_moments`.

    Args:
        part: of this process.
        used: whether moments have been exchanged.
    """

    part: Part
    used: bool = False


_SHARING: ContextVar[Sharing | None] = ContextVar("sharing", default=None)


@contextmanager
def share_moments(part: Part) -> Iterator[Sharing]:
    """Within it, this thread computes the moments of a batch with the processes that hold its other clips."""
    sharing = Sharing(part)
    before = _SHARING.set(sharing)
    try:
        yield sharing
    finally:
        _SHARING.reset(before)


def current_part() -> Part:
    """The part of the batch that this process has; all of it outside of `share_moments`."""
    sharing = _SHARING.get()
    if sharing is None:
        return ALONE
    sharing.used = True
    return sharing.part


def is_shared() -> bool:
    """Whether other processes have clips of the batch at hand."""
    return _SHARING.get() is not None
