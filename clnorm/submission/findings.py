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


@dataclass(frozen=True)
class SubmissionReport:
    """What was found of a submission.

    Args:
        runs: a report for each, by its place.
        together: of all of them together.
        rerun: of the run that was made again; None where none was.
    """

    runs: tuple[RunReport, ...]
    together: RunReport
    rerun: RunReport | None = None

    @property
    def parts(self) -> tuple[RunReport, ...]:
        """All reports, in the order in which they are told."""
        return (*self.runs, self.together, *([self.rerun] if self.rerun is not None else []))

    @property
    def wrong(self) -> tuple[str, ...]:
        """The names of those that say that something is wrong."""
        return tuple(part.name for part in self.parts if part.state is State.WRONG)

    def to_dict(self) -> dict[str, Any]:
        """The report in JSON's types."""
        rerun = None if self.rerun is None else self.rerun.to_dict()
        return {"runs": [run.to_dict() for run in self.runs], "together": self.together.to_dict(), "rerun": rerun}


def _worst(states: Sequence[State]) -> State:
    return next((state for state in (State.WRONG, State.NOT_CHECKED) if state in states), State.HOLDS)
