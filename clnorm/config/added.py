"""What configurations have got since the first runs were kept, with the values at which it changes nothing."""

from collections.abc import Mapping
from typing import Any

from clnorm.catalogue import AUGMENTATIONS, NORMS, PROTOCOLS, STRATEGIES
from clnorm.catalogue.registry import Registry, format_spec

ADDED: dict[str, dict[str, Any]] = {
    "data.augment": {"mirrored": "none"},
    "norm": {"parts": 1},
    "protocol": {"order": "seed", "similarity": "names"},
    "strategy": {"total": "none", "select": "random", "mode": "accumulated", "gamma": 0.9},
}
"""Options that came after runs were kept, by key: at these values they do not count, and those runs keep their ids."""
ADDED_KEYS: dict[str, Any] = {
    "model.swap": "all",
    "train.forward": "joint",
    "train.keep_frozen": False,
    "data.validation": 0.0,
    "train.experiences": 0,
    "train.balanced_epochs": 0,
    "train.balanced_lr": 0.1,
    "tuned": None,
    "eval.plasticity": False,
    "eval.nearest": "none",
    "eval.views": 1,
    "eval.every": 0,
    "eval.probe": False,
    "eval.cka": False,
}
"""Keys of sections that came after runs were kept, likewise."""
_REGISTRIES: dict[str, Registry] = {
    "data.augment": AUGMENTATIONS,
    "norm": NORMS,
    "protocol": PROTOCOLS,
    "strategy": STRATEGIES,
}


def fill_added(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a record, with the keys and options that it is too old to have, as it ran.

    Args:
        config: nested plain values, of a record that anybody may have written.
    """
    filled = {key: dict(value) if isinstance(value, Mapping) else value for key, value in config.items()}
    for dotted, value in ADDED_KEYS.items():
        section, _, key = dotted.rpartition(".")
        if isinstance(held := filled.get(section) if section else filled, dict):
            held.setdefault(key, value)
    for dotted, registry in _REGISTRIES.items():
        section, _, key = dotted.rpartition(".")
        held = filled.get(section) if section else filled
        if isinstance(held, dict) and isinstance(text := held.get(key), str):
            held[key] = _fill_options(text, registry, ADDED[dotted])
    return filled


def _fill_options(text: str, registry: Registry, added: Mapping[str, Any]) -> str:
    """The text of a name with the options that it lacks; as it is where it is a plug-in's or no legal one."""
    spec = registry.parse_own(text)
    if spec is None or spec.entry.source:
        return text
    lacking = {name: value for name, value in added.items() if name in spec.kwargs and name not in spec.given}
    given = {name: value for name, value in spec.options if name in spec.given}
    return format_spec(spec.name, dict(sorted({**given, **lacking}.items()))) if lacking else text
