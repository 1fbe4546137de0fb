"""Classes as strategies: a plug-in of Avalanche's or of the user's own, and a class derived from `ClipStrategy`."""

import inspect
from typing import Any

from avalanche.core import BasePlugin

from clnorm.errors import ClnormError, UserError
from clnorm.training.plugin import MethodPlugin
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy


def with_plugin(plugin: type[BasePlugin[Any]], setup: Setup, /, **options: Any) -> ClipStrategy:
    """Fine-tuning with one plug-in, which is given `setup` and `model` where it has arguments of these names.

    Args:
        plugin: its class.
        setup: the run's parts.
        options: its arguments; `none` where it has the default None.

    Raises:
        UserError: it refuses its arguments, or cannot be used.
    """
    parameters = inspect.signature(plugin).parameters
    held = {"setup": setup, "model": setup.model}
    given = {name: value for name, value in held.items() if name in parameters}
    for name, value in options.items():
        if not (value == "none" and parameters[name].default is None):
            given[name] = value
    try:
        made = plugin(**given)
    except ClnormError:
        raise
    except Exception as error:
        reason = f": {error}" if str(error) else ""
        what = f"{plugin.__name__} refuses its arguments: {type(error).__name__}{reason}"
        raise UserError(what, where=f"strategy {setup.config.strategy.short}") from error
    if isinstance(made, MethodPlugin) and hasattr(made, "loss"):
        what = (
            f"{plugin.__name__} gives a loss in place of that of classification, for which its name alone is not enough"
        )
        hint = "name a function that returns ClipStrategy(setup=setup, plugins=[plugin], loss=plugin.loss)"
        raise UserError(what, where=f"strategy {setup.config.strategy.short}", hint=hint)
    return ClipStrategy(setup=setup, plugins=[made])


def from_class(strategy: type[ClipStrategy], setup: Setup, /, **options: Any) -> ClipStrategy:
    """A class derived from `ClipStrategy`, with its own arguments as options."""
    return strategy(setup=setup, **options)
