"""From a norm's text, such as `cn:groups=32,axis=frame`, to the layer."""

from dataclasses import fields

from torch import nn

from clnorm.catalogue import NORMS, STATISTICS
from clnorm.catalogue.option import Value
from clnorm.catalogue.registry import Spec
from clnorm.errors import ClnormError, UserError
from clnorm.norms.context import StepContext
from clnorm.norms.running import give_statistics
from clnorm.norms.sites.adapter import CHANNELS_SECOND, ChannelsSecond
from clnorm.norms.sites.find import is_torch_norm, torch_width
from clnorm.norms.statistics import Statistics

DEFAULT_AXIS = "frame"
_LIBRARIES = ("torch", "timm")  # whose classes' `forward` is known to see channels in dimension 1


def build_norm(spec: str | Spec, num_channels: int) -> nn.Module:
    """The norm that `spec` names, for activations (S, L, C) with C = `num_channels`; no random number is drawn.

    The option `axis` belongs to the adapter that makes (S, L, C) of a model's tokens (`NormSite`), not to the layer.
    What running statistics do is given to each `RunningNorm` in it, as its attribute `statistics`.
    A norm of torch's or timm's whose channels are dimension 1 comes in a `ChannelsSecond`. A plug-in's own class is
    taken to be one of (S, L, C), also where it is derived from such a norm but has a `forward` of its own.

    Raises:
        UserError: an unknown norm or option, an illegal value, a plug-in that cannot be built or is no nn.Module, or
            a norm of torch's for images or whose first argument is not the number of channels, or one whose `needs`
            no `StepContext` has, or that has no `receive_context` to be given it.
    """
    parsed = NORMS.parse(spec)
    factory = parsed.entry.load()
    if num_channels < 1:
        raise UserError(f"{num_channels} channels", where=parsed.name, legal="an int >= 1")
    try:
        norm = factory(num_channels, **layer_options(parsed))
    except ClnormError as error:
        raise error.within(parsed.name) from error
    except Exception as error:
        raise UserError(
            f"building it for {num_channels} channels failed: {type(error).__name__}: {error}",
            where=f"norm {parsed.name!r}",
            hint="its constructor must take (num_channels, **its options)",
        ) from error
    if not isinstance(norm, nn.Module):
        raise UserError(f"it built a {type(norm).__name__}", where=f"norm {parsed.name!r}", legal="a torch.nn.Module")
    _check_needs(norm, name=parsed.name)
    if is_torch_norm(norm) and type(norm).forward.__module__.partition(".")[0] in _LIBRARIES:
        norm = _adapt(norm, num_channels, name=parsed.name)
    give_statistics(norm, Statistics.of(parsed))
    if not hasattr(norm, "num_channels"):
        norm.num_channels = num_channels  # type: ignore[assignment]  # what a later swap of its site asks for
    return norm


def _check_needs(norm: nn.Module, *, name: str) -> None:
    """Refuse what a norm `needs` and would never be given."""
    needs, where = getattr(norm, "needs", ()), f"norm {name!r}"
    if not isinstance(needs, (tuple, list)):
        raise UserError(f"{type(norm).__name__}.needs is a {type(needs).__name__}", where=where, legal="a tuple of str")
    legal = [field.name for field in fields(StepContext) if field.init and field.name != "part"]
    for need in needs:
        if need not in legal:
            what = f"{type(norm).__name__} needs {need!r}, which no StepContext tells"
            raise UserError(what, where=where, legal=legal, given=str(need))
    if needs and not any(hasattr(module, "receive_context") for module in norm.modules()):
        what = f"{type(norm).__name__} needs {', '.join(needs)} and has no method receive_context to be given it"
        raise UserError(what, where=where, hint="derive it from clnorm.norms.Norm, or write receive_context(context)")


def _adapt(norm: nn.Module, num_channels: int, *, name: str) -> nn.Module:
    """A norm that computes as a class of torch's does, as one of (S, L, C)."""
    if torch_width(norm) != num_channels:
        raise UserError(
            f"{type(norm).__name__} is no norm of {num_channels} channels in three dimensions",
            where=f"norm {name!r}",
            legal="a class whose first argument is the number of channels, such as torch.nn.LayerNorm",
            hint="see: clnorm list norms",
        )
    return ChannelsSecond(norm, num_channels) if isinstance(norm, CHANNELS_SECOND) else norm


def layer_options(spec: Spec) -> dict[str, Value]:
    """The options of a parsed norm that its constructor takes."""
    return {name: value for name, value in spec.kwargs.items() if name != "axis" and name not in STATISTICS}


def read_axis(spec: Spec) -> str:
    """The axis of a parsed norm; one without that option gives the same numbers on every axis, so any serves."""
    return str(spec.kwargs.get("axis", DEFAULT_AXIS))
