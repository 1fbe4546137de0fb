"""The mixes: how two training clips become one."""

import clnorm.catalogue.training_papers as papers
from clnorm.catalogue.entry import Entry
from clnorm.catalogue.option import Option
from clnorm.catalogue.registry import Registry

MIXES = Registry("mix", plural="mixes", given=("generator",))
MIXES.add(Entry("none", "clnorm.data.augment.mix:keep", "every clip as it is", unpublished="it does nothing"))
MIXES.add(
    Entry(
        "mixup",
        "clnorm.data.augment.mix:mixup",
        "a weighted mean of two clips",
        {"alpha": Option(0.4, "both parameters of the Beta distribution of the shares; more mixes more", low=1e-3)},
        papers=(papers.MIXUP,),
    )
)
MIXES.add(
    Entry(
        "videomix",
        "clnorm.data.augment.mix:videomix",
        "VideoMix: a box of another clip, the same in all frames",
        {"alpha": Option(1.0, "both parameters of the Beta distribution of the shares; more mixes more", low=1e-3)},
        papers=(papers.VIDEOMIX,),
    )
)
