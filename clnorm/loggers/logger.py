"""What a logger is: the silent one, which the others extend, and the run that it follows."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from clnorm.errors import UserError

Plain = bool | int | float | str | None


@dataclass(frozen=True)
class Stream:
    """The run that is followed.

    Args:
        name: of the run, and the same when it was stopped and goes on; another one where its folder was deleted.
        folder: of the run.
        config: its configuration by dotted key.
    """

    name: str
    folder: Path
    config: Mapping[str, Plain]


class Logger:
    """Follows a run and tells nobody; what each logger extends.

    A subclass takes its options as further arguments with defaults, imports its package when it is built, and begins
    in `open`. Whatever it raises later ends the logging, not the run.

    Args:
        stream: the run.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def open(self) -> str:
        """Begin to follow the run, or go on with it.

        Returns:
            What the user does to see it, in a few words; empty where there is nothing to see.
        """
        return ""

    def log(self, values: Mapping[str, float], *, step: int) -> None:
        """Numbers by name, such as `train/loss`, each once for a step; steps may repeat."""

    def finish(self, metrics: Mapping[str, float]) -> None:
        """The run is finished, with its metrics."""

    def close(self) -> None:
        """Nothing more comes from this process."""


def require(module: str, *, extra: str) -> ModuleType:
    """A module of an optional package.

    Raises:
        UserError: the package is not installed, or cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        what = f"needs a package that cannot be imported ({error})"
        hint = f"install it: pip install 'clnorm[{extra}]', or leave log=none"
        raise UserError(what, where=f"log {extra}", hint=hint) from error
