"""The norms, each with its options and their defaults."""

from collections.abc import Collection
from dataclasses import replace

import clnorm.catalogue.papers as papers
from clnorm.catalogue.entry import Entry
from clnorm.catalogue.option import Option
from clnorm.catalogue.registry import Registry
from clnorm.errors import UserError

AXIS = Option(
    "frame",
    "what a per-sample statistic covers: one token, a frame, the clip",
    words=("token", "frame", "clip"),
)
GROUPS = Option("auto", "channel groups; auto = gcd(channels, 32), at each site", kind=int, words=("auto",), low=1)
MOMENTUM = Option(0.1, "weight of a batch in the running statistics", low=0.0, high=1.0)

STATISTICS = {
    "update": Option(
        "all",
        "clips of a batch that running statistics take in; balanced: each experience's weigh alike",
        words=("all", "current_only", "memory_only", "balanced", "none"),
    ),
    "recalibrate": Option(
        "none",
        "clips that running statistics are estimated anew on after an experience: of the memory, or its own",
        words=("none", "buffer", "current"),
    ),
    "freeze_after": Option(
        0,
        "after this many experiences, training uses the running statistics and updates them no longer; 0 is never",
        low=0,
    ),
    "eval": Option(
        "running",
        "statistics that test clips are normalized by; batch: those of the test clips in a batch",
        words=("running", "batch"),
    ),
    "parts": Option(
        1,
        "processes that each go by their own part of a batch; 1: all of them share one batch's statistics",
        low=1,
    ),
}
"""What running statistics do: options of every norm that has some."""

_OF_ORACLES = {
    "update": STATISTICS["update"],
    "recalibrate": replace(STATISTICS["recalibrate"], words=("none", "buffer")),
    "eval": Option(
        "task", "statistics that test clips are normalized by: those of each clip's experience", words=("task",)
    ),
    "parts": STATISTICS["parts"],
}
_ALPHA = Option(0.5, "scale of x inside the function at the start", low=0.0)


def _eps(default: float) -> Option:
    return Option(default, "added to the variance", low=0.0)


def _list_lacking(options: Collection[str]) -> dict[str, str]:
    """The options of running statistics that a norm with these options does not have, each with the reason."""
    if not STATISTICS.keys() & options:
        why = "it has no running statistics"
    elif "update" in options:
        why = "it must have statistics of every experience"
    else:
        why = "its statistics stay by themselves"
    return {name: why for name in STATISTICS if name not in options}


def _complete_plugin(entry: Entry) -> Entry:
    """A plug-in with the options that it has beside those of its signature.

    Those of running statistics are named by its `statistics_options`, as `clnorm.norms.Norm` has them. Another class
    or function, of which nothing is known, gets them all; what it builds is looked at when a run begins.
    """
    named = getattr(entry.target, "statistics_options", (*STATISTICS,))
    legal = _OF_ORACLES if getattr(entry.target, "oracle", False) else STATISTICS
    options = {"axis": AXIS, **{name: option for name, option in legal.items() if name in named}}
    if taken := [name for name in options if name in entry.options]:
        raise UserError(
            f"{entry.name!r} has an argument {taken[0]!r}, which is the name of an option that clnorm reads itself",
            hint="give the argument another name",
        )
    return replace(entry, options={**entry.options, **options}, lacks=_list_lacking(options))


NORMS = Registry(
    "norm",
    plural="norms",
    complete=_complete_plugin,
    shared=STATISTICS,
    unfit={"torch.nn.modules.normalization:GroupNorm": "its first argument is the number of groups; use gn:groups=G"},
)
_BATCH = {"eps": _eps(1e-5), "momentum": MOMENTUM}
_GROUP = {"groups": GROUPS, "axis": AXIS, "eps": _eps(1e-5)}
_TASKS = Option(64, "most experiences that a run may have", low=1)
for _name, _title, _target, _what, _options, _paper in (
    (
        "ln",
        "LN",
        "layer:LayerNorm",
        "Layer Normalization over channels",
        {"eps": _eps(1e-6)},
        papers.LAYER_NORM,
    ),
    (
        "rms",
        "RMSNorm",
        "rms:RMSNorm",
        "Root Mean Square Normalization over channels",
        {"eps": _eps(1e-6)},
        papers.RMS_NORM,
    ),
    (
        "bn",
        "BN",
        "batch:BatchNorm",
        "Batch Normalization with running statistics",
        {**_BATCH, **STATISTICS},
        papers.BATCH_NORM,
    ),
    (
        "bn_cma",
        "BN-CMA",
        "cumulative:CumulativeBatchNorm",
        "Batch Normalization whose running statistics are the plain average of all batches",
        {"eps": _eps(1e-5), "reset": Option(False, "start the average anew in each experience"), **STATISTICS},
        papers.BATCH_NORM,
    ),
    (
        "bn_frozen",
        "Frozen BN",
        "frozen:FrozenBatchNorm",
        "Batch Normalization whose statistics stay those of a stated source",
        {
            **_BATCH,
            "source": Option("base", "the first experience, or before training", words=("base", "pretrained")),
            "affine": Option(True, "whether weight and bias go on training"),
            "eval": STATISTICS["eval"],
            "parts": STATISTICS["parts"],
        },
        papers.BATCH_NORM,
    ),
    (
        "bn_task",
        "Task BN",
        "per_task:TaskBatchNorm",
        "Batch Normalization with statistics for each experience: an oracle, told each clip's experience",
        {**_BATCH, "tasks": _TASKS, **_OF_ORACLES},
        papers.BATCH_NORM,
    ),
    (
        "brn",
        "BRN",
        "renorm:BatchRenorm",
        "Batch Renormalization: batch statistics corrected towards the running ones",
        {
            **_BATCH,
            "rmax": Option(3.0, "most that the scale is corrected by, up or down", low=1.0),
            "dmax": Option(5.0, "most that the mean is corrected by", low=0.0),
            "begin": Option(0.1, "share of the run until which it is Batch Normalization", low=0.0, high=1.0),
            "end": Option(0.5, "share of the run at which both limits are reached", low=0.0, high=1.0),
            **STATISTICS,
        },
        papers.BATCH_RENORM,
    ),
    (
        "gn",
        "GN",
        "group:GroupNorm",
        "Group Normalization over channel groups x positions",
        _GROUP,
        papers.GROUP_NORM,
    ),
    (
        "in",
        "IN",
        "group:InstanceNorm",
        "Instance Normalization over positions, for each channel",
        {"axis": replace(AXIS, default="clip"), "eps": _eps(1e-5)},
        papers.INSTANCE_NORM,
    ),
    (
        "sn",
        "SN",
        "switchable:SwitchableNorm",
        "Switchable Normalization: a learned mix of instance, layer and batch statistics",
        {"axis": AXIS, **_BATCH, **STATISTICS},
        papers.SWITCHABLE_NORM,
    ),
    (
        "cn",
        "CN",
        "continual:ContinualNorm",
        "Continual Normalization: group then batch statistics",
        {**_GROUP, "momentum": MOMENTUM, **STATISTICS},
        papers.CONTINUAL_NORM,
    ),
    (
        "tbbn",
        "TBBN",
        "task_balanced:TaskBalancedBatchNorm",
        "Task-Balanced Batch Normalization: memory weighs as much as the current experience",
        {
            **_BATCH,
            "ratio": Option(1.0, "most parts of a batch over the experiences before it", low=0.0),
            **STATISTICS,
        },
        papers.TASK_BALANCED_BN,
    ),
    (
        "adab2n",
        "AdaB2N",
        "adaptive:AdaptiveBalancedBatchNorm",
        "Adaptive Balance of Batch Normalization: learned weights of tasks, adaptive momentum",
        {
            **_BATCH,
            "kappa": Option(0.5, "how fast the momentum adapts; 0 is a plain average", low=0.0, high=1.0),
            "lam": Option(0.1, "weight of the loss that keeps batch and running statistics together", low=0.0),
            "tasks": _TASKS,
            **STATISTICS,
        },
        papers.ADAPTIVE_BALANCED_BN,
    ),
    (
        "prepbn",
        "PRepBN",
        "progressive:ProgressiveBatchNorm",
        "Layer Normalization that becomes Batch Normalization (plus a multiple of x) over the run",
        {
            **_BATCH,
            "until": Option(1.0, "share of the run at which it is Batch Normalization", low=0.0, high=1.0),
            **STATISTICS,
        },
        papers.PROGRESSIVE_BN,
    ),
    (
        "dyt",
        "DyT",
        "pointwise:DynamicTanh",
        "Dynamic Tanh: no statistics",
        {"alpha": _ALPHA},
        papers.DYNAMIC_TANH,
    ),
    (
        "derf",
        "Derf",
        "pointwise:DynamicErf",
        "Dynamic error function: no statistics",
        {"alpha": _ALPHA},
        papers.DYNAMIC_ERF,
    ),
    ("identity", "no norm", "identity:Identity", "no normalization", {}, None),
):
    NORMS.add(
        Entry(
            _name,
            f"clnorm.norms.{_target}",
            _what,
            _options,
            lacks=_list_lacking(_options),
            title=_title,
            papers=(_paper,) if _paper else (),
            unpublished="" if _paper else "it does nothing",
        )
    )
