"""What a command prints: data on stdout."""

import json
import sys

from clnorm.errors import ClnormError


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


def print_json(value: object) -> None:
    print_text(json.dumps(value, indent=2))
