"""The hooks of plug-ins: which of Avalanche's the training calls, and which a plug-in writes."""

from collections.abc import Iterable, Iterator

from avalanche.core import SupervisedPlugin

from clnorm.errors import UserError


def _is_hook(name: str) -> bool:
    return name.startswith(("before_", "after_"))


_KNOWN = tuple(name for name in dir(SupervisedPlugin) if _is_hook(name))
CALLED = frozenset(name for name in _KNOWN if "_eval" not in name)
"""The hooks that the training calls. Those of Avalanche's evaluation, which is not used, it does not."""


def list_written(plugin: object) -> set[str]:
    """The hooks that a plug-in writes itself, those that are called by nothing among them."""
    named = (name for name in dir(plugin) if _is_hook(name) and callable(getattr(plugin, name)))
    return {name for name in named if getattr(plugin, name) != _inherited(plugin, name)}


def _inherited(plugin: object, name: str) -> object:
    """Avalanche's empty hook of this name, bound to the plug-in; None where it has none."""
    empty = getattr(SupervisedPlugin, name, None)
    return None if empty is None else empty.__get__(plugin)


def refuse_uncalled(plugins: Iterable[object], *, where: str) -> None:
    """Refuse plug-ins with a hook that is never called: a misspelt one would do nothing, and nobody would know.

    Raises:
        UserError: there is one.
    """
    for plugin, name in _list_uncalled(plugins):
        what = f"the plug-in {type(plugin).__name__} has a method {name}, which is never called"
        if name in _KNOWN:
            what += ": clnorm evaluates by itself, without Avalanche's hooks"
            raise UserError(what, where=where, hint=f"remove {name}, or write after_training_exp or finish instead")
        raise UserError(what, where=where, legal=CALLED, given=name, hint="correct it, or name it otherwise")


def _list_uncalled(plugins: Iterable[object]) -> Iterator[tuple[object, str]]:
    for plugin in plugins:
        for name in sorted(list_written(plugin) - CALLED):
            yield plugin, name
