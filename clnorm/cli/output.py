"""What a command prints: data on stdout, notes on stderr."""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clnorm.console import visible
from clnorm.errors import ClnormError, Mistakes

if TYPE_CHECKING:
    from rich.console import Console

    from clnorm.config.config import Config


def print_text(text: str) -> None:
    """Write a text and a line's end to stdout, all of it made visible but for line ends and tabs.

    Raises:
        BrokenPipeError: its reader left.
        ClnormError: it cannot be written otherwise, as where a disk is full.
    """
    parts = re.split(r"([\n\t])", text.removesuffix("\n"))
    print_styled("".join(part if part in ("\n", "\t") else visible(part) for part in parts) + "\n")


def print_styled(text: str) -> None:
    """Write what rich made, with its codes of colours; a character that stdout's encoding lacks, as an escape.

    Raises:
        BrokenPipeError, ClnormError: as `print_text`.
    """
    encoding = sys.stdout.encoding or "utf-8"
    with _writing():
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ClnormError(f"stdout cannot be written ({error.strerror or error})") from error


@contextmanager
def rich_stdout(*, width: int = 0, soft_wrap: bool = False) -> "Iterator[Console]":
    """A console for tables; what is printed on it goes to stdout when the block ends.

    Args:
        width: the least width in characters where stdout is no terminal and has no width of its own.
        soft_wrap: let the terminal break long lines.

    Raises:
        BrokenPipeError, ClnormError: as `print_text`.
    """
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=soft_wrap)
    if not console.is_terminal:
        console.width = max(width, console.width)
    with _writing(), console.capture() as capture:  # at its end it writes nothing, which a full disk refuses too
        yield console
    shown = capture.get()
    # A title is filled up to its table's width, which a file or a pipe has no use for.
    print_styled(shown if console.is_terminal else re.sub(r" +$", "", shown, flags=re.MULTILINE))


@contextmanager
def naming_unreadable() -> Iterator[list[ClnormError]]:
    """A block that shows the runs that it can read, and tells the others to the list that it gets.

    Where it refuses what it is asked for, these are named before: what is missing may stand in one of them.

    Raises:
        ClnormError: there are others; each is named.
    """
    problems: list[ClnormError] = []
    try:
        yield problems
    except ClnormError:
        if problems:
            print_note(f"note: {tell_unreadable(problems, 'run')}")
        raise
    if problems:
        raise ClnormError(tell_unreadable(problems, "run"))


def tell_unreadable(problems: Sequence[ClnormError], kind: str) -> str:
    """How many of a kind are left out, and each with its place, in one line."""
    from clnorm.results.load import list_unreadable

    several = len(problems) > 1
    count = f"{len(problems)} {kind}s are" if several else f"1 {kind} is"
    return f"{count} left out, because {'they' if several else 'it'} cannot be read: {list_unreadable(problems)}"


def print_note(text: str) -> None:
    """Write a line to stderr; nothing where it is closed or full."""
    try:
        sys.stderr.write(f"{visible(text)}\n")
        sys.stderr.flush()
    except AttributeError:  # it is None where whoever started this closed it
        return
    except OSError:
        sys.stderr = None  # Python would write at its end, and change the exit code


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
        print_note(note)
    mistakes.refuse()


def print_json(value: object) -> None:
    """Write a value as JSON, whose own escapes stand for control characters: names are read back exactly.

    Raises:
        BrokenPipeError, ClnormError: as `print_text`.
    """
    print_styled(json.dumps(value, indent=2).replace("\x7f", r"\u007f") + "\n")  # all but DEL are escaped by json
