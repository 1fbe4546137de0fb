"""One thing that can be asked for by name."""

import hashlib
import inspect
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from clnorm.catalogue.option import Option, Value
from clnorm.catalogue.plugins import import_target
from clnorm.catalogue.reference import Reference


@dataclass(frozen=True)
class Entry:
    """A registered thing.

    Args:
        name: what it is asked for by; a family is registered without the word, and asked for with it.
        target: the object, or where to import it from.
        summary: one line on it.
        options: what can be set.
        takes: of a family, what the word after the name is, such as `NAME`.
        word: of a member of a family, that word.
        lacks: options of its kind that it does not have, each with the reason.
        title: its name in papers; `{option}` in it stands for that option's value, and `{word}` for a member's word.
        papers: where it comes from.
        papers_with: of these, those that it comes from with one value of an option alone, each with the two.
        unpublished: why there is none, of a built-in without papers.
        recipe: dotted keys of a configuration that have other defaults with it, and these.
        fixed: those of them that can have no other value, each with the reason.
        caption: what a table's caption must say of it; `{option}` as in `title`.
        upper_bound: of a strategy, whether it trains with all clips, so that it bounds the others and does not compete.
        through: where to import the function from that is called in place of the target, with it as first argument.
    """

    name: str
    target: Any
    summary: str = ""
    options: Mapping[str, Option] = field(default_factory=dict)
    takes: str = ""
    word: str = ""
    lacks: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    papers: tuple[Reference, ...] = ()
    papers_with: Mapping[Reference, tuple[str, Value]] = field(default_factory=dict)
    unpublished: str = ""
    recipe: Mapping[str, Value] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    caption: str = ""
    upper_bound: bool = False
    through: str = ""

    def load(self) -> Any:
        """The object itself, imported now if it was named by a string; a family's takes the word as first argument."""
        target = import_target(self.target) if isinstance(self.target, str) else self.target
        if self.through:
            return partial(import_target(self.through), target)
        return partial(target, self.word) if self.word else target

    def list_papers(self, options: Mapping[str, Value]) -> tuple[Reference, ...]:
        """Where it comes from with these options, all of them decided."""
        return tuple(paper for paper in self.papers if _holds(self.papers_with.get(paper), options))

    def list_effective(self, options: Mapping[str, Value], *, undecided: Collection[str] = ()) -> dict[str, Value]:
        """The options that have an effect beside the others, all of them decided but for the values of `undecided`."""
        needs = {key: self.options[key].only for key in options}
        return {
            key: value
            for key, value in options.items()
            if (need := needs[key]) is None or need[0] in undecided or _holds(need, options)
        }

    @property
    def source(self) -> str:
        """The hash of a plug-in's file, empty for a built-in: an edited plug-in is another one."""
        if isinstance(self.target, str):
            return ""
        try:
            file = inspect.getsourcefile(self.target)
        except TypeError:
            file = None
        return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file and Path(file).is_file() else ""


def _holds(need: tuple[str, Value] | None, options: Mapping[str, Value]) -> bool:
    return need is None or options[need[0]] == need[1]
