"""All checks, in the order of their rows, and their run."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

from clnorm.catalogue import NORMS
from clnorm.catalogue.option import Option
from clnorm.catalogue.registry import Spec
from clnorm.conformance import checks_numerics, checks_output, checks_state
from clnorm.conformance.norm_under_test import NormUnderTest, step
from clnorm.conformance.report import ConformanceReport, Finding, NotApplicable, Status, Violation
from clnorm.errors import ClnormError
from clnorm.seeding import seeded_torch

_CHANNELS = Option(48, low=1)
_LONGEST = 300  # characters of an exception's message


@dataclass(frozen=True)
class Check:
    """One check.

    Args:
        name: what it is called in reports.
        examine: looks at a norm, returns what else is to be known, and raises `Violation` or `NotApplicable`; its
            docstring is the rule.
        needed: no other check can be made where this one fails.
        measures: it tells a number and has no rule to break.
    """

    name: str
    examine: Callable[[NormUnderTest], str | None]
    needed: bool = False
    measures: bool = False


CHECKS = (
    Check("build", checks_output.check_build, needed=True),
    Check("output", checks_output.check_output, needed=True),
    Check("memory layout", checks_output.check_layout),
    Check("training repeats", checks_output.check_training_repeats),
    Check("evaluation repeats", checks_output.check_evaluation_repeats),
    Check("batch composition", checks_output.check_composition),
    Check("one sample", checks_output.check_one_sample),
    Check("one position", checks_output.check_one_position),
    Check("one value", checks_output.check_one_value),
    Check("degenerate inputs", checks_output.check_degenerate),
    Check("input kept", checks_output.check_input_kept),
    Check("random numbers", checks_output.check_random_numbers),
    Check("no context", checks_output.check_no_context),
    Check("state_dict", checks_state.check_state_dict),
    Check("tracking off", checks_state.check_tracking_off),
    Check("freezing", checks_state.check_freezing),
    Check("checkpointing", checks_state.check_checkpointing),
    Check("autocast", checks_numerics.check_autocast),
    Check("bfloat16", checks_numerics.check_bfloat16),
    Check("compile", checks_numerics.check_compile),
    Check("gradients", checks_numerics.check_gradients),
    Check("parameters", checks_numerics.check_parameters),
    Check("cost", checks_numerics.measure_cost, measures=True),
)


def check_norm(spec: str | Spec, num_channels: int | str = 48) -> ConformanceReport:
    """Run the contract of a norm on any norm: clnorm's own, a plug-in's, or a class of torch's or timm's.

    The norm is run on the CPU, from fixed numbers; the global generators are left as they were. An exception of the
    norm's is a failed check that names it, never raised.

    Args:
        spec: the norm, such as `cn:groups=8` or `mynorm:ScaleNorm`.
        num_channels: C.

    Raises:
        UserError: an unknown norm or option, an illegal value, or an illegal number of channels.
    """
    subject = NormUnderTest(NORMS.parse(spec), int(_CHANNELS.parse(num_channels, where="channels")))
    findings: list[Finding] = []
    broken = ""
    for check in CHECKS:
        finding = _examine(check, subject) if not broken else _skip(check, f"the check {broken!r} failed")
        if check is CHECKS[0] and finding.status is Status.PASSED:
            subject, note = calibrate_if_asked(subject)
            finding = replace(finding, detail=note)
        findings.append(finding)
        if check.needed and finding.status is Status.FAILED:
            broken = check.name
    return ConformanceReport(str(subject.spec), subject.num_channels, tuple(findings))


def calibrate_if_asked(subject: NormUnderTest) -> tuple[NormUnderTest, str]:
    """The subject, with statistics to begin with where its norm refuses to train without; then with why, as well."""
    try:
        step(subject.build(), subject.draw(), 0)
    except ClnormError as error:
        return replace(subject, calibrated=True), f"calibrated before each check, since otherwise it refuses: {error}"
    except Exception:  # noqa: BLE001 - the check of the output reports it
        return subject, ""
    return subject, ""


def _examine(check: Check, subject: NormUnderTest) -> Finding:
    status, detail = Status.MEASURED if check.measures else Status.PASSED, ""
    try:
        with seeded_torch(0), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the tools that trace the norm; the rule is what counts here
            detail = check.examine(subject) or ""
    except NotApplicable as reason:
        return _skip(check, str(reason))
    except Violation as violation:
        status, detail = Status.FAILED, str(violation)
    except Exception as error:  # noqa: BLE001 - whatever a norm raises is what is reported
        status, detail = Status.FAILED, _describe(error)
    return Finding(check.name, _rule(check), status, detail)


def _skip(check: Check, why: str) -> Finding:
    return Finding(check.name, _rule(check), Status.NOT_APPLICABLE, why)


def _rule(check: Check) -> str:
    return (check.examine.__doc__ or "").strip()


def _describe(error: Exception) -> str:
    """The exception's class and its message, in one line."""
    message = " ".join(str(error).split())
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
