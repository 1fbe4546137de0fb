"""The continual-learning strategies, one method a file, each with the function that builds it."""

from clnorm.training.avalanche import import_in_parts

import_in_parts()
