"""Names for things: one registry class and one grammar, `name:option=value,option=value`, for everything selectable.

An entry may point to its object as `"package.module:Name"`, which is imported only when it is used: that is what lets
`clnorm list` answer without loading torch. A family is one entry for many names, `family:WORD`. Names come from
clnorm's own catalogue, from the `register` decorator, from an entry point of another package, or are given outright as
`package.module:Name`, or `package.module.Name`, which is the same.
"""

import importlib
import importlib.metadata
import inspect
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from clnorm.catalogue.entry import Entry
from clnorm.catalogue.option import Option, Value, write_value
from clnorm.catalogue.plugins import FIND_MODULE, ForeignText, import_module, import_target, read_options
from clnorm.errors import Mistakes, UserError

_PLUGIN = re.compile(r"^(?P<target>[A-Za-z_][\w.]*:[A-Za-z_]\w*)(?::(?P<options>.*))?$")
_DOTTED = re.compile(r"(?P<module>[A-Za-z_][\w.]*)\.(?P<attribute>[A-Za-z_]\w*)")
_WORD = re.compile(r"[\w.-]+")
_MOST_PARSED = 1024


@dataclass(frozen=True)
class Spec:
    """A name with every option decided: what a configuration holds and what a run's identity is made of.

    Only `Registry.parse` makes them.

    Args:
        kind: of thing, such as `norm`.
        name: as it was asked for.
        options: all of them with their values, sorted by name.
        short: the text that leaves out the options with default values.
        entry: what the name stands for.
        given: the options that do not merely have their defaults, but were written.
    """

    kind: str
    name: str
    options: tuple[tuple[str, Value], ...]
    short: str = field(compare=False)
    entry: Entry = field(compare=False, repr=False)
    given: frozenset[str] = field(compare=False, repr=False)

    def __str__(self) -> str:
        return self._full

    @cached_property
    def _full(self) -> str:
        return format_spec(self.name, self.kwargs)

    @property
    def kwargs(self) -> dict[str, Value]:
        return dict(self.options)

    def bind(self) -> Callable[..., Any]:
        """What the name stands for, imported now, with the options as keyword arguments."""
        return partial(self.entry.load(), **self.kwargs)

    def build(self, *args: Any, **given: Any) -> Any:
        """What the name stands for, called with `args`, `given` and the options."""
        return self.bind()(*args, **given)


def format_spec(name: str, options: Mapping[str, Value]) -> str:
    """`name:option=value,...`, the text that `Registry.parse` reads back."""
    words = [f"{key}={write_value(value)}" for key, value in options.items()]
    return f"{name}:{','.join(words)}" if words else name


class Registry:
    """The things of one kind that can be asked for by name.

    Args:
        kind: the singular in messages, such as `norm`.
        plural: the word after `clnorm list`.
        complete: gives the entry of a plug-in the options that clnorm itself reads.
        adapt: makes the entry, from its name and the object, of one that is not called as plug-ins are; else None.
        first: a module that is imported before any plug-in is.
        shared: options that many entries have alike, which are listed once.
        given: arguments beside the first that clnorm gives, so that they are no options.
        unfit: objects that cannot be taken by their name, as `package.module:Name` of where they are defined, each with
            what is wrong with it and what to write instead.
        refused: names that one may look for and that do not exist, each with the reason and what to write instead.
    """

    def __init__(
        self,
        kind: str,
        *,
        plural: str,
        complete: Callable[[Entry], Entry] | None = None,
        adapt: Callable[[str, Any], Entry | None] | None = None,
        first: str = "",
        shared: Mapping[str, Option] | None = None,
        given: Collection[str] = (),
        unfit: Mapping[str, str] | None = None,
        refused: Mapping[str, str] | None = None,
    ) -> None:
        self.kind, self.plural, self.group = kind, plural, f"clnorm.{plural}"
        self.shared, self._complete, self._given = dict(shared or {}), complete, frozenset(given)
        self._unfit, self._refused = dict(unfit or {}), dict(refused or {})
        self._adapt, self._first = adapt, first
        self._entries: dict[str, Entry] = {}
        self._parsed: dict[str, tuple[Entry, Spec]] = {}  # the cells of a grid give the same few texts

    def add(self, entry: Entry) -> None:
        """Add an entry; a name can be taken only once."""
        if entry.name in self._entries:
            raise UserError(f"the {self.kind} {entry.name!r} is registered already", hint="choose another name")
        self._entries[entry.name] = entry

    def register(self, name: str, *, summary: str = "") -> Callable[[Any], Any]:
        """Decorator: register a class or function under `name`; its keyword arguments become its options."""

        def decorate(target: Any) -> Any:
            self.add(self._entry_of(name, target, summary=summary))
            return target

        return decorate

    def names(self) -> list[str]:
        """All names: the registered ones in their order, a family as `family:WORD`; then those of plug-ins."""
        own = [f"{name}:{entry.takes}" if entry.takes else name for name, entry in self._entries.items()]
        return list(dict.fromkeys([*own, *sorted(point.name for point in self._points())]))

    def get(self, name: str, *, where: str | None = None, foreign: ForeignText | None = None) -> Entry:
        """The entry called `name`, or the object that `package.module:Name` names.

        Args:
            name: without options.
            where: it stands, for messages.
            foreign: the text of a file that it was taken from.

        Raises:
            UserError: there is no such name; the nearest one is named. Or a file names it, and the user does not.
        """
        family, _, word = name.partition(":")
        if family in self._entries and (entry := self._entries[family]).takes:
            if not _WORD.fullmatch(word):
                what = f"{name!r} does not say which" if not word else f"{word!r} cannot be a name"
                raise UserError(
                    what, where=where, legal=f"{family}:{entry.takes}", hint=f"write {family}:{entry.takes}"
                )
            return replace(entry, name=name, word=word)
        if name in self._entries:
            return self._entries[name]
        for point in self._points():
            if point.name == name:
                return self._import(name, point.value, where=where, foreign=foreign)
        if name in self._refused:
            raise UserError(f"there is no {self.kind} {name!r}: {self._refused[name]}", where=where)
        if ":" in name:
            return self._import(name, name, where=where, foreign=foreign)
        raise UserError(
            f"unknown {self.kind} {name!r}",
            where=where,
            legal=self.names(),
            given=name,
            hint=f"see: clnorm list {self.plural}",
        )

    def parse(self, text: object, *, where: str | None = None) -> Spec:
        """`name`, `name:option=value,...` or `package.module:Name:option=value,...` with every option decided.

        What is decided already is returned as it is.

        Raises:
            UserError: an unknown name; unknown options and illegal values, all of them; an object that is unfit for its
                use here; or a plug-in that a file names (`ForeignText`) and the user does not.
        """
        if isinstance(text, Spec):
            if text.kind == self.kind:
                return text
            text = str(text)
        where = where or self.kind
        if not isinstance(text, str) or not text.strip():
            raise UserError(
                f"{text!r} is not a name", where=where, legal=self.names(), hint=f"see: clnorm list {self.plural}"
            )
        registered = self._entries.get(text.partition(":")[0].strip())
        if text in self._parsed and self._parsed[text][0] is registered:
            return self._parsed[text][1]
        spec = self._parse(text, where=where)
        if registered is not None:
            if len(self._parsed) >= _MOST_PARSED:
                self._parsed.clear()
            self._parsed[text] = registered, spec
        return spec

    def _parse(self, text: str, *, where: str) -> Spec:
        foreign = text if isinstance(text, ForeignText) else None
        name, given = self._split(text.strip(), where=where, foreign=foreign)
        entry = self.get(name, where=where, foreign=foreign)
        decided, mistakes = dict[str, Value](), Mistakes()
        for key in given:
            if key not in entry.options:
                mistakes.add(self._no_option(entry, key, where=where))
        for key, option in entry.options.items():
            if key in given:
                with mistakes.collected():
                    decided[key] = option.parse(given[key], where=f"{where}: option {key!r} of {name!r}")
            elif option.default is None:
                what, hint = f"{name!r} needs a value for its option {key!r}", f"write {name}:{key}=VALUE"
                mistakes.add(UserError(what, where=where, hint=hint))
            else:
                decided[key] = option.default
        mistakes.refuse()
        changed = {key: decided[key] for key, option in entry.options.items() if decided[key] != option.default}
        options = tuple(sorted(decided.items()))
        return Spec(self.kind, name, options, format_spec(name, changed), entry, frozenset(given))

    def parse_own(self, text: str) -> Spec | None:
        """What `parse` gives for a registered name; None for a plug-in's, which is not imported, or no legal text."""
        if text.partition(":")[0].strip() not in self._entries:
            return None
        try:
            return self.parse(text)
        except UserError:
            return None

    def _no_option(self, entry: Entry, key: str, *, where: str) -> UserError:
        what, known = f"{entry.name!r} has no option {key!r}", entry.options or "none, it takes no options"
        if key not in entry.lacks:
            return UserError(what, where=where, legal=known, given=key)
        names = ", ".join(name for name, other in self._entries.items() if key in other.options)
        return UserError(f"{what}: {entry.lacks[key]}", where=where, legal=known, hint=f"these have it: {names}")

    def _split(self, text: str, *, where: str, foreign: ForeignText | None) -> tuple[str, dict[str, str]]:
        """The name and the option texts; the name holds a colon as `package.module:Name`, or as a family's member."""
        name, _, options = text.partition(":")
        if name in self._entries and self._entries[name].takes:
            word, _, options = options.partition(":")
            name = f"{name}:{word.strip()}"
        elif name not in self._entries and (match := _PLUGIN.match(text)):
            name, options = match["target"], match["options"] or ""
        elif (match := _DOTTED.fullmatch(name)) and name not in self.names():
            if foreign is not None:
                foreign.refuse(name, where=where)
            self._import_first()
            if not import_module(match["module"]):
                raise UserError(
                    f"unknown {self.kind} {name!r}, and there is no module {match['module']!r}",
                    where=where,
                    legal=self.names(),
                    given=name,
                    hint=f"see: clnorm list {self.plural}; a module of your own: {FIND_MODULE}",
                )
            name = f"{match['module']}:{match['attribute']}"
        pairs, mistakes = dict[str, str](), Mistakes()
        for word in filter(None, options.split(",")):
            key, equals, value = (part.strip() for part in word.partition("="))
            if not (key and equals and value):
                what, hint = f"{word!r} is not option=value", f"write {name}:option=value"
                mistakes.add(UserError(what, where=where, hint=hint))
            elif key in pairs:
                mistakes.add(UserError(f"option {key!r} is given twice", where=where, hint="give it once"))
            pairs[key] = value
        mistakes.refuse()
        return name, pairs

    def _import(self, name: str, target: str, *, where: str | None, foreign: ForeignText | None) -> Entry:
        if foreign is not None:
            foreign.refuse(name, where=where or self.kind)
        self._import_first()
        try:
            return self._entry_of(name, import_target(target))
        except UserError as error:
            raise error.within(where or self.kind) from error

    def _import_first(self) -> None:
        if self._first:
            import_module(self._first)

    def _entry_of(self, name: str, target: Any, *, summary: str = "") -> Entry:
        if not callable(target):
            raise UserError(f"{name!r} is no class or function", hint="name one that can be called")
        home = f"{getattr(target, '__module__', '')}:{getattr(target, '__qualname__', '')}"
        if home in self._unfit:
            raise UserError(f"{name!r} cannot be taken: {self._unfit[home]}")
        summary = summary or (inspect.getdoc(target) or "").partition("\n")[0]
        if self._adapt is not None and (adapted := self._adapt(name, target)) is not None:
            return replace(adapted, summary=summary)
        entry = Entry(name, target, summary, read_options(target, self._given))
        return self._complete(entry) if self._complete is not None else entry

    def _points(self) -> list[importlib.metadata.EntryPoint]:
        return list(importlib.metadata.entry_points(group=self.group))
