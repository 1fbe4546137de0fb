"""What a command prints: data on stdout, notes on stderr."""

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clnorm.config.config import Config

from clnorm.errors import ClnormError, Mistakes


def print_text(text: str) -> None:
    """Write a text and a line's end to stdout.

    Raises:
        BrokenPipeError: its reader left.
        ClnormError: it cannot be written otherwise, as where a disk is full.
    """
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ClnormError(f"stdout cannot be written ({error.strerror or error})") from error


def check_fits(configs: "Iterable[Config]") -> None:
    """What a dry run checks: that the parts of each run fit. What could not be checked is said on stderr, once.

    Raises:
        UserError: parts do not fit; all such mistakes.
    """
    from clnorm.training.fit import FitCheck

    fit, notes, mistakes = FitCheck(), dict[str, None](), Mistakes()
    for config in configs:
        with mistakes.collected():
            notes[fit.check(config)] = None
    for note in filter(None, notes):
        sys.stderr.write(f"{note}\n")
    mistakes.refuse()


def print_json(value: object) -> None:
    print_text(json.dumps(value, indent=2))
