"""The protocols: how the classes of a dataset are cut into experiences."""

import clnorm.catalogue.papers as papers
from clnorm.catalogue.entry import Entry
from clnorm.catalogue.option import Option
from clnorm.catalogue.registry import Registry

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
        title="TCD (base {base}, step {step}, class order {order})",
        papers=(papers.TCD,),
    )
)
