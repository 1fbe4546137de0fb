"""Everything selectable by name: what `clnorm list` prints, without importing any of it.

To add a built-in, write its file and give it one entry here. To add your own from outside, use the decorators below, an
entry point in the group `clnorm.norms` (`clnorm.strategies`, ...), or its full name `package.module:Name`.
"""

from dataclasses import replace

from clnorm.registry import Entry, Option, Registry

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

STRATEGIES = Registry("strategy", plural="strategies")
STRATEGIES.add(Entry("naive", "clnorm.strategies.builtin:naive", "fine-tuning on each experience: the lower bound"))
STRATEGIES.add(
    Entry(
        "replay",
        "clnorm.strategies.builtin:replay",
        "class-balanced memory of clips, in a batch of constant total size",
        {
            "per_class": Option(5, "clips kept for each class", low=1),
            "share": Option(0.5, "share of the batch taken from memory", low=0.01, high=0.99),
        },
    )
)
STRATEGIES.add(
    Entry(
        "ewc",
        "clnorm.strategies.builtin:ewc",
        "Elastic Weight Consolidation with a per-sample Fisher",
        {
            "lam": Option(100.0, "weight lambda of the quadratic penalty", low=0.0),
            "fisher": Option(
                "empirical",
                "labels of the Fisher: the clip's own, or the model's",
                words=("empirical", "exact"),
            ),
        },
    )
)
STRATEGIES.add(Entry("joint", "clnorm.strategies.builtin:joint", "all experiences at once: the upper bound"))

_DROP_PATH = Option(0.1, "stochastic depth at the last block, rising linearly from 0", low=0.0, high=0.9)
_DROP = {
    "drop_path": _DROP_PATH,
    "drop_path_per": Option("clip", "what skips a block as one", words=("clip", "frame")),
    "dropout": Option(0.0, "dropout after attention and in the MLP", low=0.0, high=0.9),
    "ffn_bn": Option(False, "a Batch Normalization in each MLP, before its GELU, whatever the norm"),
}
BACKBONES = Registry("backbone", plural="backbones", given=("image_size", "num_frames"))
_VARIANTS = {
    "lsvit": "LS-ViT as published code defines it",
    "lsvit_signed": "LS-ViT that sees the direction of time",
    "vit": "ViT on each frame, averaged",
}
_SIZES = {
    "nano": "width 96, depth 4, patch 8: made for CPUs",
    "tiny": "width 192, depth 12, patch 16",
    "small": "width 384, depth 12, patch 16",
    "base": "width 768, depth 12, patch 16",
}
for _variant, _what in _VARIANTS.items():
    for _size, _shape in _SIZES.items():
        _name = f"{_variant}_{_size}"
        BACKBONES.add(Entry(_name, f"clnorm.models.lsvit:{_name}", f"{_what}; {_shape}", _DROP))
BACKBONES.add(
    Entry(
        "timm",
        "clnorm.models.timm_vit:TimmViT",
        "any plain VisionTransformer of timm on each frame, averaged",
        {"drop_path": _DROP_PATH},
        takes="NAME",
    )
)

_TAIL = {
    "imbalance": Option(1.0, "largest over smallest class in training, by leaving clips out", low=1.0),
    "tail_seed": Option(0, "draws which classes become small, and the clips that stay", low=0),
}
DATASETS = Registry("dataset", plural="datasets", given=("progress",))
DATASETS.add(
    Entry(
        "synthetic",
        "clnorm.data.synthetic:read",
        "moving shapes in real video files, made once into the cache",
        {
            "classes": Option(10, "number of classes", low=2, high=51),
            "train": Option(50, "training clips of the largest class", low=2),
            "test": Option(20, "test clips of each class", low=1),
            "cues": Option("both", "what tells classes apart", words=("motion", "shape", "both", "direction")),
            "imbalance": Option(1.0, "largest over smallest class in training", low=1.0),
            "variant": Option(0, "seed of the generator", low=0),
        },
    )
)
DATASETS.add(
    Entry(
        "hmdb51",
        "clnorm.data.hmdb51:read",
        "HMDB51 or any subset of its classes, from --data-root",
        {
            "split": Option(1, "official split", low=1, high=3),
            "train_plus": Option(False, "train on unused clips too, but for those of a test clip's class and source"),
            **_TAIL,
        },
    )
)
DATASETS.add(
    Entry(
        "ucf101",
        "clnorm.data.ucf101:read",
        "UCF101 or any subset of its classes, from --data-root",
        {"split": Option(1, "official split", low=1, high=3), **_TAIL},
    )
)
DATASETS.add(
    Entry(
        "folder",
        "clnorm.data.folder:read",
        "any videos, from --data-root: a folder a class, or clips.csv",
        {
            "group": Option(
                "auto",
                "a clip's source, where no column says it: its own name (auto), its folder, its name up to the last _",
                words=("auto", "name", "folder", "prefix"),
            ),
            "test_share": Option(
                "auto",
                "share of clips for testing, cut by group, where no split is given; auto = 0.3",
                kind=float,
                words=("auto",),
                low=0.01,
                high=0.99,
            ),
            "split_seed": Option("auto", "draws that split; auto = 0", kind=int, words=("auto",), low=0),
            **_TAIL,
        },
    )
)

PROTOCOLS = Registry("protocol", plural="protocols", given=("seed",))
PROTOCOLS.add(
    Entry(
        "even",
        "clnorm.streams.protocols:even",
        "equal experiences (the last ones one class larger), order drawn from the seed",
        {"experiences": Option(5, "number of experiences", low=1)},
    )
)
PROTOCOLS.add(
    Entry(
        "tcd",
        "clnorm.streams.protocols:tcd",
        "Park et al. 2021: a base, then equal steps; numpy's shuffled order",
        {
            "base": Option(26, "classes of the first experience", low=1),
            "step": Option(5, "classes of each later experience", low=1),
            "order": Option(1000, "seed of the class order; published: 1000, 1993, 2021", low=0, high=2**32 - 1),
        },
    )
)


def _changes(**defaults: int | float | str) -> dict[str, Option]:
    """The options of an augmentation, with its defaults."""
    legal = {
        "flip": Option(0.5, "share of clips flipped left to right", low=0.0, high=1.0),
        "unflipped": Option("none", "names of classes that are never flipped, separated by /"),
        "min_scale": Option(1.0, "least height and width of a crop over the frame's", low=0.05, high=1.0),
        "stretch": Option(1.0, "most that a crop's width is scaled against its height", low=1.0, high=4.0),
        "contrast": Option(0.0, "most that contrast is scaled up or down, as a share", low=0.0, high=1.0),
        "saturation": Option(0.0, "most that saturation is scaled up or down, as a share", low=0.0, high=1.0),
        "brightness": Option(0.0, "most that is added or subtracted, over half the range", low=0.0, high=1.0),
        "hue": Option(0.0, "most that hues turn either way, in full circles", low=0.0, high=0.5),
        "blur": Option(0.0, "largest standard deviation of the Gaussian, in pixels", low=0.0, high=16.0),
        "noise": Option(0.0, "largest standard deviation, over half the range", low=0.0, high=1.0),
        "erase": Option(0.0, "largest box turned grey, as a share of the frame", low=0.0, high=1.0),
        "operations": Option(
            "all", "how many of contrast ... erase a clip gets, drawn", kind=int, words=("all",), low=1
        ),
    }
    return {name: replace(option, default=defaults.get(name, option.default)) for name, option in legal.items()}


AUGMENTATIONS = Registry("augmentation", plural="augmentations")
AUGMENTATIONS.add(Entry("none", "clnorm.data.augment.presets:leave", "every clip as it is"))
AUGMENTATIONS.add(
    Entry(
        "light",
        "clnorm.data.augment.presets:ClipAugmentation",
        "flip, crop, contrast, saturation and brightness",
        _changes(min_scale=0.6, stretch=1.15, contrast=0.3, saturation=0.3, brightness=0.3),
    )
)
AUGMENTATIONS.add(
    Entry(
        "strong",
        "clnorm.data.augment.presets:ClipAugmentation",
        "RandAugment on clips: flip, a smaller crop, and some of all operations, drawn for each clip",
        _changes(
            min_scale=0.4,
            stretch=1.33,
            contrast=0.6,
            saturation=0.8,
            brightness=0.4,
            hue=0.1,
            blur=2.0,
            noise=0.2,
            erase=0.3,
            operations=3,
        ),
    )
)

MIXES = Registry("mix", plural="mixes", given=("generator",))
MIXES.add(Entry("none", "clnorm.data.augment.mix:keep", "every clip as it is"))
MIXES.add(
    Entry(
        "mixup",
        "clnorm.data.augment.mix:mixup",
        "a weighted mean of two clips",
        {"alpha": Option(0.4, "both parameters of the Beta distribution of the shares; more mixes more", low=1e-3)},
    )
)
MIXES.add(
    Entry(
        "videomix",
        "clnorm.data.augment.mix:videomix",
        "VideoMix: a box of another clip, the same in all frames",
        {"alpha": Option(1.0, "both parameters of the Beta distribution of the shares; more mixes more", low=1e-3)},
    )
)

_PIXEL_SMOTE = (
    "the average of two clips is a cross-fade, no clip; in 602,112 dimensions of pixels, 38 % of the nearest "
    "neighbours within a class are the same source, and of the others 10 % share the class; "
    "write feature_smote, which works on frozen features"
)
IMBALANCE = Registry(
    "imbalance method",
    plural="imbalance",
    refused={
        "smote": _PIXEL_SMOTE,
        "pixel_smote": _PIXEL_SMOTE,
        "balanced_softmax": "it is the logit adjustment with tau = 1; write logit_adjustment",
    },
)
_BETA = Option(
    0.999, "of the effective number of clips; 0 weighs all alike, 1 by inverse frequency", low=0.0, high=0.999999
)
for _name, _target, _what, _options in (
    ("none", "balance:Balancing", "every clip once an epoch, plain cross-entropy", {}),
    ("oversample", "balance:oversample", "every class as often as the experience's largest: longer epochs", {}),
    ("undersample", "balance:undersample", "every class as often as the experience's smallest: shorter epochs", {}),
    ("balanced", "balance:balanced", "every class equally often, in epochs of the usual length", {}),
    ("sqrt", "balance:sqrt", "every class by the square root of its clips, in epochs of the usual length", {}),
    ("class_balanced", "balanced_losses:ClassBalanced", "loss weighted by the effective number", {"beta": _BETA}),
    (
        "logit_adjustment",
        "balanced_losses:LogitAdjustment",
        "logits plus tau log prior in the loss; tau=1 is Balanced Softmax",
        {
            "tau": Option(
                1.0, "weight of the log prior; 0 is plain cross-entropy of the classes in the batches", low=0.0
            )
        },
    ),
    (
        "focal",
        "balanced_losses:Focal",
        "focal loss: clips that are right already count less",
        {"gamma": Option(2.0, "how much less; 0 is plain cross-entropy", low=0.0)},
    ),
    (
        "ldam",
        "ldam:LDAM",
        "margins larger for rarer classes on a cosine head, weights of classes at the end (LDAM-DRW)",
        {
            "max_margin": Option(0.5, "margin of the rarest class, in cosine", low=0.0, high=2.0),
            "scale": Option(30.0, "of the cosines", low=1.0),
            "defer": Option(0.8, "share of an experience's epochs before classes weigh; 1 is never", low=0.0, high=1.0),
            "beta": replace(_BETA, default=0.9999),
        },
    ),
    (
        "feature_smote",
        "feature_smote:FeatureSMOTE",
        "after each experience, the head fitted anew on frozen features that SMOTE balanced",
        {
            "k": Option(5, "neighbours from other sources to choose from", low=1),
            "l2": Option(0.001, "penalty of the regression on standardized features", low=1e-6),
        },
    ),
):
    IMBALANCE.add(Entry(_name, f"clnorm.strategies.{_target}", _what, _options))

REGISTRIES = {
    registry.plural: registry
    for registry in (NORMS, STRATEGIES, BACKBONES, DATASETS, PROTOCOLS, AUGMENTATIONS, MIXES, IMBALANCE)
}

register_norm = NORMS.register
register_strategy = STRATEGIES.register
