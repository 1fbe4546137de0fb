"""What methods on a frozen backbone share: which experience trains it, if any."""

from collections.abc import Callable

from clnorm.training.closed_form import ClosedFormHead, require_linear_head
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy


def build_frozen(setup: Setup, head: Callable[[int, int], ClosedFormHead], *, adapt: str) -> ClipStrategy:
    """A strategy that trains its backbone in the first experience at most, and computes its head after each.

    Args:
        setup: the run's parts.
        head: from the number of classes and the width of the features to what computes the head.
        adapt: `first`, the first experience trains the whole model, as fine-tuning does (Panos et al., ICCV 2023);
            `none`, the backbone stays as it starts.

    Raises:
        UserError: the backbone has no linear head.
    """
    width = require_linear_head(setup.model).in_features
    method = head(setup.stream.num_classes, width)
    return ClipStrategy(setup=setup, plugins=[method], trained=1 if adapt == "first" else 0)
