"""Classes whose clips, flipped left to right, look like those of another class: as options say, or as names tell."""

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from clnorm.catalogue.registry import Spec
from clnorm.errors import UserError

_WHERE = "data.augment"
_SIDES = {"left": "right", "right": "left", "cw": "ccw", "ccw": "cw"}
_WORD = re.compile(r"(?<![a-z])(?:left|right|cw|ccw)(?=hand|ward|(?![a-z]))")


class Mirror:
    """What a flip from left to right makes of each class, by the options `unflipped` and `mirrored`.

    Args:
        classes: names, by id.
        unflipped: names of the classes that are never flipped, separated by `/`; `none`: of no class.
        mirrored: names two by two, separated by `/`: a flipped clip of one is a clip of the other; `none`: no pair.

    Attributes:
        others: (classes,) int64; the class that a flipped clip of each class is of, which is its own but for pairs.

    Raises:
        UserError: a name that no class has, one without its other, or one that stands in two places.
    """

    def __init__(self, classes: Sequence[str], *, unflipped: str, mirrored: str) -> None:
        spared, paired = split_names(unflipped), split_names(mirrored)
        _check_known(spared, classes, "to leave unflipped")
        _check_known(paired, classes, "to exchange labels with")
        if len(paired) % 2:
            what = f"mirrored names {len(paired)} classes, and the last one has no other: {'/'.join(paired)}"
            raise UserError(
                what, where=_WHERE, legal="names two by two, as in push_left/push_right/turn_left/turn_right"
            )
        for name in paired:
            if paired.count(name) > 1:
                hint = "leave it out where it is its own mirror image: it is flipped, and keeps its label"
                raise UserError(f"mirrored names {name!r} more than once", where=_WHERE, hint=hint)
            if name in spared:
                what = f"{name!r} stands in mirrored, by which it is flipped, and in unflipped"
                raise UserError(what, where=_WHERE, hint="leave it in one of them")
        own = torch.arange(len(classes))
        self.others = own.clone()
        for one, other in mirrored_pairs(mirrored):
            here, there = classes.index(one), classes.index(other)
            self.others[here], self.others[there] = there, here
        self._paired = self.others != own
        self._flipped = torch.tensor([name not in spared for name in classes])

    def may_flip(self, seen: Tensor) -> Tensor:
        """The classes (classes,) whose clips may be flipped now: of a pair, once the other one is among those `seen`.

        Before, the label would be one that the model is yet to learn.
        """
        return self._flipped & (~self._paired | seen[self.others])

    def exchange(self, counts: Tensor, seen: Tensor, *, kept: float, left: float) -> Tensor:
        """Counts (classes,) of which each class in a pair keeps a share, and passes one on to the other."""
        moves = self._paired & self.may_flip(seen)
        staying = torch.where(moves, counts * kept, counts)
        return staying.index_add(0, self.others, torch.where(moves, counts * left, 0.0))


def split_names(text: str) -> list[str]:
    """The names in an option that holds them separated by `/`; `none` is none."""
    return [] if text == "none" else [name for name in text.split("/") if name]


def mirrored_pairs(text: str) -> list[tuple[str, str]]:
    """The pairs in the option `mirrored`."""
    names = split_names(text)
    return list(zip(names[::2], names[1::2], strict=True))


def _check_known(names: Sequence[str], classes: Sequence[str], purpose: str) -> None:
    for name in names:
        if name not in classes:
            raise UserError(f"there is no class {name!r} {purpose}", where=_WHERE, legal=classes, given=name)


def find_mirrored(classes: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of class names that differ only by left and right, or by clockwise and counterclockwise.

    Up and down are no such words: a flip from left to right leaves them as they are.
    """
    by_words = {_words(name): name for name in classes}
    pairs = []
    for words, name in by_words.items():
        other = by_words.get(_WORD.sub(lambda match: _SIDES[match[0]], words))
        if other is not None and other != name and (other, name) not in pairs:
            pairs.append((name, other))
    return pairs


def describe_mirrored(spec: Spec, classes: Sequence[str]) -> str:
    """One line on the classes that an augmentation flips into each other, each keeping its label; empty without any."""
    if not spec.kwargs.get("flip"):
        return ""
    spared, paired = (split_names(str(spec.kwargs.get(key, "none"))) for key in ("unflipped", "mirrored"))
    pairs = [pair for pair in find_mirrored(classes) if not {*pair} <= {*spared} and {*pair}.isdisjoint(paired)]
    if not pairs:
        return ""
    names = ", ".join(f"{one} and {other}" for one, other in pairs)
    found = [name for pair in pairs for name in pair]
    return (
        f"data.augment flips clips left to right, and they keep their label: {names} look like each other then. "
        f"To exchange the labels of what is flipped: mirrored={'/'.join(dict.fromkeys([*paired, *found]))}; "
        f"to leave these classes unflipped: unflipped={'/'.join(dict.fromkeys([*spared, *found]))}"
    )


def _words(name: str) -> str:
    """A name in lower case, its words apart by single spaces, with cw and ccw for clockwise and counterclockwise."""
    words = re.sub(r"[\W_]+", " ", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)).lower()
    words = re.sub(r"\b(?:counter|anti) ?clockwise\b", "ccw", words)
    return re.sub(r"\bclockwise\b", "cw", words).strip()
