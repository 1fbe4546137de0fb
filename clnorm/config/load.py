"""A configuration from YAML, `--set key=value` and flags: one merge, one validation."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from clnorm import reading
from clnorm.catalogue.plugins import mark_foreign, parse_allowed
from clnorm.config.config import Config
from clnorm.config.fields import build_section, list_keys
from clnorm.config.tuned import TUNED_FILE, take_tuned
from clnorm.errors import Mistakes, UserError


def load_config(
    path: str | Path | None = None,
    overrides: Iterable[str] | Mapping[str, Any] = (),
    *,
    allow_plugins: Iterable[str] = (),
) -> Config:
    """A configuration from a YAML file and overrides, which win.

    Args:
        path: a YAML file of nested keys; None starts from the defaults.
        overrides: `"a.b=c"` texts, or a mapping from dotted keys to values.
        allow_plugins: the plug-ins that the file may name, such as `"mypackage.mymodule:MyNorm"`; importing one runs
            its code, so that a file alone does not decide it. What `overrides` name is imported.

    Raises:
        UserError: an unreadable file; or unknown keys, illegal values and plug-ins that are not allowed, all of them.
    """
    if not isinstance(overrides, Mapping):
        overrides = parse_overrides(overrides)
    values = read_yaml(path, allowed=parse_allowed(allow_plugins)) if path is not None else {}
    if "grid" in values:
        command = "tune --search" if "search" in values else "sweep"
        what = f"holds a {'search' if 'search' in values else 'sweep'}: it has `grid`"
        raise UserError(what, where=str(path), hint=f"write clnorm {command} {path}")
    return merge_config(values, overrides)


def merge_config(values: Mapping[str, Any], overrides: Mapping[str, Any]) -> Config:
    """A configuration from nested values and overrides by dotted key, which win; raises as `load_config`.

    Where it names a file of tuned values, it has those of its norm and strategy.
    """
    merged, mistakes = deepcopy(dict(values)), Mistakes()
    for dotted, value in overrides.items():
        inner = [key for key in overrides if key.startswith(f"{dotted}.")]
        if inner and not isinstance(value, Mapping):
            hint = "give one of them"
            mistakes.add(UserError(f"{dotted!r} is given a value, and {inner[0]!r} too", where=dotted, hint=hint))
        with mistakes.collected():
            _set(merged, dotted, value)
    with mistakes.collected():
        config: Config = build_section(Config, merged)
    mistakes.refuse()
    if config.tuned is None:
        return config
    train = merged.get("train")
    return take_tuned(config, [f"train.{key}" for key in train] if isinstance(train, Mapping) else [])


def read_yaml(path: str | Path, *, allowed: frozenset[str]) -> dict[str, Any]:
    """The mapping in a YAML file, read without running anything in it; its texts may name `allowed` plug-ins only.

    Raises:
        UserError: no such file, no YAML, or no mapping; the line is named.
    """
    try:
        loaded = reading.read_yaml(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", where=str(path), hint="give an existing file") from error
    except UnicodeDecodeError as error:
        raise UserError("is not UTF-8 text", where=str(path), hint="give a YAML file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be parsed"
        hint = "put a text with signs such as = : % , [ or { in quotes"
        raise UserError(f"is not YAML: {problem}", where=f"{path}{line}", hint=hint) from error
    except ValueError as error:
        raise UserError(f"cannot be taken: {error}", where=str(path), hint="give a plain YAML file") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise UserError(
            f"holds a {type(loaded).__name__}, not keys with values", where=str(path), legal=list_keys(Config)
        )
    # A run's folder may be moved: its table of clips and its tuned values lie beside its configuration.
    data, folder = loaded.get("data"), Path(path).absolute().parent
    if isinstance(data, dict) and isinstance(data.get("clips"), str) and data["clips"]:
        data["clips"] = str(folder / Path(data["clips"]).expanduser())
    if loaded.get("tuned") == TUNED_FILE:
        loaded["tuned"] = str(folder / TUNED_FILE)
    marked: dict[str, Any] = mark_foreign(loaded, allowed, str(path))
    return marked


def parse_overrides(texts: Iterable[str]) -> dict[str, str]:
    """`key=value` texts as a mapping.

    Raises:
        UserError: texts of another form, and keys given twice, all of them.
    """
    overrides: dict[str, str] = {}
    mistakes = Mistakes()
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not key:
            what = f"{text!r} is not of the form key=value"
            mistakes.add(UserError(what, where="--set", hint="write --set train.epochs=5"))
        elif key in overrides:
            mistakes.add(UserError(f"{key!r} is given twice", where="--set", hint="give it once"))
        overrides.setdefault(key, value)
    mistakes.refuse()
    return overrides


def _set(target: dict[str, Any], dotted: str, value: Any) -> None:
    *sections, last = dotted.split(".")
    for section in sections:
        inner = target[section] = {} if target.get(section) is None else target[section]
        if not isinstance(inner, dict):
            raise UserError(f"{section!r} holds a value, not keys", where=dotted, legal=list_keys(Config))
        target = inner
    target[last] = value
