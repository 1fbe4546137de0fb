"""Errors in what a plug-in brings, with the plug-in, its hook and the line of its own file."""

import inspect
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from clnorm.errors import ClnormError
from clnorm.training.foreign.hooks import CALLED, list_written

PAGE = "see docs/extend/strategy.md"


@contextmanager
def placed(plugin: object, hook: str, *, where: str, hint: str = PAGE) -> Iterator[None]:
    """A context whose errors are said to be those of a plug-in's hook, unless it comes with clnorm.

    What no memory is left for stays as it is.

    Raises:
        ClnormError: the hook has failed.
    """
    name = type(plugin).__name__
    try:
        yield
    except Exception as error:
        if comes_with_clnorm(plugin) or isinstance(error, (MemoryError, torch.OutOfMemoryError)):
            raise
        if isinstance(error, ClnormError):
            raise error.within(f"{where}: {hook} of the plug-in {name}") from error
        what, place = f"the plug-in {name} failed in {hook}: {type(error).__name__}: {error}", _locate(plugin, error)
        raise ClnormError(f"{what} ({place})", where=where, hint=hint) from error


def comes_with_clnorm(plugin: object) -> bool:
    return type(plugin).__module__.startswith("clnorm.")


def _locate(plugin: object, error: Exception) -> str:
    """The line of the plug-in's own file that an error came from; where it has none there, the innermost."""
    own = inspect.getsourcefile(type(plugin)) or ""
    frames = traceback.extract_tb(error.__traceback__)
    frame = next((frame for frame in reversed(frames) if frame.filename == own), frames[-1])
    return f"{Path(frame.filename).name}, line {frame.lineno}"


class PlacedPlugin:
    """Calls a plug-in's hooks with their errors placed, and has all else of it.

    Args:
        plugin: a `MethodPlugin` that does not come with clnorm.
        where: the strategy as it was asked for.

    Raises:
        ClnormError: a hook has failed.
    """

    def __init__(self, plugin: Any, *, where: str) -> None:
        self._plugin, self._where = plugin, where
        self._written = list_written(plugin) & CALLED

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._plugin, name)
        return partial(self._call, name, value) if name in self._written else value

    def _call(self, name: str, hook: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with placed(self._plugin, name, where=self._where):
            return hook(*args, **kwargs)
