"""A user's own list of the classes of each experience."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from clnorm.errors import Mistakes, UserError
from clnorm.streams.cut import Experiences

_FORM = "YAML, a list of lists of class names, or text, an experience a line, its class names separated by commas"


def read_class_list(path: str, names: Sequence[str]) -> Experiences:
    """The class ids of each experience in a file.

    A file that ends in `.yaml` or `.yml` is a list of lists of names. Any other is text: one experience a line, its
    class names separated by commas; empty lines, and what stands behind a `#` at the start of a line, do not count.

    Args:
        path: of the file.
        names: of the dataset's classes, by id.

    Raises:
        UserError: it cannot be read, has another form, or does not name each class once; all mistakes.
    """
    where = f"protocol: list {path}"
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", where=where, hint="give an existing file") from error
    except UnicodeDecodeError as error:
        raise UserError("is no text in UTF-8", where=where, legal=_FORM) from error
    is_yaml = Path(path).suffix.lower() in (".yaml", ".yml")
    groups = _read_yaml(text, where=where) if is_yaml else _read_lines(text)
    if not groups or not all(groups):
        raise UserError("holds no experience" if not groups else "an experience is empty", where=where, legal=_FORM)
    _check(groups, names, where=where)
    place = {name: label for label, name in enumerate(names)}
    return [[place[name] for name in group] for group in groups]


def _read_lines(text: str) -> list[list[str]]:
    lines = (line.strip() for line in text.splitlines())
    counted = [line for line in lines if line and not line.startswith("#")]
    return [[name.strip() for name in line.split(",") if name.strip()] for line in counted]


def _read_yaml(text: str, *, where: str) -> list[list[str]]:
    try:
        content: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"is no YAML ({str(error).splitlines()[0]})", where=where, legal=_FORM) from error
    if not isinstance(content, list) or not all(isinstance(group, list) for group in content):
        raise UserError("is not a list of lists", where=where, legal=_FORM)
    for name in (name for group in content for name in group):
        if not isinstance(name, str):
            what = f"{name!r} is no text"
            raise UserError(what, where=where, legal=_FORM, hint="put it in quotes, if a class is called so")
    return content


def _check(groups: list[list[str]], names: Sequence[str], *, where: str) -> None:
    counts, mistakes = Counter(name for group in groups for name in group), Mistakes()
    for name, count in counts.items():
        if name not in names:
            mistakes.add(UserError(f"there is no class {name!r}", where=where, legal=names, given=name))
        elif count > 1:
            mistakes.add(UserError(f"{name!r} stands there {count} times", where=where, hint="write each class once"))
    if absent := [name for name in names if name not in counts]:
        shown = ", ".join(absent[:8]) + (f" and {len(absent) - 8} more" if len(absent) > 8 else "")
        hint = "add them to an experience; none is left out of a stream"
        mistakes.add(UserError(f"it lacks {shown}", where=where, hint=hint))
    mistakes.refuse()
