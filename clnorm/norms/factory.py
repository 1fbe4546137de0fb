"""From a norm's text, such as `cn:groups=32,axis=frame`, to the layer."""

from torch import nn

from clnorm.catalogue import NORMS
from clnorm.errors import ClnormError, UserError
from clnorm.registry import Spec

DEFAULT_AXIS = "frame"


def build_norm(spec: str | Spec, num_channels: int) -> nn.Module:
    """The norm that `spec` names, for activations (S, L, C) with C = `num_channels`; no random number is drawn.

    The option `axis` belongs to the adapter that makes (S, L, C) of a model's tokens (`NormSite`), not to the layer.

    Raises:
        UserError: an unknown norm or option, an illegal value, or a plug-in that cannot be built or is no nn.Module.
    """
    parsed = NORMS.parse(spec)
    factory = NORMS.get(parsed.name).load()
    options = {key: value for key, value in parsed.kwargs.items() if key != "axis"}
    if num_channels < 1:
        raise UserError(f"{num_channels} channels", where=parsed.name, legal="an int >= 1")
    try:
        norm = factory(num_channels, **options)
    except ClnormError as error:
        raise type(error)(str(error), where=parsed.name) from error
    except Exception as error:
        raise UserError(
            f"building it for {num_channels} channels failed: {type(error).__name__}: {error}",
            where=f"norm {parsed.name!r}",
            hint="its constructor must take (num_channels, **its options)",
        ) from error
    if not isinstance(norm, nn.Module):
        raise UserError(f"it built a {type(norm).__name__}", where=f"norm {parsed.name!r}", legal="a torch.nn.Module")
    if not hasattr(norm, "num_channels"):
        norm.num_channels = num_channels  # type: ignore[assignment]  # what a later swap of its site asks for
    return norm


def read_axis(spec: Spec) -> str:
    """The axis of a parsed norm; one without that option gives the same numbers on every axis, so any serves."""
    return str(spec.kwargs.get("axis", DEFAULT_AXIS))
