"""What was found of a dataset."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ClassCount:
    """The clips of a class on disk, their groups, and how the split that was asked for uses them.

    A group with clips of several classes counts in each of them.
    """

    name: str
    clips: int
    groups: int
    train: int
    test: int
    unused: int


@dataclass
class Survey:
    """What was found of a dataset.

    Args:
        dataset: its name with options.
        root: its folder.
        classes: one entry a class found.
        sources: the groups over all classes, each counted once.
        splits: of each split, the listed clips for each use, over the classes found.
        published: the figures of the whole dataset, empty where none are known.
        substituted: how many files have another name than the lists say, for each way in which they do.
        files: the clips on disk, relative to the root or absolute.
        opened: of how many clips the header was read; None where no clip was opened.
        decoded: of how many clips every frame was decoded; None where none was.
        damaged: each clip that cannot be opened, or not be decoded to its end, with the reason.
        short: each clip with far fewer frames than its header states, with both numbers.
        notes: what is legal and yet good to know.
        problems: what is wrong; the dataset is in order where there are none.
    """

    dataset: str
    root: str
    classes: list[ClassCount] = field(default_factory=list)
    sources: int = 0
    splits: dict[int, dict[str, int]] = field(default_factory=dict)
    published: dict[str, Any] = field(default_factory=dict)
    substituted: dict[str, int] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    opened: int | None = None
    decoded: int | None = None
    damaged: dict[str, str] = field(default_factory=dict)
    short: dict[str, tuple[int, int]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def total(self, column: str) -> int:
        """The sum of a column over the classes."""
        return sum(getattr(row, column) for row in self.classes)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: all but the files, with the sums of clips and groups."""
        known = {name: value for name, value in asdict(self).items() if name != "files"}
        return known | {"clips": self.total("clips"), "groups": self.total("groups")}
