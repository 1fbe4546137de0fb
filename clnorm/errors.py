"""The errors that clnorm raises on purpose, and the wording they share.

A message says what is wrong, where, what would be legal, the nearest match and the next command; the command line
prints it on one line and leaves with the error's exit code.
"""

import copy
import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Self

_MOST = 20
"""Mistakes that are named at once; of more, their number is said."""


class ClnormError(Exception):
    """Something failed that the user did not ask for wrongly: exit code 1.

    The arguments are kept as attributes; `str()` composes the message of them.

    Args:
        what: what is wrong, naming the value at fault.
        where: the option, file or line it stands in.
        legal: what would have been accepted; several names are kept sorted.
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
        super().__init__(what)
        self.what, self.where, self.given, self.hint = what, where, given, hint
        self.legal = legal if legal is None or isinstance(legal, str) else tuple(sorted(legal))

    def __str__(self) -> str:
        parts = [self.what if self.where is None else f"{self.where}: {self.what}"]
        if isinstance(self.legal, tuple) and self.given is not None and (match := nearest(self.given, self.legal)):
            parts.append(f"did you mean {match!r}?")
        if self.legal is not None:
            parts.append(f"legal: {self.legal if isinstance(self.legal, str) else ', '.join(self.legal)}")
        if self.hint is not None:
            parts.append(self.hint)
        return "; ".join(parts)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args), self.__dict__

    def within(self, where: str, *, joint: str = ": ") -> Self:
        """The same error, seen from further out: a copy with `where` before its own place.

        Raise it `from` the error itself, which keeps the traceback: `raise error.within("site 'head'") from error`.

        Args:
            where: what the error's own place lies in.
            joint: what stands between the two, such as a dot between a section and its key.
        """
        seen = copy.copy(self)
        seen.where = where if self.where is None else f"{where}{joint}{self.where}"
        return seen


class UserError(ClnormError):
    """The user asked for something that cannot be: exit code 2."""

    exit_code = 2


class SeveralMistakesError(UserError):
    """Several mistakes of the user's, found together.

    Args:
        errors: each by itself.
    """

    def __init__(self, errors: Iterable[UserError]) -> None:
        self.errors = tuple(errors)
        super().__init__(f"{len(self.errors)} mistakes")

    def __str__(self) -> str:
        return "\n".join([f"{self.what}:", *map(str, self.errors)])

    def within(self, where: str, *, joint: str = ": ") -> Self:
        """Each mistake seen from further out."""
        seen = copy.copy(self)
        seen.errors = tuple(error.within(where, joint=joint) for error in self.errors)
        return seen


class Mistakes:
    """Collects mistakes that can be known independently of each other, so that one error names all of them."""

    def __init__(self) -> None:
        self._found: dict[str, UserError] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, error: UserError, *, leave_out: type[UserError] | None = None) -> None:
        """Keep an error, or each of several, unless its message is known already or it is of the kind to leave out."""
        for one in error.errors if isinstance(error, SeveralMistakesError) else [error]:
            if leave_out is None or not isinstance(one, leave_out):
                self._found.setdefault(str(one), one)

    @contextmanager
    def collected(self) -> Iterator[None]:
        """A context whose `UserError` is kept instead of raised."""
        try:
            yield
        except UserError as error:
            self.add(error)

    def refuse(self) -> None:
        """Raise what was found: one mistake as it is, several as one error, of many the first ones.

        Raises:
            UserError: there are mistakes.
        """
        found = list(self._found.values())
        if len(found) == 1:
            raise found[0]
        if len(found) > _MOST:
            found = [*found[:_MOST], UserError(f"{len(found) - _MOST} more mistakes", hint="mend these first")]
        if found:
            raise SeveralMistakesError(found)


def nearest(given: str, legal: Iterable[str]) -> str | None:
    """The legal name most like `given`, of several the one of the most similar length; None when none is close.

    The beginning of a name, of three letters or more, means that name.
    """
    lowered, wanted = {name.lower(): name for name in legal}, given.lower()
    begun = [name for name in lowered if name.startswith(wanted)]
    if begun and len(wanted) >= 3:
        return lowered[min(begun, key=len)]
    matches = difflib.get_close_matches(wanted, lowered, n=len(lowered) or 1, cutoff=0.5)

    def likeness(name: str) -> tuple[float, int]:
        return difflib.SequenceMatcher(None, name, wanted).ratio(), -abs(len(name) - len(wanted))

    return lowered[max(matches, key=likeness)] if matches else None


def _rebuild(cls: type[ClnormError], args: tuple[Any, ...]) -> ClnormError:
    """An error for a copy to be filled, without its constructor, which a subclass may give other arguments."""
    return cls.__new__(cls, *args)
