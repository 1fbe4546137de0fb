"""Sections of a configuration: dataclasses that check and convert each of their fields when they are built.

A field is declared by `name_field`, `value_field` or `path_field`, which say what is legal; unknown keys are refused.
"""

from collections.abc import Mapping
from dataclasses import field, fields, is_dataclass
from enum import Enum
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, get_type_hints

from clnorm.catalogue.option import Option, Value
from clnorm.catalogue.plugins import ForeignText
from clnorm.catalogue.registry import Registry, Spec
from clnorm.errors import Mistakes, UserError, nearest

_MOST_KEYS = 20
"""Unknown keys that a message names."""

_PLAIN = frozenset({bool, int, float, str, type(None)})


class Open(Enum):
    """Stands for a value that was not given, where pretrained runs have another default, until the section is built."""

    OPEN = "open"


def name_field(registry: Registry, default: str, doc: str, *, pretrained: str | None = None) -> Any:
    """A name of a registry, with its options; the arguments are those of `value_field`."""
    return _field(registry.parse(default), doc, pretrained=pretrained, registry=registry)


def value_field(default: Value, doc: str, *, pretrained: Value | None = None, **legal: Any) -> Any:
    """A plain value.

    Args:
        default: the value where none is given.
        doc: what it does, in a few words.
        pretrained: the default where the model starts from pretrained weights, if it is another one.
        legal: what `Option` takes.
    """
    return _field(default, doc, pretrained=pretrained, option=Option(default, doc, **legal))


def path_field(default: str | None, doc: str) -> Any:
    return _field(default, doc, path=True)


def section_field() -> Any:
    return field(default_factory=dict)


def _field(default: Any, doc: str, *, pretrained: Any = None, **legal: Any) -> Any:
    metadata = {"default": default, "doc": doc, "pretrained": pretrained, **legal}
    return field(default=default if pretrained is None else Open.OPEN, metadata=metadata)


class ContradictionError(UserError):
    """Values that are legal each by itself and not together, which cannot be known while another key is wrong."""


class Section:
    """A group of fields that checks and converts each of them when it is built."""

    def __post_init__(self) -> None:
        mistakes = Mistakes()
        for item in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            given = getattr(self, item.name)
            given = item.metadata["default"] if given is Open.OPEN else given
            try:
                object.__setattr__(self, item.name, _check(item.metadata, given, where=item.name))
            except UserError as error:
                mistakes.add(error)
        mistakes.refuse()


def _check(metadata: Mapping[str, Any], given: Any, *, where: str) -> Any:
    if registry := metadata.get("registry"):
        return registry.parse(given, where=where)
    given = str(given) if isinstance(given, ForeignText) else given  # only names can be plug-ins
    if option := metadata.get("option"):
        return option.parse(given, where=where)
    if metadata.get("path"):
        if given is not None and not isinstance(given, (str, Path)):
            raise UserError(
                f"{given!r} is not a path", where=where, legal="a path, in quotes where it looks like a number"
            )
        if given in (None, ""):
            if metadata["default"] is not None:
                raise UserError("a path is needed", where=where, hint=f"such as {where}={metadata['default']}")
            return None
        return str(given)
    return given


def build_section(cls: type, given: Any, *, where: str = "") -> Any:
    """An instance of a section from a mapping; an instance passes through.

    Raises:
        UserError: unknown keys and illegal values, all of them.
    """
    if isinstance(given, cls):
        return given
    given = {} if given is None else given
    if not isinstance(given, Mapping):
        raise UserError(
            f"{given!r} is not a mapping of keys", where=where.rstrip(".") or "config", legal=list_keys(cls)
        )
    mistakes, known = Mistakes(), list_keys(cls)
    with mistakes.collected():
        _refuse_unknown(cls, given, where=where)
    try:
        built = _construct(cls, {key: value for key, value in given.items() if key in known})
    except UserError as error:
        placed = error.within(where.rstrip("."), joint=".") if where else error
        mistakes.add(placed, leave_out=ContradictionError if mistakes else None)
    mistakes.refuse()
    return built


def _construct(cls: type, given: dict[str, Any]) -> Any:
    """A section of what was given for it. The cells of a grid share most sections, which cannot change: one is built.

    Not where a name is given, since that may stand for something else when it is given again.
    """
    kinds = tuple(map(type, given.values()))  # 1, 1.0 and True are the same key
    if list_sections(cls) or given.keys() & list_names(cls) or not _PLAIN.issuperset(kinds):
        return cls(**given)
    return _construct_once(cls, tuple(given.items()), kinds)


@lru_cache(maxsize=1024)
def _construct_once(cls: type, given: tuple[tuple[str, Any], ...], kinds: tuple[type, ...]) -> Any:
    return cls(**dict(given))


@cache
def list_names(cls: type) -> tuple[str, ...]:
    """The fields of a section that hold names of a registry."""
    return tuple(item.name for item in fields(cls) if "registry" in item.metadata)


def _refuse_unknown(cls: type, given: Mapping[Any, Any], *, where: str) -> None:
    """Refuse keys that a section does not have; `where` goes before them.

    A key near one that there is names that one; the section's keys are listed only where there is another. An unknown
    section with one key in it is meant as a whole: `daxa.frames` is near `data.frames`.
    """
    own = list_keys(cls)
    keys = [where + _whole_key(key, value) for key, value in given.items() if key not in own]
    if not keys:
        return
    known = [*list_keys(cls, where), *([] if where else list_keys(cls, deep=True))]
    near = {key: _nearest_key(key, known, where=where) for key in keys[:_MOST_KEYS]}
    hints = ["write it nested, as section: {key: value}"] if any(key in known for key in keys) else []
    if len(keys) == 1:
        what = f"unknown key {keys[0]!r}"
        hints = [f"did you mean {near[keys[0]]!r}?"] if near[keys[0]] not in (None, keys[0]) else hints
    else:
        named = [
            f"{key!r}" + (f" (did you mean {match!r}?)" if match not in (None, key) else "")
            for key, match in near.items()
        ]
        more = f" and {len(keys) - len(named)} more" if len(keys) > len(named) else ""
        what = f"unknown keys {', '.join(named)}{more}"
    legal = list_keys(cls, where) if None in near.values() else None
    raise UserError(what, legal=legal, hint="; ".join([*hints, "all keys: clnorm list config"]))


def _whole_key(key: Any, value: Any) -> str:
    return f"{key}.{next(iter(value))}" if isinstance(value, Mapping) and len(value) == 1 else str(key)


def _nearest_key(key: str, known: list[str], *, where: str) -> str | None:
    """As `nearest`, by what stands behind `where`, which makes any two keys of a section alike."""
    match = nearest(key.removeprefix(where), [name.removeprefix(where) for name in known])
    return None if match is None else where + match


def list_keys(cls: type, prefix: str = "", *, deep: bool = False) -> list[str]:
    """The keys of a section; with `deep`, only those inside of its own sections."""
    if deep:
        return [key for name, section in list_sections(cls).items() for key in list_keys(section, f"{name}.")]
    return [prefix + name for name in _list_fields(cls)]


@cache
def _list_fields(cls: type) -> tuple[str, ...]:
    return tuple(item.name for item in fields(cls))


def list_value_keys(cls: type) -> list[str]:
    """The dotted keys of a configuration that hold a value, not a section."""
    return [key for key in list_keys(cls) if key not in list_sections(cls)] + list_keys(cls, deep=True)


def pretrained_recipe(cls: type) -> dict[str, Value]:
    """The defaults of a section that differ where the model starts from pretrained weights."""
    return {item.name: item.metadata["pretrained"] for item in fields(cls) if item.default is Open.OPEN}


@cache
def list_sections(cls: type) -> dict[str, type]:
    """The fields of a configuration that are sections of it."""
    return {
        name: kind for name, kind in get_type_hints(cls).items() if isinstance(kind, type) and issubclass(kind, Section)
    }


def plain_values(section: Any) -> dict[str, Any]:
    """A section as nested plain values; names in full, with every option."""
    plain: dict[str, Any] = {}
    for item in fields(section):
        value = getattr(section, item.name)
        if isinstance(value, Spec):
            plain[item.name] = str(value)
        else:
            plain[item.name] = plain_values(value) if is_dataclass(value) else value
    return plain
