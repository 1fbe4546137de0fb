"""clnorm: the continual-learning benchmark for video in which normalization is the variable.

The public names below are loaded when they are first used, so that `import clnorm` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "ClnormError": "clnorm.errors:ClnormError",
    "Config": "clnorm.config.config:Config",
    "RunRecord": "clnorm.results.record:RunRecord",
    "UserError": "clnorm.errors:UserError",
    "add_metric": "clnorm.results.measure:add_metric",
    "build_norm": "clnorm.norms.sites.build:build_norm",
    "check_norm": "clnorm.conformance.kit:check_norm",
    "create_model": "clnorm.models.create:create_model",
    "load_config": "clnorm.config.load:load_config",
    "load_model": "clnorm.deploy.predict:load_model",
    "load_results": "clnorm.results.load:load_results",
    "make_table": "clnorm.tables.make:make_table",
    "metrics": "clnorm.evaluation.metrics",
    "predict": "clnorm.deploy.predict:predict",
    "read_published": "clnorm.results.published:read_published",
    "register_metric": "clnorm.evaluation.metrics:register_metric",
    "register_norm": "clnorm.catalogue:register_norm",
    "register_strategy": "clnorm.catalogue:register_strategy",
    "run": "clnorm.experiment:run",
    "swap_norms": "clnorm.norms.sites.swap:swap_norms",
    "sweep": "clnorm.launch.sweep:sweep",
}
__all__ = [
    "ClnormError",
    "Config",
    "RunRecord",
    "UserError",
    "add_metric",
    "build_norm",
    "check_norm",
    "create_model",
    "load_config",
    "load_model",
    "load_results",
    "make_table",
    "metrics",
    "predict",
    "read_published",
    "register_metric",
    "register_norm",
    "register_strategy",
    "run",
    "swap_norms",
    "sweep",
]

if TYPE_CHECKING:
    from clnorm.catalogue import register_norm, register_strategy
    from clnorm.config.config import Config
    from clnorm.config.load import load_config
    from clnorm.conformance.kit import check_norm
    from clnorm.deploy.predict import load_model, predict
    from clnorm.errors import ClnormError, UserError
    from clnorm.evaluation import metrics
    from clnorm.evaluation.metrics import register_metric
    from clnorm.experiment import run
    from clnorm.launch.sweep import sweep
    from clnorm.models.create import create_model
    from clnorm.norms.sites.build import build_norm
    from clnorm.norms.sites.swap import swap_norms
    from clnorm.results.load import load_results
    from clnorm.results.measure import add_metric
    from clnorm.results.published import read_published
    from clnorm.results.record import RunRecord
    from clnorm.tables.make import make_table


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'clnorm' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    loaded = importlib.import_module(module)
    return getattr(loaded, attribute) if attribute else loaded


def __dir__() -> list[str]:
    return [*globals(), *_PUBLIC]
