"""Which foreign plug-ins a strategy takes, and how they are made part of it."""

from collections.abc import Sequence
from typing import Any

from clnorm.catalogue.avalanche import unfit_reason
from clnorm.errors import UserError
from clnorm.norms.base import needs_of
from clnorm.training.foreign.guard import GuardedPlugin
from clnorm.training.foreign.hooks import list_written, refuse_uncalled
from clnorm.training.foreign.placing import PAGE, PlacedPlugin, comes_with_clnorm
from clnorm.training.foreign.reading import ClipCriterion, read_ids
from clnorm.training.plugin import MethodPlugin, keeps_state
from clnorm.training.setup import Setup

_OF_PIECE = {"before_forward", "after_forward", "before_backward", "after_backward"}
_OF_GRADIENTS = {"after_backward", "before_update", "after_update", "after_training_iteration"}


def check_plugins(setup: Setup, plugins: Sequence[Any]) -> None:
    """Refuse plug-ins that would do nothing, and those not written for clnorm that cannot be used in a run.

    Args:
        setup: the run's parts.
        plugins: all that a strategy is given.

    Raises:
        UserError: one of them cannot be used, or not as the run is configured.
    """
    where = f"strategy {setup.config.strategy.name}"
    refuse_uncalled(plugins, where=where)
    for plugin in _list_foreign(plugins):
        if reason := _find_fault(plugin) or _find_misfit(plugin, setup):
            raise UserError(f"{type(plugin).__name__} cannot be used: {reason}", where=where, hint=PAGE)
        if not keeps_state(plugin):
            setup.reporter.note(
                f"{type(plugin).__name__} has no state_dict and load_state_dict: once it is stopped this run cannot go "
                "on, and its kept states are of no use."
            )


def admit_plugins(strategy: Any, plugins: Sequence[Any]) -> None:
    """Make plug-ins that do not come with clnorm part of a strategy that is otherwise ready to train.

    Errors in their hooks are placed; those that were not written for clnorm are guarded, and read clips by their ids.

    Args:
        strategy: a `ClipStrategy`.
        plugins: all that it was given.
    """
    config, foreign = strategy.setup.config, _list_foreign(plugins)
    where = f"strategy {config.strategy.name}"
    called: dict[int, Any] = {id(plugin): PlacedPlugin(plugin, where=where) for plugin in plugins if _is_own(plugin)}
    called |= {id(plugin): GuardedPlugin(plugin, seed=config.seed, where=where) for plugin in foreign}
    strategy.plugins = [called.get(id(plugin), plugin) for plugin in strategy.plugins]
    if foreign:
        strategy._criterion = ClipCriterion(strategy)
        strategy.model.register_forward_pre_hook(read_ids(strategy, strategy.statistics))


def _list_foreign(plugins: Sequence[Any]) -> list[Any]:
    return [plugin for plugin in plugins if not isinstance(plugin, MethodPlugin)]


def _is_own(plugin: Any) -> bool:
    """Whether a plug-in is a user's own method."""
    return isinstance(plugin, MethodPlugin) and not comes_with_clnorm(plugin)


def _find_fault(plugin: Any) -> str:
    """Why a plug-in cannot be used at all; empty where it can."""
    if reason := unfit_reason(type(plugin)):
        return reason
    if callable(plugin):
        return "it is a criterion, and clnorm computes the loss by train.loss, so that it would never be called"
    if not list_written(plugin):
        return "it writes no hook, so that it would do nothing; use the strategy naive"
    if "from_scratch_training" in type(plugin).__module__ and getattr(plugin, "reset_optimizer", False):
        return "each experience has a new optimizer already, which it cannot reset; set reset_optimizer=false"
    return ""


def _find_misfit(plugin: Any, setup: Setup) -> str:
    """Why a plug-in cannot be used as a run is configured; empty where it can."""
    recipe, written = setup.config.train, list_written(plugin)
    if setup.execution.compile:
        return "it may pass clip ids through the model, which a compiled one cannot read: set train.compile=false"
    if recipe.accumulate > 1 and written & _OF_PIECE and not getattr(plugin, "supports_distributed", False):
        return (
            f"it does not say that it is right with pieces of a batch, of which there are {recipe.accumulate}: set "
            "train.accumulate=1, or derive it with supports_distributed=True once it is"
        )
    if setup.execution.precision == "fp16" and written & _OF_GRADIENTS:
        return "it may read gradients, which fp16 scales and has overflow: set train.precision=bf16 or fp32"
    if recipe.checkpointing and any("tasks" in needs_of(module) for module in setup.model.modules()):
        return (
            f"the norm {setup.config.norm.short} is told of each batch, and train.checkpointing computes a second time "
            "what was told before: set train.checkpointing=false"
        )
    return ""
