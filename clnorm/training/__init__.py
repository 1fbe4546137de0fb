"""How a run trains: Avalanche runs the loop, and all else stands here."""

from clnorm.training.avalanche import import_in_parts

import_in_parts()
