"""Classes whose clips, flipped left to right, look like those of another class, as their names tell."""

import re
from collections.abc import Sequence

from clnorm.catalogue.registry import Spec

_SIDES = {"left": "right", "right": "left", "cw": "ccw", "ccw": "cw"}
_WORD = re.compile(r"(?<![a-z])(?:left|right|cw|ccw)(?=hand|ward|(?![a-z]))")


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
    unflipped = [name for name in str(spec.kwargs.get("unflipped", "")).split("/") if name not in ("", "none")]
    pairs = [pair for pair in find_mirrored(classes) if not {*pair} <= {*unflipped}]
    if not pairs:
        return ""
    names = ", ".join(f"{one} and {other}" for one, other in pairs)
    spared = dict.fromkeys([*unflipped, *(name for pair in pairs for name in pair)])
    return (
        f"data.augment flips clips left to right, and they keep their label: {names} look like each other then. "
        f"To leave them unflipped: unflipped={'/'.join(spared)}"
    )


def _words(name: str) -> str:
    """A name in lower case, its words apart by single spaces, with cw and ccw for clockwise and counterclockwise."""
    words = re.sub(r"[\W_]+", " ", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)).lower()
    words = re.sub(r"\b(?:counter|anti) ?clockwise\b", "ccw", words)
    return re.sub(r"\bclockwise\b", "cw", words).strip()
