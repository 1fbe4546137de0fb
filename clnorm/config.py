"""The configuration of one run: typed, frozen and closed.

YAML, `--set a.b=c` and the named flags are merged into one plain dictionary, which is validated once; unknown keys are
refused. A `Config` that exists is therefore legal and complete.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from clnorm.catalogue import BACKBONES, DATASETS, NORMS, PROTOCOLS, STRATEGIES
from clnorm.errors import UserError
from clnorm.registry import Option, Registry, Spec, Value

# What a run's identity leaves out: it changes where or how fast a run happens; the device, only by rounding.
_NOT_IDENTITY = {"out", "data.root", "data.workers", "train.device"}


def _name(registry: Registry, default: str, doc: str) -> Any:
    return field(default=registry.parse(default), metadata={"registry": registry, "doc": doc})


def _value(default: Value, doc: str, **legal: Any) -> Any:
    return field(default=default, metadata={"option": Option(default, doc, **legal), "doc": doc})


def _path(default: str | None, doc: str) -> Any:
    return field(default=default, metadata={"path": True, "doc": doc})


class _Section:
    """A group of fields that checks and converts each of them when it is built."""

    def __post_init__(self) -> None:
        for item in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            checked = _check(item.metadata, getattr(self, item.name), where=item.name)
            object.__setattr__(self, item.name, checked)


def _check(metadata: Mapping[str, Any], given: Any, *, where: str) -> Any:
    if registry := metadata.get("registry"):
        return registry.parse(given, where=where)
    if option := metadata.get("option"):
        return option.parse(given, where=where)
    if metadata.get("path"):
        if given is not None and not isinstance(given, (str, Path)):
            raise UserError(f"{given!r} is not a path", where=where)
        return None if given is None else str(given)
    return given


@dataclass(frozen=True, kw_only=True)
class DataConfig(_Section):
    """What a clip is, and where clips come from."""

    root: str | None = _path(None, "folder of the videos and split files")
    frames: int = _value(16, "frames T taken from a clip at equal intervals", low=1, high=512)
    image_size: int = _value(32, "height and width of a frame, in pixels", low=8, high=1024)
    skip_bad: bool = _value(False, "leave out clips that cannot be decoded, and record it")
    workers: int = _value(2, "threads that decode", low=1, high=256)


@dataclass(frozen=True, kw_only=True)
class TrainConfig(_Section):
    """How each experience is trained."""

    epochs: int = _value(10, "passes over the clips of each experience", low=1)
    batch_size: int = _value(16, "clips in a batch, those from memory included", low=1)
    lr: float = _value(2e-3, "peak learning rate of AdamW", low=0.0)
    weight_decay: float = _value(0.05, "AdamW's weight decay, not on norms, biases and scalars", low=0.0)
    grad_clip: float = _value(1.0, "most that the gradient's norm may be; 0 leaves it", low=0.0)
    warmup: float = _value(0.1, "share of an experience's steps with rising learning rate", low=0.0, high=1.0)
    loss: str = _value("seen", "classes in the cross-entropy: those seen so far, or all", words=("seen", "all"))
    precision: str = _value("fp32", "fp16 scales its gradients and needs CUDA", words=("fp32", "bf16", "fp16"))
    device: str = _value("auto", "auto takes CUDA where there is a GPU", words=("auto", "cpu", "cuda"))


@dataclass(frozen=True, kw_only=True)
class EvalConfig(_Section):
    """How the test clips are evaluated after each experience."""

    batch_size: int = _value(64, "clips in an evaluation batch", low=1)
    unseen: bool = _value(False, "evaluate experiences not yet trained too (needed for FWT)")


@dataclass(frozen=True, kw_only=True)
class Config(_Section):
    """One run: a norm, a strategy, a backbone, a dataset cut by a protocol, and a seed.

    Names are texts such as `"cn"` or `"replay:per_class=10"`; they are parsed when the configuration is built.

    Raises:
        UserError: an unknown name or key, or a value of the wrong type or range.
    """

    norm: Spec = _name(NORMS, "ln", "normalization layer")
    strategy: Spec = _name(STRATEGIES, "naive", "continual-learning strategy")
    backbone: Spec = _name(BACKBONES, "lsvit_nano", "video backbone")
    dataset: Spec = _name(DATASETS, "synthetic", "dataset")
    protocol: Spec = _name(PROTOCOLS, "even", "how classes become experiences")
    seed: int = _value(0, "of class order, weights, batches, memory", low=0, high=2**31 - 1)
    out: str = _path("runs", "folder that run folders go into")
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    eval: EvalConfig = field(default_factory=EvalConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, section in _sections(Config).items():
            object.__setattr__(self, name, _build(section, getattr(self, name), where=f"{name}."))
        if self.out is None:
            raise UserError("a path is needed", where="out")

    def to_dict(self) -> dict[str, Any]:
        """The configuration as plain values; names in full, with every option."""
        return _to_dict(self)

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
    config: Config = _build(Config, merged)
    return config


def run_id(config: Config, *, data: str = "") -> str:
    """Eight hex digits of what changes a run's result.

    Args:
        config: the run's configuration; device, workers, data root and output folder do not count.
        data: the fingerprint of the clips, which stands for the data root.
    """
    return _digest(config, data, leave_out=_NOT_IDENTITY)


def setting_id(config: Config, *, data: str = "") -> str:
    """Eight hex digits of what runs must share to stand in one table: all but norm, strategy and seed."""
    return _digest(config, data, leave_out={*_NOT_IDENTITY, "norm", "strategy", "seed"})


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
        raise UserError(f"holds a {type(loaded).__name__}, not keys with values", where=str(path), legal=_keys(Config))
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
            raise UserError(f"{section!r} holds a value, not keys", where=dotted, legal=_keys(Config))
        target = inner
    target[last] = value


def _build(cls: type, given: Any, *, where: str = "") -> Any:
    """An instance of a section from a mapping, refusing unknown keys; an instance passes through."""
    if isinstance(given, cls):
        return given
    given = {} if given is None else given
    if not isinstance(given, Mapping):
        raise UserError(f"{given!r} is not a mapping of keys", where=where.rstrip(".") or "config", legal=_keys(cls))
    known = {item.name for item in fields(cls)}
    for key in given:
        if key not in known:
            legal = [*_keys(cls, where), *([] if where else _keys(Config, deep=True))]
            hint = "write it nested, as section: {key: value}" if where + str(key) in legal else None
            raise UserError(f"unknown key {where + str(key)!r}", legal=legal, given=where + str(key), hint=hint)
    try:
        return cls(**given)
    except UserError as error:
        if where and not str(error).startswith(where):
            raise UserError(f"{where}{error}") from error
        raise


def _keys(cls: type, prefix: str = "", *, deep: bool = False) -> list[str]:
    """The keys of a section; with `deep`, only those inside of its own sections."""
    if deep:
        return [key for name, section in _sections(cls).items() for key in _keys(section, f"{name}.")]
    return [prefix + item.name for item in fields(cls)]


@cache
def _sections(cls: type) -> dict[str, type]:
    """The fields of a configuration that are sections of it."""
    return {
        name: kind
        for name, kind in get_type_hints(cls).items()
        if isinstance(kind, type) and issubclass(kind, _Section)
    }


def _to_dict(section: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for item in fields(section):
        value = getattr(section, item.name)
        if isinstance(value, Spec):
            plain[item.name] = str(value)
        else:
            plain[item.name] = _to_dict(value) if is_dataclass(value) else value
    return plain


def _flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def _digest(config: Config, data: str, *, leave_out: set[str]) -> str:
    flat = {key: value for key, value in _flatten(config.to_dict()).items() if key not in leave_out}
    for item in fields(config):
        registry = item.metadata.get("registry")
        if registry and item.name in flat and (source := registry.get(getattr(config, item.name).name).source):
            flat[f"{item.name}.source"] = source
    text = json.dumps({**flat, "data": data}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
