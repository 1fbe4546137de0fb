"""Classes of Avalanche as strategies: what clnorm makes of them, and which are refused, with the reason.

Nothing here imports Avalanche: its classes are known by the names of those that a class derives from.
"""

import inspect
from importlib.util import find_spec
from typing import Any

from clnorm.catalogue.entry import Entry
from clnorm.catalogue.plugins import read_options
from clnorm.errors import UserError

_PLUGINS, _STRATEGY = "avalanche.training.plugins", "clnorm.training.trainer:ClipStrategy"
_TEMPLATE, _PLUGIN = "avalanche.training.templates.base:BaseTemplate", "avalanche.core:BasePlugin"
_LOADS = "it replaces the loader, which would read clip ids and not clips"
_EVALUATES = "clnorm evaluates by itself, so that it would measure nothing"
_GENERATES = "it replays what a generator makes, and there is none of clips"
_NCM = "it asks the model for avalanche.models.NCMClassifier; use the strategy ncm"
_FECAM = "it asks the model for avalanche.models.FeCAMClassifier; use the strategy slda, which has covariances too"

UNFIT = {
    f"{_PLUGINS}.replay:ReplayPlugin": f"{_LOADS}; use the strategy replay",
    f"{_PLUGINS}.gss_greedy:GSS_greedyPlugin": f"{_LOADS}, and holds pixels; use replay:select=reservoir",
    f"{_PLUGINS}.rar:RARPlugin": f"{_LOADS}; use the strategy replay",
    f"{_PLUGINS}.cope:CoPEPlugin": f"{_LOADS}, and the loss; use the strategy replay, or ncm for class means",
    f"{_PLUGINS}.bic:BiCPlugin": f"{_LOADS}, and corrects outputs in Avalanche's evaluation; use the strategy replay",
    f"{_PLUGINS}.gdumb:GDumbPlugin": "it replaces the model and the clips that are trained on; use the strategy gdumb",
    f"{_PLUGINS}.rwalk:RWalkPlugin": "it leaves the model in evaluation mode in each step, so that no norm would see "
    "the statistics of a batch, and no dropout be drawn; use the strategy si or ewc:mode=online, which it joins",
    f"{_PLUGINS}.synaptic_intelligence:SynapticIntelligencePlugin": "on a CPU it does nothing, since what it holds as "
    "the weights before a step are the weights themselves; use the strategy si",
    f"{_PLUGINS}.mir:MIRPlugin": "it replays no class of an experience's last batch, and so none that has just been "
    "learned: it is made for experiences of one batch; use the strategy replay",
    f"{_PLUGINS}.lfl:LFLPlugin": "it asks the model for get_features of avalanche.models.BaseModel, and leaves it in "
    "evaluation mode; use the strategy lwf",
    f"{_PLUGINS}.feature_distillation:FeatureDistillationPlugin": "it reads the features that some of Avalanche's "
    "models leave in model.features; use the strategy lwf, which distils outputs",
    f"{_PLUGINS}.early_stopping:EarlyStoppingPlugin": "it waits for a metric of Avalanche's evaluation, which never "
    "comes; the epochs of an experience are train.epochs",
    f"{_PLUGINS}.lr_scheduling:LRSchedulerPlugin": "each experience has a new optimizer and its own schedule: set "
    "train.lr and train.warmup",
    f"{_PLUGINS}.generative_replay:GenerativeReplayPlugin": f"{_GENERATES}; use the strategy replay",
    f"{_PLUGINS}.generative_replay:TrainGeneratorAfterExpPlugin": f"{_GENERATES}; use the strategy replay",
    f"{_PLUGINS}.evaluation:EvaluationPlugin": f"{_EVALUATES}; see clnorm list metrics",
    f"{_PLUGINS}.clock:Clock": "it counts steps and does nothing else; use the strategy naive",
    f"{_PLUGINS}.checkpoint:CheckpointPlugin": "clnorm keeps the state of a run itself: set save.every_epochs",
    f"{_PLUGINS}.update_ncm:CurrentDataNCMUpdate": _NCM,
    f"{_PLUGINS}.update_ncm:MemoryNCMUpdate": _NCM,
    f"{_PLUGINS}.update_ncm:NCMOracle": _NCM,
    f"{_PLUGINS}.update_fecam:CurrentDataFeCAMUpdate": _FECAM,
    f"{_PLUGINS}.update_fecam:MemoryFeCAMUpdate": _FECAM,
    f"{_PLUGINS}.update_fecam:FeCAMOracle": _FECAM,
    "avalanche.training.templates.base_sgd:PeriodicEval": f"{_EVALUATES}; see clnorm list metrics",
}
"""What cannot be used of Avalanche's plug-ins, each with the reason and what to use instead."""

_GEM = f"{_PLUGINS}.gem:GEMPlugin"
_BUILT_BY = "clnorm.strategies.foreign"


def unfit_reason(cls: type) -> str:
    """Why a class of plug-ins cannot be used, because of itself or what it derives from; empty where it can."""
    homes = list_homes(cls)
    if _GEM in homes and find_spec("quadprog") is None:
        return "it solves its projection with quadprog, which is not installed: pip install quadprog"
    return next((UNFIT[home] for home in homes if home in UNFIT), "")


def list_homes(cls: type) -> list[str]:
    """`module:Name` of a class and of all that it derives from."""
    return [f"{base.__module__}:{base.__qualname__}" for base in cls.__mro__]


def adapt(name: str, target: Any) -> Entry | None:
    """The entry of a class of plug-ins, or of strategies; None for what is called as `(setup, **options)`.

    Raises:
        UserError: a plug-in that cannot be used, or a strategy that is none of clnorm's.
    """
    if not inspect.isclass(target):
        return None
    homes = list_homes(target)
    if _STRATEGY in homes:
        if "setup" not in inspect.signature(target).parameters:
            return None
        return Entry(name, target, "", read_options(target, {"setup"}, leading=0), through=f"{_BUILT_BY}:from_class")
    if reason := unfit_reason(target):
        raise UserError(f"{name!r} cannot be taken: {reason}")
    if _TEMPLATE in homes:
        raise UserError(
            f"{name!r} is a strategy of Avalanche's, which brings a loop, a loader and an optimizer of its own",
            hint=f"name its plug-in instead, such as {_PLUGINS}:LwFPlugin, a strategy of clnorm list strategies, or "
            "derive yours from clnorm.training.trainer.ClipStrategy",
        )
    if _PLUGIN not in homes:
        return None
    options = read_options(target, {"setup", "model"}, leading=0, loose=True)
    return Entry(name, target, "", options, through=f"{_BUILT_BY}:with_plugin")
