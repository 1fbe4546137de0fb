"""Everything selectable by name: what `clnorm list` prints, without importing any of it.

To add a built-in, write its file and give it one entry here. To add your own from outside, use the decorators below, an
entry point in the group `clnorm.norms` (`clnorm.strategies`, ...), or its full name `package.module:Name`.
"""

from clnorm.catalogue.augmentations import AUGMENTATIONS
from clnorm.catalogue.backbones import BACKBONES
from clnorm.catalogue.datasets import DATASETS
from clnorm.catalogue.imbalance import IMBALANCE
from clnorm.catalogue.launchers import LAUNCHERS
from clnorm.catalogue.loggers import LOGGERS
from clnorm.catalogue.mixes import MIXES
from clnorm.catalogue.norms import AXIS, NORMS, STATISTICS
from clnorm.catalogue.protocols import PROTOCOLS
from clnorm.catalogue.strategies import STRATEGIES

__all__ = [
    "AUGMENTATIONS",
    "AXIS",
    "BACKBONES",
    "DATASETS",
    "IMBALANCE",
    "LAUNCHERS",
    "LOGGERS",
    "MIXES",
    "NORMS",
    "PROTOCOLS",
    "REGISTRIES",
    "STATISTICS",
    "STRATEGIES",
    "register_norm",
    "register_strategy",
]

REGISTRIES = {
    registry.plural: registry
    for registry in (
        NORMS,
        STRATEGIES,
        BACKBONES,
        DATASETS,
        PROTOCOLS,
        AUGMENTATIONS,
        MIXES,
        IMBALANCE,
        LAUNCHERS,
        LOGGERS,
    )
}

register_norm = NORMS.register
register_strategy = STRATEGIES.register
