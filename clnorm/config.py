"""The configuration of one run: typed, frozen and closed.

YAML, `--set a.b=c` and the named flags are merged into one plain dictionary, which is validated once; unknown keys are
refused. A `Config` that exists is therefore legal and complete.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from clnorm.catalogue import BACKBONES, DATASETS, NORMS, PROTOCOLS, STRATEGIES
from clnorm.errors import UserError
from clnorm.fields import (
    Section,
    build_section,
    list_keys,
    list_sections,
    name_field,
    path_field,
    plain_values,
    pretrained_recipe,
    section_field,
    value_field,
)
from clnorm.registry import Spec
from clnorm.sections import DataConfig, EvalConfig, ModelConfig, TrainConfig

# What a run's identity leaves out: it changes where or how fast a run happens; the device, only by rounding.
_NOT_IDENTITY = {
    "out",
    "keep_model",
    "data.root",
    "data.workers",
    "data.cache",
    "data.device_cache",
    "model.weights",
    "train.device",
}


@dataclass(frozen=True, kw_only=True)
class Config(Section):
    """One run: a norm, a strategy, a backbone, a dataset cut by a protocol, and a seed.

    Names are texts such as `"cn"` or `"replay:per_class=10"`; they are parsed when the configuration is built. A
    section may be given as a mapping; what it leaves open then has the defaults of pretrained runs where `model` names
    weights, and so has the backbone.

    Raises:
        UserError: an unknown name or key, or a value of the wrong type or range.
    """

    norm: Spec = name_field(NORMS, "ln", "normalization layer")
    strategy: Spec = name_field(STRATEGIES, "naive", "continual-learning strategy")
    backbone: Spec = name_field(BACKBONES, "lsvit_nano", "video backbone", pretrained="lsvit_signed_tiny:smif=frames")
    dataset: Spec = name_field(DATASETS, "synthetic", "dataset")
    protocol: Spec = name_field(PROTOCOLS, "even", "how classes become experiences")
    seed: int = value_field(0, "of class order, weights, batches, memory", low=0, high=2**31 - 1)
    out: str = path_field("runs", "folder that run folders go into")
    keep_model: bool = value_field(True, "keep the trained model, which predict and export need")
    data: DataConfig = section_field()
    model: ModelConfig = section_field()
    train: TrainConfig = section_field()
    eval: EvalConfig = section_field()

    def __post_init__(self) -> None:
        start = build_section(ModelConfig, self.model, where="model.")
        pretrained = start.pretrained or start.weights is not None
        for name, default in pretrained_recipe(Config).items():
            # What is the default itself, and not only equal to it, was left open.
            if pretrained and getattr(self, name) is getattr(Config, name):
                object.__setattr__(self, name, default)
        super().__post_init__()
        for name, section in list_sections(Config).items():
            given = getattr(self, name)
            if pretrained and isinstance(given, Mapping):
                given = {**pretrained_recipe(section), **given}
            object.__setattr__(self, name, build_section(section, given, where=f"{name}."))
        if self.out is None:
            raise UserError("a path is needed", where="out")

    def to_dict(self) -> dict[str, Any]:
        """The configuration as plain values; names in full, with every option."""
        return plain_values(self)

    def to_yaml(self) -> str:
        """The configuration as YAML that `load_config` reads back to an equal one."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)


def load_config(path: str | Path | None = None, overrides: Iterable[str] | Mapping[str, Any] = ()) -> Config:
    """A configuration from a YAML file and overrides, which win.

    Args:
        path: a YAML file of nested keys; None starts from the defaults.
        overrides: `"a.b=c"` texts, or a mapping from dotted keys to values.

    Raises:
        UserError: an unreadable file, an unknown key, or an illegal value.
    """
    if not isinstance(overrides, Mapping):
        overrides = parse_overrides(overrides)
    return merge_config(read_yaml(path) if path is not None else {}, overrides)


def merge_config(values: Mapping[str, Any], overrides: Mapping[str, Any]) -> Config:
    """A configuration from nested values and overrides by dotted key, which win; raises as `load_config`."""
    merged = deepcopy(dict(values))
    for dotted, value in overrides.items():
        _set(merged, dotted, value)
    config: Config = build_section(Config, merged)
    return config


def run_id(config: Config, *, data: str = "") -> str:
    """Eight hex digits of what changes a run's result.

    Args:
        config: the run's configuration; device, workers, data root and output folder do not count, and a file of
            weights counts by its content.
        data: the fingerprint of the clips, which stands for the data root.

    Raises:
        UserError: the file of weights cannot be read.
    """
    return _digest(config, data, leave_out=_NOT_IDENTITY)


def setting_id(config: Config, *, data: str = "") -> str:
    """Eight hex digits of what runs must share to stand in one table: all but norm, strategy and seed.

    Nor does `eval.stats` count, which some norms need their own of: a table labels its rows by it.
    """
    return _digest(config, data, leave_out={*_NOT_IDENTITY, "norm", "strategy", "seed", "eval.stats"})


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file, read without running anything in it.

    Raises:
        UserError: no such file, no YAML, or no mapping; the line is named.
    """
    try:
        loaded = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", where=str(path), hint="give an existing file") from error
    except UnicodeDecodeError as error:
        raise UserError("is not UTF-8 text", where=str(path), hint="give a YAML file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise UserError(f"is not YAML: {problem}", where=f"{path}{line}") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise UserError(
            f"holds a {type(loaded).__name__}, not keys with values", where=str(path), legal=list_keys(Config)
        )
    return loaded


def parse_overrides(texts: Iterable[str]) -> dict[str, str]:
    """`key=value` texts as a mapping.

    Raises:
        UserError: a text of another form, or a key given twice.
    """
    overrides: dict[str, str] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not key:
            raise UserError(f"{text!r} is not of the form key=value", where="--set", hint="write --set train.epochs=5")
        if key in overrides:
            raise UserError(f"{key!r} is given twice", where="--set", hint="give it once")
        overrides[key] = value
    return overrides


def _set(target: dict[str, Any], dotted: str, value: Any) -> None:
    *sections, last = dotted.split(".")
    for section in sections:
        inner = target[section] = {} if target.get(section) is None else target[section]
        if not isinstance(inner, dict):
            raise UserError(f"{section!r} holds a value, not keys", where=dotted, legal=list_keys(Config))
        target = inner
    target[last] = value


def _flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def _digest(config: Config, data: str, *, leave_out: set[str]) -> str:
    flat = {key: value for key, value in _flatten(config.to_dict()).items() if key not in leave_out}
    flat |= {f"{key}.source": source for key, source in _plugin_sources(config).items() if key in flat}
    weights = _digest_file(config.model.weights) if config.model.weights else ""
    text = json.dumps({**flat, "data": data, "weights": weights}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _plugin_sources(section: Section, prefix: str = "") -> dict[str, str]:
    """The hash of the file of each plug-in that a section names, by dotted key."""
    sources: dict[str, str] = {}
    for item in fields(section):  # type: ignore[arg-type]  # every subclass is a dataclass
        value = getattr(section, item.name)
        if isinstance(value, Section):
            sources |= _plugin_sources(value, f"{prefix}{item.name}.")
        elif (registry := item.metadata.get("registry")) and (source := registry.get(value.name).source):
            sources[prefix + item.name] = source
    return sources


def _digest_file(path: str) -> str:
    try:
        with Path(path).expanduser().open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(
            f"cannot be read ({error.strerror})", where=f"model.weights {path}", hint="give an existing file"
        ) from error
