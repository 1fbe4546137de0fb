"""The errors that clnorm raises on purpose, and the wording they share.

A message says what is wrong, where, what would be legal, the nearest match and the next command; the command line
prints it on one line and leaves with the error's exit code.
"""

import difflib
from collections.abc import Iterable


class ClnormError(Exception):
    """Something failed that the user did not ask for wrongly: exit code 1.

    Args:
        what: what is wrong, naming the value at fault.
        where: the option, file or line it stands in.
        legal: what would have been accepted.
        given: the value given, to name its nearest match among `legal`.
        hint: the next command or step.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        legal: Iterable[str] | str | None = None,
        given: str | None = None,
        hint: str | None = None,
    ) -> None:
        parts = [what if where is None else f"{where}: {what}"]
        if legal is not None and not isinstance(legal, str):
            names = sorted(legal)
            if given is not None and (match := nearest(given, names)):
                parts.append(f"did you mean {match!r}?")
            legal = ", ".join(names)
        if legal is not None:
            parts.append(f"legal: {legal}")
        if hint is not None:
            parts.append(hint)
        super().__init__("; ".join(parts))


class UserError(ClnormError):
    """The user asked for something that cannot be: exit code 2."""

    exit_code = 2


def nearest(given: str, legal: Iterable[str]) -> str | None:
    """The legal name most like `given`, of several the one of the most similar length; None when none is close."""
    lowered, wanted = {name.lower(): name for name in legal}, given.lower()
    matches = difflib.get_close_matches(wanted, lowered, n=len(lowered) or 1, cutoff=0.5)

    def likeness(name: str) -> tuple[float, int]:
        return difflib.SequenceMatcher(None, name, wanted).ratio(), -abs(len(name) - len(wanted))

    return lowered[max(matches, key=likeness)] if matches else None
