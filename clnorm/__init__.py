"""clnorm: the continual-learning benchmark for video in which normalization is the variable.

The public names below are loaded when they are first used, so that `import clnorm` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "ClnormError": "clnorm.errors:ClnormError",
    "Config": "clnorm.config:Config",
    "RunRecord": "clnorm.records:RunRecord",
    "UserError": "clnorm.errors:UserError",
    "build_norm": "clnorm.norms.factory:build_norm",
    "check_norm": "clnorm.conformance.kit:check_norm",
    "create_model": "clnorm.models.factory:create_model",
    "load_config": "clnorm.config:load_config",
    "load_model": "clnorm.inference:load_model",
    "load_results": "clnorm.records:load_results",
    "make_table": "clnorm.report.tables:make_table",
    "metrics": "clnorm.evaluation.metrics",
    "predict": "clnorm.inference:predict",
    "register_norm": "clnorm.catalogue:register_norm",
    "register_strategy": "clnorm.catalogue:register_strategy",
    "run": "clnorm.experiment:run",
    "swap_norms": "clnorm.norms.swap:swap_norms",
    "sweep": "clnorm.launch.sweep:sweep",
}
__all__ = [
    "ClnormError",
    "Config",
    "RunRecord",
    "UserError",
    "build_norm",
    "check_norm",
    "create_model",
    "load_config",
    "load_model",
    "load_results",
    "make_table",
    "metrics",
    "predict",
    "register_norm",
    "register_strategy",
    "run",
    "swap_norms",
    "sweep",
]

if TYPE_CHECKING:
    from clnorm.catalogue import register_norm, register_strategy
    from clnorm.config import Config, load_config
    from clnorm.conformance.kit import check_norm
    from clnorm.errors import ClnormError, UserError
    from clnorm.evaluation import metrics
    from clnorm.experiment import run
    from clnorm.inference import load_model, predict
    from clnorm.launch.sweep import sweep
    from clnorm.models.factory import create_model
    from clnorm.norms.factory import build_norm
    from clnorm.norms.swap import swap_norms
    from clnorm.records import RunRecord, load_results
    from clnorm.report.tables import make_table


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'clnorm' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    loaded = importlib.import_module(module)
    return getattr(loaded, attribute) if attribute else loaded


def __dir__() -> list[str]:
    return [*globals(), *_PUBLIC]
