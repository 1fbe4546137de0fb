"""The methods against unequal classes."""

from dataclasses import replace

import clnorm.catalogue.training_papers as papers
from clnorm.catalogue.entry import Entry
from clnorm.catalogue.option import Option
from clnorm.catalogue.registry import Registry

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
_UNPUBLISHED = {
    "none": "it does nothing",
    "oversample": "oversampling is usual in the field, and of no one paper",
    "undersample": "undersampling is usual in the field, and of no one paper",
}
for _name, _target, _what, _options, *_papers in (
    ("none", "base:Balancing", "every clip once an epoch, plain cross-entropy", {}),
    ("oversample", "base:oversample", "every class as often as the experience's largest: longer epochs", {}),
    ("undersample", "base:undersample", "every class as often as the experience's smallest: shorter epochs", {}),
    (
        "balanced",
        "base:balanced",
        "every class equally often, in epochs of the usual length",
        {},
        papers.DECOUPLING,
    ),
    (
        "sqrt",
        "base:sqrt",
        "every class by the square root of its clips, in epochs of the usual length",
        {},
        papers.DECOUPLING,
    ),
    (
        "class_balanced",
        "losses:ClassBalanced",
        "loss weighted by the effective number",
        {"beta": _BETA},
        papers.CLASS_BALANCED,
    ),
    (
        "logit_adjustment",
        "losses:LogitAdjustment",
        "logits plus tau log prior in the loss; tau=1 is Balanced Softmax",
        {
            "tau": Option(
                1.0, "weight of the log prior; 0 is plain cross-entropy of the classes in the batches", low=0.0
            )
        },
        papers.LOGIT_ADJUSTMENT,
        papers.BALANCED_SOFTMAX,
    ),
    (
        "focal",
        "losses:Focal",
        "focal loss: clips that are right already count less",
        {"gamma": Option(2.0, "how much less; 0 is plain cross-entropy", low=0.0)},
        papers.FOCAL,
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
        papers.LDAM,
    ),
    (
        "feature_smote",
        "feature_smote:FeatureSMOTE",
        "after each experience, the head fitted anew on frozen features that SMOTE balanced",
        {
            "k": Option(5, "neighbours from other sources to choose from", low=1),
            "l2": Option(0.001, "penalty of the regression on standardized features", low=1e-6),
        },
        papers.SMOTE,
        papers.DECOUPLING,
    ),
):
    IMBALANCE.add(
        Entry(
            _name,
            f"clnorm.training.imbalance.{_target}",
            _what,
            _options,
            papers=tuple(_papers),
            unpublished=_UNPUBLISHED.get(_name, ""),
        )
    )
