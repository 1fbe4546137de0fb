"""The strategies: how a model learns one experience after the other."""

import clnorm.catalogue.papers as papers
from clnorm.catalogue.entry import Entry
from clnorm.catalogue.option import Option
from clnorm.catalogue.registry import Registry

_MEMORY = {
    "per_class": Option(5, "clips kept for each class; none with a total", kind=int, words=("none",), low=1),
    "share": Option(0.5, "share of the batch taken from memory", low=0.01, high=0.99),
    "total": Option("none", "clips kept in all; none with a number for each class", kind=int, words=("none",), low=1),
    "select": Option(
        "random",
        "clips that are kept: random and herding keep equally many of each class; reservoir samples from all alike",
        words=("random", "herding", "reservoir"),
    ),
}
"""What a memory of clips holds, and how much of a batch comes from it: options of every method that has one."""

STRATEGIES = Registry("strategy", plural="strategies")
STRATEGIES.add(
    Entry(
        "naive",
        "clnorm.strategies.baselines:naive",
        "fine-tuning on each experience: the lower bound",
        title="Naive",
    )
)
STRATEGIES.add(
    Entry(
        "replay",
        "clnorm.strategies.replay:replay",
        "class-balanced memory of clips, in a batch of constant total size",
        _MEMORY,
        title="Replay ({per_class} a class)",
    )
)
STRATEGIES.add(
    Entry(
        "ewc",
        "clnorm.strategies.ewc:ewc",
        "Elastic Weight Consolidation with a per-sample Fisher",
        {
            "lam": Option(100.0, "weight lambda of the quadratic penalty", low=0.0),
            "fisher": Option(
                "empirical",
                "labels of the Fisher: the clip's own, or the model's",
                words=("empirical", "exact"),
            ),
        },
        title="EWC",
        papers=(papers.EWC,),
    )
)
_ADAPT = Option(
    "first",
    "what trains the backbone: the first experience, as fine-tuning does, or none, so that it stays as it starts",
    words=("first", "none"),
)
for _entry in (
    Entry(
        "cumulative",
        "clnorm.strategies.cumulative:cumulative",
        "each experience with all clips of those before it",
        title="Cumulative",
    ),
    Entry(
        "gdumb",
        "clnorm.strategies.gdumb:gdumb",
        "training from the initial weights on a balanced memory alone, after each experience",
        {
            "per_class": _MEMORY["per_class"],
            "passes": Option(4, "times that an epoch shows each clip of the memory", low=1),
            "total": _MEMORY["total"],
        },
        title="GDumb ({per_class} a class)",
        papers=(papers.GDUMB,),
    ),
    Entry(
        "ncm",
        "clnorm.strategies.ncm:ncm",
        "nearest class mean of a frozen backbone's features",
        {"adapt": _ADAPT},
        title="NCM",
        papers=(papers.NCM,),
    ),
    Entry(
        "slda",
        "clnorm.strategies.slda:slda",
        "streaming linear discriminant analysis of a frozen backbone's features",
        {
            "shrinkage": Option(1e-4, "of the covariance towards the identity", low=1e-12, high=1.0),
            "adapt": _ADAPT,
        },
        title="SLDA",
        papers=(papers.SLDA,),
    ),
    Entry(
        "ranpac",
        "clnorm.strategies.ranpac:ranpac",
        "ridge regression from random features of a frozen backbone",
        {"features": Option(1000, "random features of the head", low=1, high=20_000), "adapt": _ADAPT},
        title="RanPAC",
        papers=(papers.RANPAC,),
    ),
):
    STRATEGIES.add(_entry)
STRATEGIES.add(
    Entry(
        "joint",
        "clnorm.strategies.baselines:joint",
        "all experiences at once: the upper bound",
        title="Joint",
    )
)
