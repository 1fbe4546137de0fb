"""What decides a run's id: the hash of what changes its result."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import fields
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any

from clnorm.catalogue.registry import Spec, format_spec
from clnorm.config.added import ADDED, ADDED_KEYS
from clnorm.config.config import Config
from clnorm.config.fields import Section, list_names, plain_values
from clnorm.config.tuned import read_tuning
from clnorm.errors import UserError

# What a run's identity leaves out: it changes where or how fast a run happens; the device, only by rounding.
NOT_IDENTITY = {
    "out",
    "keep_model",
    "log",
    "data.root",
    "data.clips",
    "data.workers",
    "data.cache",
    "data.device_cache",
    "model.weights",
    "train.device",
    "save.every_minutes",
    "save.every_epochs",
    "save.prefixes",
    "save.prefixes_gb",
    "save.experiences",
    "begin.run",
    "begin.experience",
}


# Counted up where a method's results change with the same options, so that an old run is not taken for a new one.
# replay, 2: no batch holds a clip of the memory twice where it need not.
_VERSIONS = {"replay": 2}


# What has a run keep more beside its results, and changes none of them: such runs stand in one table.
BESIDE = {"eval.plasticity", "eval.nearest", "eval.every", "eval.probe", "eval.cka"}


_WITH_FILES = ("protocol",)  # names that may have options that are files


def run_id(config: Config, *, data: str = "", weights: str | None = None) -> str:
    """Eight hex digits of what changes a run's result.

    Args:
        config: the run's configuration; device, workers, data root and output folder do not count, and a file of
            weights counts by its content.
        data: the fingerprint of the clips, which stands for the data root.
        weights: sha256 (hex) of the file of weights, where it is known and the file need not be read.

    Raises:
        UserError: the file of weights cannot be read.
    """
    return _digest(config, data, weights, leave_out=NOT_IDENTITY)


def setting_id(config: Config, *, data: str = "", weights: str | None = None) -> str:
    """Eight hex digits of what runs must share to stand in one table: all but norm, strategy and seed.

    Tuned values, which each norm and strategy has of its own, do not count either; the file that they come from does.
    The arguments are those of `run_id`.
    """
    tuned = read_tuning(config.tuned).keys if config.tuned is not None else []
    return _digest(config, data, weights, leave_out={*NOT_IDENTITY, *BESIDE, "norm", "strategy", "seed", *tuned})


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A configuration's plain values by dotted key."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def list_values(config: Config) -> dict[str, Any]:
    """The plain values of a configuration by dotted key: what `flatten` gives of its `to_dict`."""
    flat: dict[str, Any] = {}
    for item in fields(config):
        value = getattr(config, item.name)
        if isinstance(value, Section):
            flat |= _list_section(value, f"{item.name}.")
        else:
            flat[item.name] = str(value) if isinstance(value, Spec) else value
    return flat


@lru_cache(maxsize=1024)  # the cells of a grid share most sections
def _list_section(section: Section, prefix: str) -> dict[str, Any]:
    return flatten(plain_values(section), prefix)


def describe(config: Config, *, leave_out: Collection[str], weights: str | None = None) -> dict[str, Any]:
    """What changes a run's result, as plain values by dotted key: options, sources of plug-ins, hash of weights.

    Args:
        config: the run's configuration.
        leave_out: keys that do not count.
        weights: as of `run_id`.
    """
    flat = {key: value for key, value in list_values(config).items() if key not in leave_out and _counts(key, value)}
    flat |= {key: text for key, text in _without_added(config).items() if key in flat}
    flat |= {key: _with_content(text, attrgetter(key)(config)) for key, text in flat.items() if key in _WITH_FILES}
    flat |= {f"{key}.source": source for key, source in _plugin_sources(config).items() if key in flat}
    if "strategy" in flat and (version := _VERSIONS.get(config.strategy.name)):
        flat["strategy.version"] = version
    if "tuned" in flat:
        tuning = read_tuning(flat["tuned"])
        tuning.refuse_other_values(config)
        flat["tuned"] = tuning.digest
    if config.begin.run is not None:
        state = state_after(config.begin.run, config.begin.experience - 1)
        hint = "give the folder of a run that was made with save.experiences=true"
        flat["begin"] = [config.begin.experience, _digest_file(str(state), where="begin.run", hint=hint)]
    return {**flat, "weights": (weights or digest_weights(config)) if config.model.weights else ""}


def _digest(config: Config, data: str, weights: str | None, *, leave_out: set[str]) -> str:
    text = json.dumps({**describe(config, leave_out=leave_out, weights=weights), "data": data}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _counts(key: str, value: object) -> bool:
    return key not in ADDED_KEYS or value != ADDED_KEYS[key]


def _without_added(config: Config) -> dict[str, str]:
    """The names that have options of `ADDED`, without those that do not count, by dotted key."""
    named: dict[str, Spec] = {key: attrgetter(key)(config) for key in ADDED}
    names = {key: spec for key, spec in named.items() if not spec.entry.source}  # a plug-in's options are its own
    return {
        key: format_spec(spec.name, {name: value for name, value in spec.options if ADDED[key].get(name) != value})
        for key, spec in names.items()
    }


def _with_content(text: str, spec: Spec) -> str:
    """The text of a name, with the hash of each file in it in the place of its path."""
    for name, option in spec.entry.options.items():
        path = spec.kwargs[name]
        if option.file and path not in option.words:
            where, hint = f"{spec.kind} {spec.name}: option {name!r}", "give an existing file"
            text = text.replace(f"{name}={path}", f"{name}={_digest_file(str(path), where=where, hint=hint)}")
    return text


def _plugin_sources(config: Config) -> dict[str, str]:
    """The hash of the file of each plug-in that a configuration names, by dotted key."""
    sources: dict[str, str] = {}
    for item in fields(config):
        value = getattr(config, item.name)
        if isinstance(value, Section):
            sources |= _sources_in(value, f"{item.name}.")
        elif isinstance(value, Spec) and value.entry.source:
            sources[item.name] = value.entry.source
    return sources


def _sources_in(section: Section, prefix: str) -> dict[str, str]:
    kind: type = type(section)
    names = [(name, getattr(section, name)) for name in list_names(kind)]
    return {prefix + name: spec.entry.source for name, spec in names if spec.entry.source}


def state_after(run: str | Path, experiences: int) -> Path:
    """Where a run with `save.experiences=true` keeps its state after so many experiences."""
    return Path(run).expanduser() / "states" / f"after_{experiences}.pt"


def digest_weights(config: Config) -> str:
    """sha256 (hex) of the file of weights that a configuration names; empty where it names none.

    Raises:
        UserError: it cannot be read.
    """
    return _digest_file(config.model.weights) if config.model.weights else ""


def _digest_file(path: str, *, where: str = "model.weights", hint: str = "give an existing file") -> str:
    file = Path(path).expanduser()
    try:
        status = file.stat()
        return _digest_content(file, (status.st_ino, status.st_size, status.st_mtime_ns))
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", where=f"{where} {path}", hint=hint) from error


@lru_cache(maxsize=64)
def _digest_content(file: Path, state: tuple[int, ...]) -> str:  # `state` tells a file that was changed
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
