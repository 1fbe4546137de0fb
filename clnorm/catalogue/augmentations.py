"""The augmentations: how training clips are changed at random."""

from dataclasses import replace

import clnorm.catalogue.training_papers as papers
from clnorm.catalogue.entry import Entry
from clnorm.catalogue.option import Option
from clnorm.catalogue.registry import Registry


def _changes(**defaults: int | float | str) -> dict[str, Option]:
    """The options of an augmentation, with its defaults."""
    legal = {
        "flip": Option(0.5, "share of clips flipped left to right", low=0.0, high=1.0),
        "unflipped": Option("none", "names of classes that are never flipped, separated by /"),
        "mirrored": Option(
            "none", "names of classes, two by two with /, that a flip turns into each other, label included"
        ),
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
AUGMENTATIONS.add(
    Entry("none", "clnorm.data.augment.presets:leave", "every clip as it is", unpublished="it does nothing")
)
AUGMENTATIONS.add(
    Entry(
        "light",
        "clnorm.data.augment.presets:light",
        "flip, crop, contrast, saturation and brightness",
        _changes(min_scale=0.6, stretch=1.15, contrast=0.3, saturation=0.3, brightness=0.3),
        unpublished="flips, crops and colours are usual in the field, and of no one paper",
    )
)
AUGMENTATIONS.add(
    Entry(
        "strong",
        "clnorm.data.augment.presets:strong",
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
        papers=(papers.RANDAUGMENT,),
    )
)
