"""What a check finds: for each run which checks hold, which could not be made and why, and what is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from clnorm.errors import ClnormError


class State(StrEnum):
    """What became of a check."""

    HOLDS = "holds"
    NOT_CHECKED = "not checked"
    WRONG = "wrong"


class NotCheckedError(ClnormError):
    """Something cannot be checked here; `what` is the reason."""


@dataclass(frozen=True)
class Finding:
    """What is wrong, or why it could not be checked.

    Args:
        check: that found it.
        error: what, where, what is legal, and the next step.
    """

    check: str
    error: ClnormError

    @property
    def state(self) -> State:
        """Whether it is a fault, or says that something was not checked."""
        return State.NOT_CHECKED if isinstance(self.error, NotCheckedError) else State.WRONG

    def to_dict(self) -> dict[str, Any]:
        """The finding in JSON's types."""
        error = self.error
        legal = error.legal if error.legal is None or isinstance(error.legal, str) else ", ".join(error.legal)
        parts = {"what": error.what, "where": error.where, "legal": legal, "next": error.hint}
        return {"check": self.check, "state": self.state.value, **parts}


@dataclass(frozen=True)
class RunReport:
    """What was found of a run, or of several of them together.

    Args:
        name: of the run's folder below the submission, or of what was compared.
        checks: that were made, in their order.
        findings: of them.
    """

    name: str
    checks: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def state(self) -> State:
        """The worst of its findings."""
        return _worst([finding.state for finding in self.findings])

    def state_of(self, check: str) -> State:
        """What became of one of the checks."""
        return _worst([finding.state for finding in self.findings if finding.check == check])

    def to_dict(self) -> dict[str, Any]:
        """The report in JSON's types."""
        states = {check: self.state_of(check).value for check in self.checks}
        found = [finding.to_dict() for finding in self.findings]
        return {"name": self.name, "state": self.state.value, "checks": states, "findings": found}


def _worst(states: Sequence[State]) -> State:
    return next((state for state in (State.WRONG, State.NOT_CHECKED) if state in states), State.HOLDS)
