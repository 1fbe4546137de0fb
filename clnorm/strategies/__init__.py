"""The built-in strategies, one method a file."""

from clnorm.training.avalanche import import_in_parts

import_in_parts()
