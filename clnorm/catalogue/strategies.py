"""The strategies: how a model learns one experience after the other."""

from dataclasses import replace

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

_ALPHA = Option(0.3, "weight alpha of the squared distance to the outputs kept", low=0.0)

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
        "er_ace",
        "clnorm.strategies.er_ace:er_ace",
        "replay in which current clips push away no class but those among them",
        _MEMORY,
        title="ER-ACE ({per_class} a class)",
        papers=(papers.ER_ACE,),
    )
)
STRATEGIES.add(
    Entry(
        "der",
        "clnorm.strategies.der:der",
        "Dark Experience Replay: clips of the memory are held to the outputs that they had, without labels",
        {**_MEMORY, "alpha": _ALPHA},
        title="DER ({per_class} a class)",
        papers=(papers.DER,),
    )
)
STRATEGIES.add(
    Entry(
        "derpp",
        "clnorm.strategies.der:derpp",
        "Dark Experience Replay++: as der, and clips of the memory are trained by their labels, too",
        {**_MEMORY, "alpha": _ALPHA, "beta": Option(0.5, "weight beta of the memory's cross-entropy", low=0.0)},
        title="DER++ ({per_class} a class)",
        papers=(papers.DER,),
    )
)
STRATEGIES.add(
    Entry(
        "agem",
        "clnorm.strategies.agem:agem",
        "A-GEM: gradients that would raise the loss of the memory's clips are projected",
        _MEMORY,
        title="A-GEM ({per_class} a class)",
        papers=(papers.AGEM,),
    )
)
STRATEGIES.add(
    Entry(
        "icarl",
        "clnorm.strategies.icarl:icarl",
        "iCaRL: binary cross-entropies with the old model's outputs, herding, nearest mean of exemplars",
        {**_MEMORY, "select": replace(_MEMORY["select"], default="herding")},
        title="iCaRL ({per_class} a class)",
        papers=(papers.ICARL,),
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
