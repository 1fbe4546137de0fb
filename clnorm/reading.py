"""Reading what somebody else may have written: files, JSON and YAML of bounded size and depth, and types of values."""

import json
import re
import types
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import yaml

_JSON_BYTES, _YAML_BYTES = 64_000_000, 200_000
_DEPTH, _VALUES = 40, 20_000
_HALVES = re.compile(r"\\u[dD][89a-fA-F]")  # of a character beyond 16 bits, legal in pairs


def read_regular(path: Path) -> bytes:
    """The content of a file.

    Raises:
        OSError: it cannot be read, or it is a pipe or a device, which would be waited for, or never end.
    """
    if path.exists() and not path.is_file():
        raise OSError("it is no regular file")
    return path.read_bytes()


def read_json(content: bytes | str) -> Any:
    """The value in a JSON text.

    Raises:
        ValueError: it is no JSON, over 64 MB, nested over 40 deep, or holds a number that is not finite or a text that
            is no UTF-8.
    """
    if len(content) > _JSON_BYTES:
        raise ValueError(f"it is larger than {_JSON_BYTES // 1_000_000} MB")
    try:
        value = json.loads(content, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise _too_deep() from error
    level, depth = [value], 0
    while level := [inner for outer in level if isinstance(outer, (list, dict)) for inner in _items(outer)]:
        depth += 1
        if depth > _DEPTH:
            raise _too_deep()
    if _HALVES.search(content if isinstance(content, str) else content.decode("latin-1")):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"it holds half a character, {error.object[error.start]!a}") from error
    return value


def read_yaml(text: str) -> Any:
    """The value in a YAML text, read without running anything in it.

    Raises:
        yaml.YAMLError: it is no YAML.
        ValueError: it is over 200 kB, nested over 40 deep, holds over 20,000 values where its aliases are written out,
            or a value of no type.
    """
    if len(text) > _YAML_BYTES:
        raise ValueError(f"it is larger than {_YAML_BYTES // 1000} kB")
    _bound_events(text)
    return yaml.safe_load(text)


def check_types(values: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
    """Compare values from JSON with the types that they must have.

    Args:
        values: by name.
        kinds: the type of each name: a class, a list, dict or tuple of them, or several joined by `|`.

    Raises:
        ValueError: a value is of another type; it is named.
    """
    for name, value in values.items():
        if name in kinds and not _tester(kinds[name])(value):
            kind = kinds[name]
            raise ValueError(f"{name} is {_short(value)}, not {kind.__name__ if type(kind) is type else kind}")


def _bound_events(text: str) -> None:
    """Count values as if every alias were written out, by the parser's events: nothing is built of them yet."""
    counts, anchors = [0], list[str | None]()
    known: dict[str | None, int] = {}
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            counts.append(1)
            anchors.append(event.anchor)
        elif isinstance(event, yaml.CollectionEndEvent):
            count, anchor = counts.pop(), anchors.pop()
            known[anchor] = count
            counts[-1] += count
        elif isinstance(event, yaml.ScalarEvent):
            known[event.anchor] = 1
            counts[-1] += 1
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor in anchors:
                raise ValueError(f"the alias *{event.anchor} stands inside of what it stands for")
            counts[-1] += known.get(event.anchor, 1)
        _refuse_excess(len(counts), counts[-1])


def _refuse_excess(depth: int, values: int) -> None:
    if depth > _DEPTH:
        raise _too_deep()
    if values > _VALUES:
        raise ValueError(f"it holds more than {_VALUES:,} values, its aliases written out")


@cache
def _tester(kind: Any) -> Callable[[Any], bool]:
    """Whether a value is of a type, as a function: a large record is checked in one pass over its lists."""
    if kind is Any:
        return lambda value: True
    if plain := _plain_types(kind):
        return lambda value: type(value) in plain
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        tests = [_tester(one) for one in inner]
        return lambda value: any(test(value) for test in tests)
    if origin is dict:
        keys, values = map(_tester_of_all, inner)
        return lambda value: isinstance(value, dict) and keys(value) and values(value.values())
    items = _tester_of_all(inner[0])
    return lambda value: isinstance(value, origin) and items(value)


def _tester_of_all(kind: Any) -> Callable[[Iterable[Any]], bool]:
    if plain := _plain_types(kind):
        return lambda values: plain.issuperset(map(type, values))
    test = _tester(kind)
    return lambda values: all(map(test, values))


def _plain_types(kind: Any) -> frozenset[type]:
    """The classes that a value from JSON of this type may have, true and false being no numbers; none where it is of
    values of its own.
    """
    if get_origin(kind) in (Union, types.UnionType):
        parts = [_plain_types(one) for one in get_args(kind)]
        return frozenset().union(*parts) if all(parts) else frozenset()
    if kind is Any or get_origin(kind) is not None:
        return frozenset()
    return frozenset({int, float}) if kind is float else frozenset({kind})


def _items(value: list[Any] | dict[str, Any]) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _too_deep() -> ValueError:
    return ValueError(f"it is nested more than {_DEPTH} deep")


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"it holds the number {text}")
