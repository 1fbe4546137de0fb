"""The adapters between a model's tokens, a norm's (S, L, C) and torch's (S, C, L): all reshaping is here."""

import math

import torch
from torch import Tensor, nn

from clnorm.catalogue import AXIS
from clnorm.errors import ClnormError, UserError
from clnorm.norms.statistics import Statistics

# torch's norms whose channels are dimension 1: over (S, L, C) they would raise or run on the wrong axis.
CHANNELS_SECOND = (nn.BatchNorm1d, nn.GroupNorm, nn.InstanceNorm1d, nn.SyncBatchNorm)

_TAKES = ("tokens", "rows", "images")
_HINT = "check the norm alone: clnorm norms check NAME"


class ChannelsSecond(nn.Module):
    """A norm of (S, C, L), such as nn.BatchNorm1d, as one of (S, L, C).

    Args:
        norm: a module of (S, C, L) -> (S, C, L).
        num_channels: C.
    """

    def __init__(self, norm: nn.Module, num_channels: int) -> None:
        super().__init__()
        self.norm, self.num_channels = norm, num_channels

    def forward(self, x: Tensor) -> Tensor:
        """(S, L, C) -> (S, L, C)."""
        y: Tensor = self.norm(x.transpose(1, 2))
        return y.transpose(1, 2)


def core_of(norm: nn.Module) -> nn.Module:
    """The norm that holds the parameters and statistics: the one within a `ChannelsSecond`, or `norm` itself."""
    return norm.norm if isinstance(norm, ChannelsSecond) else norm


def _first_line(error: Exception) -> str:
    return next(filter(None, (line.strip() for line in str(error).splitlines())), "no message")


def _cast_by_autocast(y: Tensor) -> bool:
    """Whether an output of another dtype than the input's is one that autocast's own rules give."""
    device = y.device.type
    return torch.is_autocast_enabled(device) and y.dtype in (torch.float32, torch.get_autocast_dtype(device))


class NormSite(nn.Module):
    """One place of a model where a norm stands.

    Tokens (B, T, N, C), N = 1 at a one-position site, are given to the norm as (S, L, C):

    | axis  | (S, L, C)        | a per-sample statistic covers |
    |-------|------------------|-------------------------------|
    | token | (B * T * N, 1, C) | one token                    |
    | frame | (B * T, N, C)     | a frame                      |
    | clip  | (B, T * N, C)     | a clip                       |

    (S, N, C), with frames folded into the batch already, serves token and frame; (S, C) is one position on each axis.
    The images (S, C, H, W) of a convolution are (S, N, C) with N = H * W.

    Args:
        norm: a module of (S, L, C) -> (S, L, C).
        axis: token, frame or clip.
        site: its name in the model, for messages.
        takes: `tokens`, any of these but images; `rows`, (S, C) alone, where a norm stood whose channels are dimension
            1, which only there is the last one; or `images`, (S, C, H, W) alone.

    Attributes:
        statistics: what running statistics that stand here are asked to do; None where nothing is said.

    Raises:
        UserError: an unknown axis, or another word for what it takes.
    """

    def __init__(self, norm: nn.Module, axis: str, *, site: str = "", takes: str = "tokens") -> None:
        super().__init__()
        if takes not in _TAKES:
            raise UserError(f"{takes!r} is not legal", where="takes", legal=_TAKES, given=takes)
        self.norm, self.site, self.takes = norm, site, takes
        self.statistics: Statistics | None = None
        self.axis = str(AXIS.parse(axis, where="axis"))

    def forward(self, x: Tensor) -> Tensor:
        """The norm of x, in x's shape.

        Raises:
            UserError: x has a shape that the axis cannot serve.
            ClnormError: the norm failed, or returned another shape or type.
        """
        if self.takes == "images":
            return self._of_images(x)
        return self._of_tokens(x)

    def _of_images(self, x: Tensor) -> Tensor:
        """The norm of images (S, C, H, W), whose memory has channels last afterwards."""
        if x.ndim != 4:
            legal = "images (S, C, H, W), as before the swap"
            raise UserError(f"an input of shape {tuple(x.shape)}", where=self._where, legal=legal)
        # A copy where a convolution's images have channels second; what it makes of these has them last.
        tokens = x.permute(0, 2, 3, 1).contiguous()
        return self._of_tokens(tokens.flatten(1, 2)).view(tokens.shape).permute(0, 3, 1, 2)

    def _of_tokens(self, x: Tensor) -> Tensor:
        view = x.reshape(self._shape(x))
        # A compiler's own exceptions pass through the norm while it traces, so that there nothing is caught.
        y = self.norm(view) if torch.compiler.is_compiling() else self._call(view)
        if not isinstance(y, Tensor) or y.shape != view.shape:
            given = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
            what = f"{type(core_of(self.norm)).__name__} returned {given} for an input of shape {tuple(view.shape)}"
            raise ClnormError(what, where=self._where, legal="a tensor of the input's shape", hint=_HINT)
        if y.dtype != view.dtype and not _cast_by_autocast(y):
            what = f"{type(core_of(self.norm)).__name__} returned {y.dtype} for an input of {view.dtype}"
            raise ClnormError(what, where=self._where, legal="a tensor of the input's dtype", hint=_HINT)
        return y.reshape(x.shape)

    def _call(self, view: Tensor) -> Tensor:
        """The norm of (S, L, C), whose failure names the site."""
        try:
            y: Tensor = self.norm(view)
            return y
        except ClnormError as error:
            raise error.within(self._where) from error
        except Exception as error:
            # torch's own classes speak to torch (a recomputation that is complete, a trace) or of memory.
            if type(error).__module__.partition(".")[0] == "torch":
                raise
            told = f"{type(core_of(self.norm)).__name__} failed: {type(error).__name__}: {_first_line(error)}"
            raise ClnormError(told, where=self._where, hint=_HINT) from error

    def _shape(self, x: Tensor) -> tuple[int, int, int]:
        """(S, L, C) of x on this axis."""
        *outer, channels = x.shape
        if len(outer) == 1:
            return outer[0], 1, channels
        if self.takes == "rows":
            raise UserError(
                f"an input of shape {tuple(x.shape)} where a norm with channels in dimension 1 stood",
                where=self._where,
                legal="(S, C)",
                hint="give that place of the model a channels-last nn.LayerNorm",
            )
        if len(outer) not in (2, 3) or (len(outer) == 2 and self.axis == "clip"):
            legal = "(B, T, N, C) or (S, C)" if self.axis == "clip" else "(B, T, N, C), (S, N, C) or (S, C)"
            what = f"axis={self.axis} with an input of shape {tuple(x.shape)}"
            hint = "use axis=frame or axis=token" if self.axis == "clip" else None
            raise UserError(what, where=self._where, legal=legal, hint=hint)
        samples, positions = math.prod(outer[:-1]), outer[-1]
        if self.axis == "token":
            return samples * positions, 1, channels
        if self.axis == "clip":
            return outer[0], outer[1] * positions, channels
        return samples, positions, channels

    @property
    def _where(self) -> str:
        return f"norm site {self.site!r}" if self.site else "norm site"

    def extra_repr(self) -> str:
        return f"axis={self.axis}"
