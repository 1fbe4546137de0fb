"""The strategies: how a model learns one experience after the other."""

from dataclasses import replace

import clnorm.catalogue.papers as papers
from clnorm.catalogue.avalanche import UNFIT, adapt
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

_ALPHA = Option(3.0, "weight alpha of the squared distance to the outputs kept, a mean over outputs", low=0.0)

# Importing clnorm.training has Avalanche imported in parts, where a plug-in imports it.
STRATEGIES = Registry("strategy", plural="strategies", adapt=adapt, first="clnorm.training", unfit=UNFIT)
STRATEGIES.add(
    Entry(
        "naive",
        "clnorm.strategies.baselines:naive",
        "fine-tuning on each experience: the lower bound",
        title="Naive",
        unpublished="fine-tuning is the baseline of the field, and of no one paper",
    )
)
STRATEGIES.add(
    Entry(
        "replay",
        "clnorm.strategies.replay:replay",
        "class-balanced memory of clips, in a batch of constant total size",
        _MEMORY,
        title="Replay ({per_class} a class)",
        papers=(papers.REPLAY,),
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
        {**_MEMORY, "alpha": replace(_ALPHA, default=10.0)},
        title="DER ({per_class} a class)",
        papers=(papers.DER,),
    )
)
STRATEGIES.add(
    Entry(
        "derpp",
        "clnorm.strategies.der:derpp",
        "Dark Experience Replay++: as der, and clips of the memory are trained by their labels, too",
        {**_MEMORY, "alpha": _ALPHA, "beta": Option(1.0, "weight beta of the memory's cross-entropy", low=0.0)},
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
            "lam": Option(1e7, "weight lambda of the quadratic penalty", low=0.0),
            "fisher": Option(
                "empirical",
                "labels of the Fisher: the clip's own, or the model's; avalanche squares gradients of batches, so that "
                "it depends on train.batch_size, and leaves out the penalty's 1/2",
                words=("empirical", "exact", "avalanche"),
            ),
            "mode": Option(
                "accumulated",
                "the sum of a penalty for each past experience, or one with a decaying Fisher at the latest weights",
                words=("accumulated", "online"),
            ),
            "gamma": Option(
                0.9,
                "what is left of the Fisher after each experience, of mode=online",
                low=0.0,
                high=1.0,
                only=("mode", "online"),
            ),
        },
        title="EWC",
        papers=(papers.EWC, papers.ONLINE_EWC),
        papers_with={papers.ONLINE_EWC: ("mode", "online")},
    )
)
STRATEGIES.add(
    Entry(
        "si",
        "clnorm.strategies.si:si",
        "Synaptic Intelligence: weights matter by what their path has done for the loss",
        {
            "c": Option(3.0, "weight c of the quadratic penalty", low=0.0),
            "xi": Option(0.001, "damping xi, added to a weight's squared change", low=1e-12),
        },
        title="SI",
        papers=(papers.SI,),
    )
)
STRATEGIES.add(
    Entry(
        "mas",
        "clnorm.strategies.mas:mas",
        "Memory Aware Synapses: weights matter by how the outputs change with them, of each clip alone",
        {"lam": Option(1.0, "weight lambda of the quadratic penalty", low=0.0)},
        title="MAS",
        papers=(papers.MAS,),
    )
)
STRATEGIES.add(
    Entry(
        "lwf",
        "clnorm.strategies.lwf:lwf",
        "Learning without Forgetting: distillation from the model before the experience, and a softmax of its classes",
        {
            "lam": Option(10.0, "weight lambda of the distillation", low=0.0),
            "temperature": Option(2.0, "temperature T of the softened outputs", low=0.01),
        },
        title="LwF",
        papers=(papers.LWF,),
    )
)
STRATEGIES.add(
    Entry(
        "l2_init",
        "clnorm.strategies.l2_init:l2_init",
        "L2 Init: fine-tuning with weights held to the initial ones",
        {"lam": Option(0.01, "weight lambda of the squared distance", low=0.0)},
        title="L2 Init",
        papers=(papers.L2_INIT,),
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
        unpublished="training on all clips so far is a baseline of the field, and of no one paper",
        upper_bound=True,
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
        unpublished="joint training is the baseline of the field, and of no one paper",
        upper_bound=True,
    )
)
