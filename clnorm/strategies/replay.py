"""Experience replay: part of each batch comes from a memory of clips; the total batch stays constant.

Source: Chaudhry et al., "On Tiny Episodic Memories in Continual Learning", 2019; the memory that grows with the
classes is that of Park et al., ICCV 2021.
"""

from clnorm.training.remembering import create_memory
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy


def replay(
    setup: Setup,
    *,
    per_class: int | str = 5,
    share: float = 0.5,
    total: int | str = "none",
    select: str = "random",
) -> ClipStrategy:
    """Experience replay: the loss of classification over current clips and those of the memory alike."""
    memory = create_memory(setup, per_class=per_class, total=total, select=select)
    return ClipStrategy(setup=setup, share=share, exemplars=memory)
