"""How a run trains: Avalanche provides the loop; loader, batches, optimizer, loss and checks are here."""

from clnorm.training.avalanche import import_in_parts

import_in_parts()
