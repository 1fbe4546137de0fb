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
STRATEGIES.add(
    Entry(
        "joint",
        "clnorm.strategies.baselines:joint",
        "all experiences at once: the upper bound",
        title="Joint",
    )
)
