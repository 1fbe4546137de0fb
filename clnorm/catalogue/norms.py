"""The norms, each with its options and their defaults."""

from dataclasses import replace

from clnorm.catalogue.option import Option
from clnorm.catalogue.registry import Entry, Registry

AXIS = Option(
    "frame",
    "what a per-sample statistic covers: one token, a frame, the clip",
    words=("token", "frame", "clip"),
)
GROUPS = Option("auto", "channel groups; auto = gcd(channels, 32), at each site", kind=int, words=("auto",), low=1)
MOMENTUM = Option(0.1, "weight of a batch in the running statistics", low=0.0, high=1.0)


_ALPHA = Option(0.5, "scale of x inside the function at the start", low=0.0)


def _eps(default: float) -> Option:
    return Option(default, "added to the variance", low=0.0)


NORMS = Registry(
    "norm",
    plural="norms",
    plugin_options={"axis": AXIS},
    unfit={"torch.nn.modules.normalization:GroupNorm": "its first argument is the number of groups; use gn:groups=G"},
)
_BATCH = {"eps": _eps(1e-5), "momentum": MOMENTUM}
_GROUP = {"groups": GROUPS, "axis": AXIS, "eps": _eps(1e-5)}
_TASKS = Option(64, "most experiences that a run may have", low=1)
for _name, _target, _what, _options in (
    ("ln", "layer:LayerNorm", "Layer Normalization over channels", {"eps": _eps(1e-6)}),
    ("rms", "rms:RMSNorm", "Root Mean Square Normalization over channels", {"eps": _eps(1e-6)}),
    ("bn", "batch:BatchNorm", "Batch Normalization with running statistics", _BATCH),
    (
        "bn_cma",
        "cumulative:CumulativeBatchNorm",
        "Batch Normalization whose running statistics are the plain average of all batches",
        {"eps": _eps(1e-5), "reset": Option(False, "start the average anew in each experience")},
    ),
    (
        "bn_frozen",
        "frozen:FrozenBatchNorm",
        "Batch Normalization whose statistics stay those of a stated source",
        {
            **_BATCH,
            "source": Option("base", "the first experience, or before training", words=("base", "pretrained")),
            "affine": Option(True, "whether weight and bias go on training"),
        },
    ),
    (
        "bn_task",
        "per_task:TaskBatchNorm",
        "Batch Normalization with statistics for each experience: an oracle, told each clip's experience",
        {**_BATCH, "tasks": _TASKS},
    ),
    (
        "brn",
        "renorm:BatchRenorm",
        "Batch Renormalization: batch statistics corrected towards the running ones",
        {
            **_BATCH,
            "rmax": Option(3.0, "most that the scale is corrected by, up or down", low=1.0),
            "dmax": Option(5.0, "most that the mean is corrected by", low=0.0),
            "begin": Option(0.1, "share of the run until which it is Batch Normalization", low=0.0, high=1.0),
            "end": Option(0.5, "share of the run at which both limits are reached", low=0.0, high=1.0),
        },
    ),
    ("gn", "group:GroupNorm", "Group Normalization over channel groups x positions", _GROUP),
    (
        "in",
        "group:InstanceNorm",
        "Instance Normalization over positions, for each channel",
        {"axis": replace(AXIS, default="clip"), "eps": _eps(1e-5)},
    ),
    (
        "sn",
        "switchable:SwitchableNorm",
        "Switchable Normalization: a learned mix of instance, layer and batch statistics",
        {"axis": AXIS, **_BATCH},
    ),
    (
        "cn",
        "continual:ContinualNorm",
        "Continual Normalization: group then batch statistics",
        {**_GROUP, "momentum": MOMENTUM},
    ),
    (
        "tbbn",
        "task_balanced:TaskBalancedBatchNorm",
        "Task-Balanced Batch Normalization: memory weighs as much as the current experience",
        {**_BATCH, "ratio": Option(1.0, "most parts of a batch over the experiences before it", low=0.0)},
    ),
    (
        "adab2n",
        "adaptive:AdaptiveBalancedBatchNorm",
        "Adaptive Balance of Batch Normalization: learned weights of tasks, adaptive momentum",
        {
            **_BATCH,
            "kappa": Option(0.5, "how fast the momentum adapts; 0 is a plain average", low=0.0, high=1.0),
            "lam": Option(0.1, "weight of the loss that keeps batch and running statistics together", low=0.0),
            "tasks": _TASKS,
        },
    ),
    (
        "prepbn",
        "progressive:ProgressiveBatchNorm",
        "Layer Normalization that becomes Batch Normalization (plus a multiple of x) over the run",
        {**_BATCH, "until": Option(1.0, "share of the run at which it is Batch Normalization", low=0.0, high=1.0)},
    ),
    ("dyt", "pointwise:DynamicTanh", "Dynamic Tanh: no statistics", {"alpha": _ALPHA}),
    ("derf", "pointwise:DynamicErf", "Dynamic error function: no statistics", {"alpha": _ALPHA}),
    ("identity", "identity:Identity", "no normalization", {}),
):
    NORMS.add(Entry(_name, f"clnorm.norms.{_target}", _what, _options))
