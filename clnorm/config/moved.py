"""Keys of earlier versions that are options of the norm now, and what to write instead."""

from collections.abc import Mapping
from typing import Any

from clnorm.catalogue import NORMS
from clnorm.catalogue.registry import Spec, format_spec
from clnorm.errors import UserError

# Each key's option of the norm, and the value that asked for nothing.
_MOVED = {
    "train.stats_update": ("update", "all"),
    "train.recalibrate_after_exp": ("recalibrate", "none"),
    "train.freeze_after_exp": ("freeze_after", "0"),
    "eval.stats": ("eval", "running"),
}
MOVED_COLUMNS = {key.removeprefix("train."): moved for key, moved in _MOVED.items() if key != "eval.stats"}
"""Columns that results had, each with the option of the norm that says it now, and the value that no name shows."""


def moved_options(config: Mapping[str, Any]) -> dict[str, str]:
    """The options that a norm would have now, of a nested configuration with the keys of an earlier version.

    `eval.stats=task` is none: a norm that can be evaluated so is evaluated so.
    """
    given = ((*_MOVED[key], value) for key, value in _read(config).items())
    return {option: value for option, usual, value in given if value not in (usual, "task")}


def drop_moved(name: str, section: Any) -> Any:
    """A section as it was given, without the keys of an earlier version."""
    if not isinstance(section, Mapping):
        return section
    return {key: value for key, value in section.items() if f"{name}.{key}" not in _MOVED}


def refuse_moved(norm: Spec | None, sections: Mapping[str, Any]) -> None:
    """Refuse the keys of an earlier version.

    Args:
        norm: of the configuration; None where that is wrong itself.
        sections: its sections as they were given.

    Raises:
        UserError: there is such a key; it names the norm to write.
    """
    given = _read(sections)
    if not given:
        return
    what = f"{' and '.join(given)} {'are options' if len(given) > 1 else 'is an option'} of the norm now"
    if norm is None:
        raise UserError(what, hint="write them as --norm NAME:OPTION=VALUE; see: clnorm list norms")
    options, leave = moved_options(sections), "leave them out" if len(given) > 1 else "leave it out"
    wanted = norm
    if given.get("eval.stats") == "task" and norm.kwargs.get("eval") != "task":
        wanted = NORMS.parse("bn_task")
    if not options.keys() <= wanted.kwargs.keys():
        wanted = NORMS.parse("bn")
    if wanted is norm and not options:
        raise UserError(what, hint=f"{leave}, since {norm.name} does {' and '.join(given.values())} without")
    text = format_spec(wanted.name, {**wanted.kwargs, **options})
    raise UserError(what, hint=f"write --norm {NORMS.parse(text, where=', '.join(given)).short}")


def _read(config: Mapping[str, Any]) -> dict[str, str]:
    """The values of such keys, as text, by dotted key."""
    sections = {key: config.get(key.partition(".")[0]) for key in _MOVED}
    return {
        key: str(section[name])
        for key, section in sections.items()
        if isinstance(section, Mapping) and (name := key.partition(".")[2]) in section
    }
