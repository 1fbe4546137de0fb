"""A stream as a protocol makes it, in words and numbers: what `clnorm protocol show` prints."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clnorm.catalogue.registry import Spec
from clnorm.catalogue.titles import write_plain
from clnorm.data.augment.looks import Look
from clnorm.data.datasets.published import PUBLISHED
from clnorm.data.table import ClipTable
from clnorm.errors import UserError
from clnorm.streams.orders import mean_similarity
from clnorm.streams.similarity import compare_names, read_similarity
from clnorm.streams.stream import ClipStream, create_stream, cut_classes


@dataclass(frozen=True)
class ExperienceView:
    """One experience.

    Args:
        classes: names of its own classes.
        train_clips, test_clips: how many; None where no clips are known.
        other_classes: how many classes beside its own have training clips in it; None where no clips are known.
        look: what differs in what its clips look like, by name.
    """

    classes: tuple[str, ...]
    train_clips: int | None = None
    test_clips: int | None = None
    other_classes: int | None = None
    look: dict[str, float] | None = None


@dataclass(frozen=True)
class StreamView:
    """A stream.

    Args:
        protocol, dataset: as they are written, with options that are not at their defaults.
        seed: of the run.
        experiences: in training order.
        similarity: mean similarity of the classes of successive experiences; None where all experiences have the same
            classes, and of a single one.
        by: what that goes by: `names` or a file.
        said: what is special about it.
    """

    protocol: str
    dataset: str
    seed: int
    experiences: tuple[ExperienceView, ...]
    similarity: float | None
    by: str
    said: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The view in JSON's types."""
        return asdict(self)


def describe_stream(protocol: Spec, dataset: Spec, root: Path | None, *, seed: int) -> StreamView:
    """The stream of a protocol on a dataset, without decoding, or making, a clip.

    Args:
        protocol, dataset: with their options.
        root: the dataset's folder; without one, of hmdb51 and ucf101 the published classes are taken.
        seed: of the run.

    Raises:
        UserError: a protocol that does not fit, a folder that cannot be read, or classes that nothing tells.
    """
    table = _list_clips(dataset, root)
    names = table.classes if table is not None else _published(dataset)
    cut = cut_classes(protocol, names, seed=seed)
    by = str(protocol.kwargs.get("similarity", "names"))
    between = None
    if cut.divided == "classes" and len(cut.classes) > 1:
        alike = compare_names(names) if by == "names" else read_similarity(by, names)
        between = mean_similarity(alike, cut.classes)
    if table is None and cut.divided != "classes":
        hint = "give the dataset's folder: --data-root FOLDER"
        raise UserError(f"it divides {cut.divided}, which are not known", where=f"protocol {protocol.name}", hint=hint)
    experiences = tuple(ExperienceView(tuple(names[label] for label in group)) for group in cut.classes)
    if table is not None:
        experiences = _count(create_stream(table, protocol, seed=seed, bad={}), table)
    options = {key: write_plain(value) for key, value in protocol.options}
    said = filter(None, (protocol.entry.caption.format(**options), cut.note))
    return StreamView(protocol.short, dataset.short, seed, experiences, between, by, tuple(said))


def _count(stream: ClipStream, table: ClipTable) -> tuple[ExperienceView, ...]:
    views = []
    for part in stream.experiences:
        others = np.setdiff1d(table.labels[part.train_ids], part.classes)
        look = vars(stream.looks[part.index]) if stream.looks else {}
        changed = {name: value for name, value in look.items() if value != getattr(Look(), name)}
        names = tuple(table.classes[label] for label in part.classes)
        views.append(ExperienceView(names, len(part.train_ids), len(part.test_ids), len(others), changed))
    return tuple(views)


def _list_clips(dataset: Spec, root: Path | None) -> ClipTable | None:
    """The clips, where they can be listed."""
    if dataset.name == "synthetic":
        from clnorm.data.synthetic.reader import list_clips

        return list_clips(root, **dataset.kwargs)
    if root is None and dataset.name in PUBLISHED:
        return None
    table: ClipTable = dataset.build(root, progress=None)
    return table


def _published(dataset: Spec) -> Sequence[str]:
    return PUBLISHED[dataset.name].names
