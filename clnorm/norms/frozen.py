"""Batch Normalization by statistics that stay as they are."""

from typing import Any, ClassVar

from torch import Tensor

from clnorm.errors import ClnormError
from clnorm.norms.batch import BatchNorm
from clnorm.norms.context import StepContext


class FrozenBatchNorm(BatchNorm):
    """Batch Normalization by frozen running statistics: (x - mu_c) / sqrt(var_c + eps) * weight + bias.

    | source       | experience 0          | later experiences   | where the statistics come from              |
    |--------------|-----------------------|---------------------|---------------------------------------------|
    | `base`       | trains as `BatchNorm` | running statistics  | the average over the batches of experience 0 |
    | `pretrained` | running statistics    | running statistics  | calibration, before any training            |

    Once frozen, training neither uses the batch's statistics nor changes the running ones.

    Args:
        num_channels: C.
        eps: added to the variance.
        momentum: weight of a batch in the running statistics, where they are collected in training.
        source: `base` or `pretrained`.
        affine: whether weight and bias go on training while the statistics are frozen.
    """

    statistics_options: ClassVar[tuple[str, ...]] = ("eval", "parts")

    def __init__(
        self,
        num_channels: int,
        *,
        eps: float = 1e-5,
        momentum: float = 0.1,
        source: str = "base",
        affine: bool = True,
    ) -> None:
        super().__init__(num_channels, eps=eps, momentum=momentum)
        self.source, self.affine_trains = source, affine
        self.needs = ("experience",) if source == "base" else ()
        self._estimated = False  # what `num_batches_tracked` says, known without reading it from the device
        self.register_load_state_dict_post_hook(_look_at_counter)  # type: ignore[no-untyped-call]
        self._freeze(None)

    def receive_context(self, context: StepContext | None) -> None:
        super().receive_context(context)
        self._freeze(context)
        if not self._estimated:
            _look_at_counter(self)

    def by_running(self, x: Tensor) -> Tensor:
        if self.training and self.source == "base":
            self.require_context()
        if (self.training or self.source == "pretrained") and not self._estimated:
            _look_at_counter(self)
            self._require_estimates()
        return super().by_running(x)

    def _freeze(self, context: StepContext | None) -> None:
        """Decide whether statistics are frozen for the next batch; with `base`, they are without a context, too."""
        held = self.source == "pretrained" or (context is not None and context.experience > 0)
        self.frozen = held or context is None
        if held and not self.affine_trains:
            self.weight.requires_grad_(False)
            self.bias.requires_grad_(False)

    def _require_estimates(self) -> None:
        if not self._estimated:
            raise ClnormError(
                f"{type(self).__name__} is to go by running statistics that were never estimated",
                hint="use --set model.calibrate=true, or clnorm.norms.calibrate.calibrate_norms"
                if self.source == "pretrained"
                else "train experience 0 first",
            )


def _look_at_counter(norm: FrozenBatchNorm, *_: Any) -> None:
    counter = norm.num_batches_tracked
    norm._estimated = not counter.is_meta and bool(counter)
