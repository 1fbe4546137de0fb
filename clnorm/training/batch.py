"""The clips of one training step, by name."""

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Batch:
    """What passes the model in one step of training, or a piece of it.

    Args:
        ids: (B,) int64 on the CPU, the clips.
        clips: (B, T, 3, H, W), augmented and mixed; this and what follows on the model's device.
        targets: (B,) int64, the output that stands for each clip's class.
        partners: (B,) int64, the target of what each clip is mixed with.
        tasks: (B,) int64, the experience that each clip belongs to.
        recalled: (B,) bool, whether the clip comes from the memory; these stand at the end of a whole batch.
        own_share: how much of each clip, and so of the loss, is its own; the rest is its partner's.
    """

    ids: Tensor
    clips: Tensor
    targets: Tensor
    partners: Tensor
    tasks: Tensor
    recalled: Tensor
    own_share: float = 1.0

    def __len__(self) -> int:
        return len(self.ids)

    def piece(self, index: int, count: int) -> "Batch":
        """Piece `index` of `count`: every `count`-th clip, so that each piece has the same mix of the batch."""
        whole = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        cut: dict[str, Any] = {name: value[index::count].contiguous() for name, value in whole.items()}
        return replace(self, **cut)
