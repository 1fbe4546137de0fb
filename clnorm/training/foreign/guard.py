"""A foreign plug-in as the training calls it: its draws seeded, its errors placed, and nothing exchanged behind it."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from torch import nn

from clnorm.errors import UserError
from clnorm.seeding import derive_seed, seeded_globals
from clnorm.training.foreign.hooks import CALLED, list_written
from clnorm.training.foreign.placing import PAGE, placed

_OF_IDS = "an experience's samples are clip ids, which strategy.model takes and other modules do not"
_EXCHANGED = {
    "dataloader": "clnorm reads the clips of a batch itself, and another loader gives ids",
    "adapted_dataset": "clnorm's loader goes by the experience, so that it would do nothing",
    "experience": "clnorm's loader goes by the stream, so that it would do nothing",
    "model": "norms, schedule and evaluation go by the one that there is",
    "optimizer": "each experience has one of its own, with its schedule",
    "_criterion": "the loss is that of train.loss and train.imbalance, so that it would do nothing",
    "mbatch": "norms and loss go by the batch that there is",
    "train_epochs": "the schedule goes by train.epochs",
}
"""What a plug-in may not put something else in the place of, each with the reason."""
_AFTER = ("after_training_exp", "after_training")


class GuardedPlugin:
    """Calls a plug-in's hooks, and has all else of it.

    What a hook draws from Python's and numpy's global generators is seeded, by the run's seed, the step and the hook.

    Args:
        plugin: that was not written for clnorm.
        seed: the run's.
        where: the strategy as it was asked for.

    Attributes:
        name: of the plug-in's class.

    Raises:
        UserError: a hook has put something else in the place of what clnorm goes by, has changed the optimizer, or has
            left in evaluation mode what trains.
        ClnormError: a hook has failed.
    """

    def __init__(self, plugin: Any, *, seed: int, where: str) -> None:
        self._plugin, self._seed, self._where = plugin, seed, where
        self.name = type(plugin).__name__
        self._written = list_written(plugin) & CALLED

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._plugin, name)
        return partial(self._call, name, value) if name in self._written else value

    def _call(self, name: str, hook: Callable[..., Any], strategy: Any, **kwargs: Any) -> Any:
        before, clock = _note(strategy), strategy.clock
        seed = derive_seed(self._seed, f"plug-in {name}", clock.train_exp_counter, clock.train_iterations)
        added = _read_added(strategy.model)
        with placed(self._plugin, name, where=self._where, hint=f"{_OF_IDS}; {PAGE}"), seeded_globals(seed):
            result = hook(strategy, **kwargs)
        self._compare(name, before, _note(strategy), averaged=strategy.recipe.ema > 0)
        for module in strategy.model.modules():
            if hasattr(module, "auxiliary_loss"):  # of a forward pass of the hook's own
                module.auxiliary_loss = added.get(module)
        return result

    def _compare(self, name: str, before: dict[str, Any], after: dict[str, Any], *, averaged: bool) -> None:
        for attribute, reason in _EXCHANGED.items():
            if before[attribute] is not after[attribute]:
                raise self._refused(f"puts something else in the place of strategy.{attribute} in {name}: {reason}")
        if before["groups"] != after["groups"]:
            raise self._refused(f"changes the optimizer's parameters or rates in {name}, which the schedule sets anew")
        left = [module for module in before["training"] if not module.training and _trains(module)]
        if left and name not in _AFTER:
            kinds = ", ".join(sorted({type(module).__name__ for module in left})[:3])
            raise self._refused(
                f"leaves modules in evaluation mode in {name} whose parameters train ({kinds}): norms would see no "
                "statistics of a batch, and no dropout would be drawn"
            )
        if name == "before_backward" and not (after["loss"].numel() == 1 and after["loss"].requires_grad):
            kind = f"of shape {tuple(after['loss'].shape)}" if after["loss"].numel() != 1 else "without a gradient"
            raise self._refused(f"leaves a loss {kind} in {name}, which must be a scalar that depends on the model")
        if averaged and name in _AFTER and before["versions"] != after["versions"]:
            raise self._refused(f"changes weights in {name}, which their average (train.ema) would not have")

    def _refused(self, what: str) -> UserError:
        return UserError(f"the plug-in {self.name} {what}", where=self._where, hint=PAGE)


def list_untold(plugins: Iterable[object]) -> list[str]:
    """The plug-ins of a strategy that do not tell what they hold, by the names of their classes."""
    guarded = (plugin for plugin in plugins if isinstance(plugin, GuardedPlugin))
    return [plugin.name for plugin in guarded if not hasattr(plugin, "state_dict")]


def _note(strategy: Any) -> dict[str, Any]:
    """What is compared before and after a hook."""
    model: nn.Module = strategy.model
    groups = [(group["lr"], *map(id, group["params"])) for group in strategy.optimizer.param_groups]
    return {
        **{name: getattr(strategy, name) for name in _EXCHANGED},
        "groups": groups,
        "loss": strategy.loss,
        "training": {module for module in model.modules() if module.training and _trains(module)},
        "versions": [parameter._version for parameter in model.parameters()],
    }


def _read_added(model: nn.Module) -> dict[nn.Module, Any]:
    """What norms have added to the loss in the last forward pass, and has not been taken yet."""
    return {module: module.auxiliary_loss for module in model.modules() if hasattr(module, "auxiliary_loss")}


def _trains(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters(recurse=False))
