"""What an audit says: sections, each with one verdict, tables, figures and the numbers behind them."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Mark(StrEnum):
    """How much a verdict asks of the reader."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True)
class Verdict:
    """One line.

    Args:
        mark: how much it asks of the reader.
        text: what was found, with the numbers that led to the mark; or what cannot be told, and why.
        rule: the thresholds of the marks.
    """

    mark: Mark
    text: str
    rule: str


@dataclass(frozen=True)
class Grid:
    """A table: a caption, column headings, and rows whose first cell names the row."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A drawing: `svg` is safe markup, and `caption` says in words what is to be seen."""

    caption: str
    svg: str


@dataclass(frozen=True)
class Pair:
    """Two clips that look alike: their paths and classes, their correlation, and a PNG of the middle frame of each."""

    paths: tuple[str, str]
    classes: tuple[str, str]
    score: float
    images: tuple[bytes, bytes]


@dataclass(frozen=True)
class Section:
    """One subject of the audit.

    Args:
        name: its key, such as `leakage`.
        title: its heading.
        verdict: its one line.
        method: what was computed and how, with sources.
        values: the numbers, in JSON's types.
    """

    name: str
    title: str
    verdict: Verdict
    method: str
    values: dict[str, Any] = field(default_factory=dict)
    grids: tuple[Grid, ...] = ()
    figures: tuple[Figure, ...] = ()
    pairs: tuple[Pair, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The section without its pictures, in JSON's types."""
        return {"name": self.name, "title": self.title, **asdict(self.verdict), "values": self.values}


@dataclass(frozen=True)
class AuditReport:
    """The audit of one dataset.

    Args:
        dataset: its name with the options given.
        root: the folder that it lies in, in full; None for one that is made.
        date: the day of the audit, as 2026-01-31.
        protocol: the protocol that cut it into experiences, with every option.
        seed: of the class order and of what the audit draws.
        clips: the number of clips in the table, bad ones included.
        frames: frames T that were looked at in each clip.
        size: their height and width in pixels.
        fingerprint: of the table.
        sections: what was found.
    """

    dataset: str
    root: str | None
    date: str
    protocol: str
    seed: int
    clips: int
    frames: int
    size: int
    fingerprint: str
    sections: tuple[Section, ...]

    def to_dict(self) -> dict[str, Any]:
        """The report in JSON's types."""
        names = ("dataset", "root", "date", "protocol", "seed", "clips", "frames", "size")
        about = {key: getattr(self, key) for key in names}
        sections = [section.to_dict() for section in self.sections]
        return {**about, "fingerprint": self.fingerprint, "sections": sections}

    def summary(self) -> str:
        """One line of counts."""
        marks = [section.verdict.mark for section in self.sections]
        words = ", ".join(f"{marks.count(mark)} {mark}" for mark in Mark if mark in marks)
        return f"{self.dataset}, {self.protocol}, seed {self.seed}: {words}"
