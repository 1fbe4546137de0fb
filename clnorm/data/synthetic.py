"""The synthetic dataset: moving shapes in real video files, laid out as HMDB51 is and read by HMDB51's reader.

A class is a motion, a shape or both. Everything else is nuisance: background, colours, camera and blur belong to the
source, of which a class has many; phase, place, size and length belong to the clip. No source of a class is in both
training and test of a split, while some sources occur in several classes, as in HMDB51.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock

from clnorm.catalogue import DATASETS
from clnorm.data import hmdb51
from clnorm.data.cache import cache_dir
from clnorm.data.motions import list_motions
from clnorm.data.render import FPS, Clip, Look, draw_look, draw_variation, render
from clnorm.data.shapes import list_shapes
from clnorm.data.table import ClipTable
from clnorm.errors import ClnormError, UserError
from clnorm.seeding import numpy_generator

VERSION = 1
"""Counts the changes of the generator that change its clips; the folder's name depends on it."""
SPLITS = (1, 2, 3)
CLIPS_A_SOURCE = (2, 4)
FRAMES, FRAMES_SHORT, SHARE_SHORT = (16, 40), (12, 15), 0.1
_ENCODER = {"codec": "mpeg4", "extra_options": {"b": "1500000", "bf": "0"}}
"""FFmpeg's own MPEG-4 encoder, in every build of it; no B-frames, whose order AVI cannot tell a decoder."""


@dataclass(frozen=True)
class Options:
    """The options of the catalogue's entry `synthetic`, checked by it.

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
        if self.imbalance > self.train:
            raise UserError(
                f"imbalance {self.imbalance:g} leaves the smallest class without a training clip",
                where="synthetic: option 'imbalance'",
                legal=f"at most train, which is {self.train}",
            )


@dataclass(frozen=True)
class File:
    """One video file to make: its class folder, name and source, and what it shows."""

    folder: str
    name: str
    source: str
    clip: Clip
    look: Look


def read(
    root: Path | None,
    *,
    classes: int,
    train: int,
    test: int,
    cues: str,
    imbalance: float,
    variant: int,
    progress: Callable[[int, int], None] | None = None,
) -> ClipTable:
    """The synthetic dataset with these options, made now unless it lies in the cache already.

    Training clips fall geometrically from `train` in the first class of the catalogue's order to `train / imbalance`
    in the last: n_c = train * imbalance^(-c / (classes - 1)) (Cui et al., Class-Balanced Loss, CVPR 2019); test clips
    stay balanced. `progress` is called with the number of clips made and of all.

    Raises:
        UserError: a root is given, or an option is out of its range.
        ClnormError: a clip cannot be encoded or written.
    """
    if root is not None:
        raise UserError(
            "it makes its own data and reads no folder", where="synthetic", hint="leave --data-root out, or take hmdb51"
        )
    options = Options(classes=classes, train=train, test=test, cues=cues, imbalance=imbalance, variant=variant)
    return hmdb51.read(_ensure(options, progress), split=1, name="synthetic")


def list_classes(cues: str) -> list[tuple[str, str | None, tuple[str, str] | None]]:
    """All 51 classes as (name, motion, shape), the ten most distinct first; None is drawn anew for every clip."""
    motions, shapes = list_motions(), list_shapes()
    if cues == "shape":
        return [("_".join(shape), None, shape) for shape in shapes]
    return [(motion, motion, shape if cues == "both" else None) for motion, shape in zip(motions, shapes, strict=True)]


def count_train(options: Options) -> list[int]:
    """Training clips of each class, in the order of `list_classes`."""
    falls = np.arange(options.classes) / (options.classes - 1)
    return [round(float(n)) for n in options.train * options.imbalance**-falls]


def plan(options: Options) -> list[File]:
    """Every clip of the dataset, before rendering."""
    return [file for index in range(options.classes) for file in _plan_class(options, index)]


def plan_splits(options: Options, files: list[File]) -> dict[tuple[str, int], dict[str, str]]:
    """For every (class, split), source -> `1` for training or `2` for test."""
    raise NotImplementedError


def _plan_class(options: Options, index: int) -> Iterator[File]:
    name, motion, shape = list_classes(options.cues)[index]
    rng = numpy_generator(options.variant, "synthetic class", index)
    sizes = _divide(count_train(options)[index], rng) + _divide(options.test, rng)
    for source, size in zip(_name_sources(index, len(sizes), rng), sizes, strict=True):
        look = draw_look(numpy_generator(options.variant, f"synthetic source {source}"))
        for number in range(size):
            clip = Clip(
                motion=motion or str(rng.choice(list_motions())),
                shape=shape or list_shapes()[rng.integers(len(list_shapes()))],
                frames=int(rng.integers(*(FRAMES_SHORT if rng.random() < SHARE_SHORT else FRAMES), endpoint=True)),
                draw=draw_variation(rng),
                shake_phase=rng.random((2, 2)),
            )
            yield File(name, f"{source}_{name}_{_tags(look)}_{number}.avi", source, clip, look)


def _divide(total: int, rng: np.random.Generator) -> list[int]:
    """Clips of each source: together `total`, and at least two sources where there are two clips."""
    sizes: list[int] = []
    while left := total - sum(sizes):
        sizes.append(min(left, int(rng.integers(*CLIPS_A_SOURCE, endpoint=True)), max(1, total // 2)))
    return sizes


def _name_sources(index: int, count: int, rng: np.random.Generator) -> list[str]:
    """A quarter of a class's sources, at random places, are studios, which other classes use too."""
    studios = count // 4
    names = [f"studio{k}" for k in range(studios)] + [f"film{index}-{k}" for k in range(count - studios)]
    return [str(name) for name in rng.permutation(names)]


def _tags(look: Look) -> str:
    """HMDB51's tags: full body visible, camera moving or not, one actor from the front, quality."""
    quality = "goo" if look.blur < 4 / 3 else "med" if look.blur < 5 / 3 else "bad"
    return f"f_{'cm' if look.shake else 'nm'}_np1_fr_{quality}"


def _draw_test(sizes: dict[str, int], test: int, rng: np.random.Generator) -> set[str]:
    """Sources drawn at random that hold exactly `test` clips together: the first found of the sums that reach it."""
    reached: dict[int, tuple[str, ...]] = {0: ()}
    for source in rng.permutation(list(sizes)).tolist():
        sums = {total + sizes[source]: (*chosen, source) for total, chosen in reached.items()}
        reached |= {total: chosen for total, chosen in sums.items() if total <= test and total not in reached}
    return set(reached[test])
