"""What a norm's options of running statistics ask for that this run's model and strategy cannot do."""

from dataclasses import asdict

import torch
from torch import nn

from clnorm.config.config import Config
from clnorm.errors import UserError
from clnorm.norms.adaptive import AdaptiveBalancedBatchNorm
from clnorm.norms.base import RunningNorm
from clnorm.norms.renorm import BatchRenorm
from clnorm.norms.running import running_norms, statistics_of
from clnorm.norms.statistics import Statistics

_BY_DEFAULT = asdict(Statistics())
# What is nothing, or all, without clips of a memory.
_OF_MEMORY = {"update": ("current_only", "memory_only", "balanced"), "recalibrate": ("buffer",)}
_TRAIN_BY_RUNNING = (AdaptiveBalancedBatchNorm, BatchRenorm)  # by a loss, and by r and d


def check_norm_options(model: nn.Module, config: Config, *, has_memory: bool, experiences: int) -> None:
    """Refuse what the grammar of norms allows and this run could not do.

    Args:
        model: its norms swapped.
        config: of the run.
        has_memory: whether the strategy keeps clips in a memory.
        experiences: of the training stream: one in joint training.

    Raises:
        UserError: an option of running statistics where the norm turns out to have none, or some that cannot follow it;
            a memory that the strategy does not have; statistics that are used and never estimated; freezing after the
            last experience; more experiences than a norm is built for; an oracle that does not say so, or that is left
            without statistics of an experience.
    """
    where, statistics = f"norm {config.norm.short}", statistics_of(model)
    _check_tasks(model, where, experiences)
    _check_oracle(model, config, statistics, where=where, experiences=experiences)
    for name, value in asdict(statistics).items():
        if value != _BY_DEFAULT[name] and (name, value) != ("eval", "task"):
            _check_followers(model, name, value, where=where)
        if value in _OF_MEMORY.get(name, ()) and not has_memory:
            what = f"{name}={value} with the strategy {config.strategy.name}, whose batches have none of a memory"
            raise UserError(what, where=where, legal="a strategy with a memory, such as replay", hint=_leave(name))
    _check_estimated(model, config, statistics, where=where)
    if (first := statistics.freeze_after) >= experiences:
        raise UserError(
            f"freeze_after={first} of {experiences} experiences leaves none to train with frozen statistics",
            where=where,
            legal=f"0 (never) to {experiences - 1}" if experiences > 1 else "0 (never)",
        )


def require_estimated(model: nn.Module, config: Config) -> None:
    """Refuse running statistics that nothing has estimated when an experience ends, and a method reads clips by them.

    Raises:
        UserError: training does not estimate them (`update=none`), and nothing has before.
    """
    if statistics_of(model).update == "none" and not config.model.calibrate:
        what = (
            f"update=none with the strategy {config.strategy.name}, which reads clips by running statistics, and these "
        )
        what += "are not estimated when it does"
        raise UserError(what, where=f"norm {config.norm.short}", hint="add --set model.calibrate=true")


def _check_tasks(model: nn.Module, where: str, experiences: int) -> None:
    limits = [limit for norm in running_norms(model) if isinstance(limit := getattr(norm, "tasks", None), int)]
    if limits and (most := min(limits)) < experiences:
        what = f"tasks={most}, fewer than the {experiences} experiences that are trained"
        raise UserError(what, where=where, legal=f"tasks={experiences} or more")


def _check_oracle(model: nn.Module, config: Config, statistics: Statistics, *, where: str, experiences: int) -> None:
    if not any(getattr(module, "oracle", False) for module in model.modules()):
        return
    if statistics.eval != "task":
        what = (
            "it builds an oracle, which must be told each test clip's experience, but lacks the attribute oracle = True"
        )
        raise UserError(what, where=where, hint="set oracle = True on the class or function that is named")
    if config.eval.unseen:
        what = f"true with the {where}, which has no statistics of experiences that it was not trained on"
        raise UserError(what, where="eval.unseen", legal="false")
    if experiences > 1 and statistics.update in ("memory_only", "none") and statistics.recalibrate != "buffer":
        what = f"update={statistics.update}, by which it gets no statistics of later experiences"
        legal = "update=all, current_only or balanced; any with recalibrate=buffer"
        raise UserError(what, where=where, legal=legal)


def _check_estimated(model: nn.Module, config: Config, statistics: Statistics, *, where: str) -> None:
    if statistics.update != "none" or config.model.calibrate:
        return
    if statistics.recalibrate == "none" and statistics.eval != "batch":
        what = "update=none, with an evaluation by running statistics that are never estimated"
        raise UserError(what, where=where, hint="add --set model.calibrate=true")
    users = sorted({type(module).__name__ for module in model.modules() if isinstance(module, _TRAIN_BY_RUNNING)})
    if users:
        what = f"update=none with {', '.join(users)}, which trains by running statistics: 0 and 1, never estimated"
        raise UserError(what, where=where, hint="add --set model.calibrate=true")


def _check_followers(model: nn.Module, name: str, value: object, *, where: str) -> None:
    """Check that the model has running statistics, and that all of them can follow an option."""
    held = {path: module for path, module in model.named_modules() if _has_running_statistics(module)}
    if not held:
        what = f"{name}={value}, but what it builds has no running statistics"
        raise UserError(what, where=where, legal="a norm such as bn or cn", hint=_leave(name))
    if name == "recalibrate":
        foreign = [path for path, module in held.items() if not hasattr(module, "momentum")]
    else:
        foreign = [path for path, module in held.items() if not isinstance(module, RunningNorm)]
    if foreign:
        kinds, places = {type(held[path]).__name__ for path in foreign}, ", ".join(foreign[:3])
        what = f"{name}={value} with statistics that cannot follow it, those of {', '.join(sorted(kinds))} at {places}"
        raise UserError(what, where=where, legal="norms that are a clnorm.norms.RunningNorm", hint=_leave(name))


def _leave(name: str) -> str:
    return f"or leave {name}={_BY_DEFAULT[name]}"


def _has_running_statistics(module: nn.Module) -> bool:
    return isinstance(module, RunningNorm) or isinstance(getattr(module, "running_mean", None), torch.Tensor)
