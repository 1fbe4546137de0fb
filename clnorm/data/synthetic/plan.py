"""What the synthetic dataset consists of, before anything is rendered: classes, sources, clips and splits.

A class is a motion, a shape or both. Everything else is nuisance: background, colours, camera and blur belong to the
source, of which a class has many; phase, place, size and length belong to the clip.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from clnorm.catalogue import DATASETS
from clnorm.data.datasets.splits import count_long_tail
from clnorm.data.synthetic.motions import list_motions, reversed_motion
from clnorm.data.synthetic.render import Clip, Look, draw_look, draw_variation
from clnorm.data.synthetic.shapes import list_shapes
from clnorm.errors import UserError
from clnorm.seeding import numpy_generator

SPLITS = (1, 2, 3)
CLIPS_A_SOURCE = (2, 4)
FRAMES, FRAMES_SHORT, SHARE_SHORT = (16, 40), (12, 15), 0.1


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of the catalogue's entry `synthetic`.

    Raises:
        UserError: an option is out of its range, or the imbalance leaves a class without training clips.
    """

    classes: int
    train: int
    test: int
    cues: str
    imbalance: float
    variant: int

    def __post_init__(self) -> None:
        for key, option in DATASETS.get("synthetic").options.items():
            option.parse(getattr(self, key), where=f"synthetic: option {key!r}")
        if self.classes > (legal := len(list_classes(self.cues))):
            raise UserError(
                f"{self.classes} classes with cues={self.cues}",
                where="synthetic: option 'classes'",
                legal=f"at most {legal}",
            )
        if self.imbalance > self.train:
            raise UserError(
                f"{self.imbalance:g} leaves the smallest class without a training clip",
                where="synthetic: option 'imbalance'",
                legal=f"at most train, which is {self.train}",
            )


@dataclass(frozen=True)
class File:
    """One video file to make: its class, name and source, and what it shows."""

    label: str
    name: str
    source: str
    clip: Clip
    look: Look


def list_classes(cues: str) -> list[tuple[str, str | None, tuple[str, str] | None]]:
    """All classes as (name, motion, shape), the ten most distinct first; None is drawn anew for every clip.

    There are 51, but for cues=direction: those are the 28 motions that come in pairs, each beside its time reversal.
    """
    motions, shapes = list_motions(), list_shapes()
    if cues == "shape":
        return [("_".join(shape), None, shape) for shape in shapes]
    if cues == "direction":
        pairs = dict.fromkeys(tuple(sorted((name, reversed_motion(name)))) for name in motions)
        return [(name, name, None) for first, second in pairs if first != second for name in (first, second)]
    return [(motion, motion, shape if cues == "both" else None) for motion, shape in zip(motions, shapes, strict=True)]


def count_train(options: Options) -> list[int]:
    """Training clips of each class, in the order of `list_classes`: from `train` to `train / imbalance`."""
    return count_long_tail(options.train, options.classes, imbalance=options.imbalance)


def plan_clips(options: Options) -> list[File]:
    """Every clip of the dataset, class by class."""
    return [file for index in range(options.classes) for file in _plan_class(options, index)]


def plan_split(options: Options, files: list[File], *, split: int) -> list[bool]:
    """Whether each clip of `files` is a test clip of this split; all others are for training.

    Each class has exactly `options.test` test clips, of sources that hold none of its training clips. A class of few
    sources may be divided alike in several splits.
    """
    chosen: set[tuple[str, str]] = set()
    sizes = Counter((file.label, file.source) for file in files)
    for label in dict.fromkeys(file.label for file in files):
        rng = numpy_generator(options.variant, f"synthetic split {label}", split)
        own = {source: size for (name, source), size in sizes.items() if name == label}
        chosen |= {(label, source) for source in _draw_sources(own, options.test, rng)}
    return [(file.label, file.source) in chosen for file in files]


def _plan_class(options: Options, index: int) -> Iterator[File]:
    label, motion, shape = list_classes(options.cues)[index]
    rng = numpy_generator(options.variant, "synthetic class", index)
    sizes = _divide(count_train(options)[index], rng) + _divide(options.test, rng)
    for source, size in zip(_name_sources(index, len(sizes), rng), sizes, strict=True):
        look = draw_look(numpy_generator(options.variant, f"synthetic source {source}"))
        for number in range(size):
            clip = Clip(
                motion=motion or str(rng.choice(list_motions())),
                shape=shape or list_shapes()[rng.integers(len(list_shapes()))],
                frames=int(rng.integers(*(FRAMES_SHORT if rng.random() < SHARE_SHORT else FRAMES), endpoint=True)),
                variation=draw_variation(rng),
                start=float(rng.uniform(0, 60)),
            )
            yield File(label, f"{source}_{label}_{_tags(look)}_{number}.avi", source, clip, look)


def _divide(total: int, rng: np.random.Generator) -> list[int]:
    """Clips of each source: together `total`, and at least two sources where there are two clips."""
    sizes: list[int] = []
    while left := total - sum(sizes):
        sizes.append(min(left, int(rng.integers(*CLIPS_A_SOURCE, endpoint=True)), max(1, total // 2)))
    return sizes


def _name_sources(index: int, count: int, rng: np.random.Generator) -> list[str]:
    """A quarter of a class's sources, at random places, are studios, in which other classes are filmed too."""
    studios = count // 4
    names = [f"studio{k}" for k in range(studios)] + [f"film{index}-{k}" for k in range(count - studios)]
    return [str(name) for name in rng.permutation(names)]


def _tags(look: Look) -> str:
    """HMDB51's tags: full body visible, camera moving or not, one actor from the front, quality."""
    quality = "goo" if look.blur < 4 / 3 else "med" if look.blur < 5 / 3 else "bad"
    return f"f_{'cm' if look.shake else 'nm'}_np1_fr_{quality}"


def _draw_sources(sizes: dict[str, int], total: int, rng: np.random.Generator) -> tuple[str, ...]:
    """Sources drawn at random that hold exactly `total` clips together, and leave two sources where two clips remain.

    There are such sources, because `sizes` was made from a test and a training part.
    """
    while True:
        reached: dict[int, tuple[str, ...]] = {0: ()}
        for source in rng.permutation(list(sizes)).tolist():
            sums = {held + sizes[source]: (*chosen, source) for held, chosen in reached.items()}
            reached |= {held: chosen for held, chosen in sums.items() if held <= total and held not in reached}
        left = sizes.keys() - reached[total]
        if len(left) >= min(2, sum(sizes[source] for source in left)):
            return reached[total]
