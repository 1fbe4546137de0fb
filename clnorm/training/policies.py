"""Which policies for running statistics a run's norms and strategy can follow."""

import torch
from torch import nn

from clnorm.config.config import Config
from clnorm.errors import UserError
from clnorm.norms.adaptive import AdaptiveBalancedBatchNorm
from clnorm.norms.base import RunningNorm
from clnorm.norms.frozen import FrozenBatchNorm
from clnorm.norms.renorm import BatchRenorm
from clnorm.norms.running import running_norms

# Each policy's key, and the value that leaves norms as they are.
_OFF = {
    "train.stats_update": "all",
    "train.recalibrate_after_exp": "none",
    "train.freeze_after_exp": 0,
    "eval.stats": "running",
}


# What is nothing, or all, without clips of a memory.
_OF_MEMORY = {
    "train.stats_update": ("current_only", "memory_only", "balanced"),
    "train.recalibrate_after_exp": ("buffer",),
}


_TRAIN_BY_RUNNING = (AdaptiveBalancedBatchNorm, BatchRenorm)  # by a loss, and by r and d


def check_policies(model: nn.Module, config: Config, *, has_memory: bool, experiences: int) -> None:
    """Refuse a policy that could not do what it says.

    Args:
        model: its norms swapped.
        config: of the run.
        has_memory: whether the strategy keeps clips in a memory.
        experiences: of the training stream: one in joint training.

    Raises:
        UserError: the model's norms have no running statistics, or some that cannot follow the policy; the strategy has
            no memory that the policy is about; statistics that are used and never estimated; freezing after the last
            experience; more experiences than a norm is built for; an oracle norm that is not evaluated as one, or that
            the policy leaves without statistics of an experience, or a norm that is no oracle and is to be.
    """
    _check_tasks(model, config, experiences)
    _check_oracle(model, config, experiences)
    given = {key: getattr(getattr(config, section), name) for key in _OFF for section, name in [key.split(".")]}
    for key, value in given.items():
        if value != _OFF[key] and (key, value) != ("eval.stats", "task"):
            _check_norms(model, key, value)
    _check_estimated(model, config)
    for key, values in _OF_MEMORY.items():
        if (value := given[key]) in values and not has_memory:
            what = f"{value} with the strategy {config.strategy.name}, which keeps no clips"
            raise UserError(what, where=key, legal="a strategy with a memory, such as replay", hint=_leave(key))
    if (first := config.train.freeze_after_exp) >= experiences:
        what = f"{first} of {experiences} experiences leave none to train with frozen statistics"
        raise UserError(
            what,
            where="train.freeze_after_exp",
            legal=f"0 (never) to {experiences - 1}" if experiences > 1 else "0 (never)",
        )


def _check_tasks(model: nn.Module, config: Config, experiences: int) -> None:
    limits = [limit for norm in running_norms(model) if isinstance(limit := getattr(norm, "tasks", None), int)]
    if limits and (most := min(limits)) < experiences:
        what = f"tasks={most}, fewer than the {experiences} experiences that are trained"
        raise UserError(what, where=f"norm {config.norm.short}", legal=f"tasks={experiences} or more")


def _check_oracle(model: nn.Module, config: Config, experiences: int) -> None:
    name, stats = config.norm.short, config.eval.stats
    oracle = any(getattr(module, "oracle", False) for module in model.modules())
    if oracle and stats != "task":
        what = f"{stats} with the norm {name}, an oracle that must be told each test clip's experience"
        raise UserError(what, where="eval.stats", legal="task", hint="add --set eval.stats=task, or use --norm bn")
    if stats == "task" and not oracle:
        what = f"task with the norm {name}, which has no statistics for each experience"
        legal = "running or batch; task with bn_task"
        raise UserError(what, where="eval.stats", legal=legal, hint=_leave("eval.stats"))
    if oracle and config.eval.unseen:
        what = f"true with the norm {name}, which has no statistics of experiences that it was not trained on"
        raise UserError(what, where="eval.unseen", legal="false")
    if oracle and config.train.recalibrate_after_exp == "current":
        what = f"current with the norm {name}, which would lose the statistics of all other experiences"
        legal = "none, or buffer with a strategy with a memory"
        raise UserError(what, where="train.recalibrate_after_exp", legal=legal)
    if oracle and experiences > 1:
        _check_each_experience(config)


def _check_each_experience(config: Config) -> None:
    """Refuse to leave an oracle norm without statistics of an experience that it is then to go by."""
    recipe, name = config.train, config.norm.short
    if recipe.freeze_after_exp:
        what = (
            f"{recipe.freeze_after_exp} with the norm {name}, which has no statistics of later experiences to train by"
        )
        raise UserError(what, where="train.freeze_after_exp", legal="0 (never)")
    if recipe.stats_update in ("memory_only", "none") and recipe.recalibrate_after_exp != "buffer":
        what = f"{recipe.stats_update} with the norm {name}, which gets no statistics of later experiences from it"
        legal = "all or current_only; any with train.recalibrate_after_exp=buffer"
        raise UserError(what, where="train.stats_update", legal=legal)


def _check_estimated(model: nn.Module, config: Config) -> None:
    recipe = config.train
    estimated = config.model.calibrate or recipe.recalibrate_after_exp != "none"
    if recipe.stats_update == "none" and not estimated and config.eval.stats != "batch":
        what = "none, with an evaluation by running statistics that are never estimated"
        raise UserError(what, where="train.stats_update", hint="add --set model.calibrate=true")
    users = {type(module).__name__ for module in model.modules() if isinstance(module, _TRAIN_BY_RUNNING)}
    if recipe.stats_update == "none" and users and not config.model.calibrate:
        what = f"none with {', '.join(sorted(users))}, which trains by running statistics: 0 and 1, never estimated"
        raise UserError(what, where="train.stats_update", hint="add --set model.calibrate=true")


def _check_norms(model: nn.Module, key: str, value: object) -> None:
    """Check that the norms have running statistics which can follow a policy."""
    names = {name: module for name, module in model.named_modules() if _has_running_statistics(module)}
    if not names:
        what = f"{value} without a norm that has running statistics"
        raise UserError(what, where=key, legal="a norm such as bn or cn; ln and gn have none", hint=_leave(key))
    if key == "train.recalibrate_after_exp":
        foreign = [name for name, module in names.items() if not hasattr(module, "momentum")]
    else:
        foreign = [name for name, module in names.items() if not isinstance(module, RunningNorm)]
    if key.startswith("train.") and (own := [name for name in names if isinstance(names[name], FrozenBatchNorm)]):
        what = f"{value} with a norm whose statistics stay by themselves, at {', '.join(own[:3])}"
        raise UserError(what, where=key, legal="a norm that follows it, such as bn", hint=_leave(key))
    if foreign:
        kinds = ", ".join(sorted({type(names[name]).__name__ for name in foreign}))
        what = f"{value} with running statistics that cannot follow it, those of {kinds} at {', '.join(foreign[:3])}"
        raise UserError(what, where=key, legal="norms that are a clnorm.norms.RunningNorm", hint=_leave(key))


def _leave(key: str) -> str:
    return f"or leave {key}={_OFF[key]}"


def _has_running_statistics(module: nn.Module) -> bool:
    return isinstance(module, RunningNorm) or isinstance(getattr(module, "running_mean", None), torch.Tensor)
