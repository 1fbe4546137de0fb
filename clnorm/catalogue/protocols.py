"""The protocols: how the clips of a dataset are cut into experiences."""

import clnorm.catalogue.papers as papers
from clnorm.catalogue.entry import Entry
from clnorm.catalogue.option import Option
from clnorm.catalogue.registry import Registry

PROTOCOLS = Registry("protocol", plural="protocols", given=("seed", "names"))
_SIMILARITY = Option(
    "names",
    "what hard and easy go by: the class names, or a file of: clnorm protocol similarity",
    words=("names",),
    file=True,
)
_TCD_ORDER = Option(1000, "seed of the class order; published: 1000, 1993, 2021", low=0, high=2**32 - 1)


def _experiences(default: int = 5, *, low: int = 1) -> Option:
    return Option(default, "number of experiences", low=low)


def _orders(default: str = "seed") -> dict[str, Option]:
    doc = "of the classes: seed (drawn from the run's), random:N, official, alphabetical, hard or easy"
    return {"order": Option(default, doc), "similarity": _SIMILARITY}


PROTOCOLS.add(
    Entry(
        "even",
        "clnorm.streams.protocols:even",
        "equal experiences (the last ones one class larger), order drawn from the seed",
        {"experiences": _experiences(), **_orders()},
        unpublished="equal experiences are usual in the field, and of no one paper",
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
            "order": _TCD_ORDER,
        },
        title="TCD (base {base}, step {step}, class order {order})",
        papers=(papers.TCD,),
    )
)
PROTOCOLS.add(
    Entry(
        "tcd-5x5",
        "clnorm.streams.protocols:tcd_5x5",
        "Park et al. 2021 on HMDB51: 26 classes, then 5 experiences of 5",
        {"order": _TCD_ORDER},
        title="TCD (26 + 5 x 5, class order {order})",
        papers=(papers.TCD,),
    )
)
PROTOCOLS.add(
    Entry(
        "tcd-1x25",
        "clnorm.streams.protocols:tcd_1x25",
        "Park et al. 2021 on HMDB51: 26 classes, then 25 experiences of 1",
        {"order": _TCD_ORDER},
        title="TCD (26 + 25 x 1, class order {order})",
        papers=(papers.TCD,),
    )
)
PROTOCOLS.add(
    Entry(
        "vclimb",
        "clnorm.streams.protocols:vclimb",
        "Villa et al. 2022: 10 or 20 equal experiences, one order for all seeds; a remainder is stated",
        {"experiences": _experiences(10), **_orders("random:0")},
        title="vCLIMB ({experiences} experiences, class order {order})",
        papers=(papers.VCLIMB,),
    )
)
PROTOCOLS.add(
    Entry(
        "online",
        "clnorm.streams.protocols:online",
        "as even, each clip trained once, in batches of 10 (train.epochs=1, train.batch_size=10)",
        {"experiences": _experiences(), **_orders()},
        title="online ({experiences} experiences)",
        papers=(papers.GEM,),
        recipe={"train.epochs": 1, "train.batch_size": 10},
        fixed={"train.epochs": "an online stream passes once"},
        caption="online: one pass over the clips of each experience",
    )
)
PROTOCOLS.add(
    Entry(
        "task-incremental",
        "clnorm.streams.protocols:task_incremental",
        "as even, the experience of each clip known, also at test",
        {"experiences": _experiences(), **_orders()},
        title="task-incremental ({experiences} experiences)",
        papers=(papers.THREE_TYPES,),
        caption="task-incremental: the experience of each clip is known, also at test, and the clip is one among the "
        "classes of that experience alone",
    )
)
PROTOCOLS.add(
    Entry(
        "domain-incremental",
        "clnorm.streams.protocols:domain_incremental",
        "the same classes in every experience, while what clips look like changes",
        {
            "change": Option(
                "brightness",
                "what changes",
                words=("brightness", "contrast", "blur", "colour", "source"),
            ),
            "experiences": _experiences(low=2),
            "strength": Option(0.5, "of the change in the last experience; source has none", low=0.0, high=1.0),
        },
        title="domain-incremental ({change}, {experiences} experiences)",
        papers=(papers.THREE_TYPES,),
        caption="domain-incremental: all experiences have the same classes, and other clips, which differ in {change}",
    )
)
PROTOCOLS.add(
    Entry(
        "blurry",
        "clnorm.streams.protocols:blurry",
        "as even, a share of each class's training clips spread over the other experiences",
        {
            "experiences": _experiences(low=2),
            "share": Option(0.1, "of a class's training clips that other experiences have", low=0.0, high=1.0),
            **_orders(),
        },
        title="blurry ({experiences} experiences, share {share})",
        papers=(papers.RAINBOW,),
        caption="blurry: a share of {share} of each class's training clips is spread over the other experiences",
    )
)
PROTOCOLS.add(
    Entry(
        "list",
        "clnorm.streams.protocols:listed",
        "the experiences of a file of one's own",
        {"file": Option(None, "YAML or text: the class names of an experience in a line", kind=str, file=True)},
        title="the classes of {file}",
        unpublished="the file is your own: cite where its experiences come from",
    )
)
