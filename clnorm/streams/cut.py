"""What a protocol says of a stream."""

from dataclasses import dataclass
from typing import Literal

from clnorm.data.augment.looks import Look

Experiences = list[list[int]]


@dataclass(frozen=True)
class Cut:
    """How a dataset becomes experiences.

    Args:
        classes: ids of the classes of each experience, in the order of training; each class in one experience, or,
            where clips or sources are divided, each class in all of them.
        knows_tasks: whether the experience of each clip is known, in training and at test, so that it is one among the
            classes of that experience only.
        share: of each class's training clips, how much is spread evenly over the other experiences.
        divided: `classes`, or, where all experiences have the same classes, what they divide among them instead: the
            `clips` of each class, or whole `sources`.
        looks: how the clips of each experience look; empty where they look as they are.
        note: what has to be said of it, such as a remainder; empty where nothing has.
    """

    classes: Experiences
    knows_tasks: bool = False
    share: float = 0.0
    divided: Literal["classes", "clips", "sources"] = "classes"
    looks: tuple[Look, ...] = ()
    note: str = ""
