"""Whether a norm computes what torch's class does and nothing else, so that another norm can stand in for it."""

import inspect

from torch import Tensor, nn

_TORCH = (nn.LayerNorm, nn.RMSNorm, nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm)
# timm's own classes of the same numbers, by name, since importing timm takes seconds.
_TIMM = {f"timm.layers.norm.{name}" for name in ("LayerNorm", "LayerNormFp32", "GroupNorm", "GroupNorm1")}
_TENSORS = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
# What a subclass may define: how it is built and shown, and what Python itself writes into a class.
_HARMLESS = {
    "__init__",
    "reset_parameters",
    "extra_repr",
    "_get_name",
    "__repr__",
    "__str__",
    "__doc__",
    "__module__",
    "__qualname__",
    "__annotations__",
    "__annotate__",
    "__annotate_func__",
    "__annotations_cache__",
    "__constants__",
    "__firstlineno__",
    "__static_attributes__",
    "__dict__",
    "__weakref__",
    "__orig_bases__",
    "__parameters__",
    "__type_params__",
}


def is_swappable_class(module: nn.Module) -> bool:
    """Whether a module is one of torch's norms that are swapped, or derived from one."""
    return isinstance(module, _TORCH)


def find_additions(module: nn.Module) -> str:
    """What a norm derived from torch's has beyond torch's own class, in words; empty where it computes the same.

    A subclass may say how it is built and shown; with any other method, property, tensor, module or a method set on
    the instance it may compute something else, which a swap would lose in silence.
    """
    return _of_class(type(module)) or find_set_method(module) or _of_state(module)


def find_set_method(module: nn.Module) -> str:
    """The methods that were set on this one object in place of its class's, such as `forward`, in words."""
    names = [
        name
        for name, value in vars(module).items()
        if callable(value) and hasattr(type(module), name) and name != "_compiled_call_impl"  # what compile() sets
    ]
    return f"{_listed(names)} set on the instance" if names else ""


def _of_class(kind: type) -> str:
    """What a class and those it is derived from define that torch's or timm's calls or reads."""
    base = next(one for one in kind.__mro__ if one in _TORCH or f"{one.__module__}.{one.__qualname__}" in _TIMM)
    own = [one for one in kind.__mro__ if one not in base.__mro__]
    names = [
        name
        for one in own
        for name, value in vars(one).items()
        if name not in _HARMLESS and (hasattr(base, name) or inspect.isdatadescriptor(value))
    ]
    return f"its own {_listed(names)}" if names else ""


def _of_state(module: nn.Module) -> str:
    """Modules and tensors that torch's norms do not have."""
    if children := [name for name, _ in module.named_children()]:
        return f"modules in it: {_listed(children)}"
    held = {**module._parameters, **module._buffers}
    more = [name for name, value in held.items() if value is not None and name not in _TENSORS]
    more += [name for name, value in vars(module).items() if isinstance(value, Tensor)]
    return f"tensors beyond torch's: {_listed(more)}" if more else ""


def _listed(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(names))
