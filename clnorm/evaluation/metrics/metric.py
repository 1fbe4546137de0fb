"""What a metric is: its definition, and how it is computed from what a run keeps."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

from clnorm.errors import ClnormError, UserError
from clnorm.evaluation.formulas.matrix import NAN
from clnorm.evaluation.metrics.needs import FRAME, NEEDS, find_lack
from clnorm.evaluation.metrics.run_data import RunData

_ROUNDING = 1e-9  # by which a share may pass 1


@dataclass(frozen=True)
class Metric:
    """One definition: how it is called and written, where it comes from, and how it is computed.

    Args:
        key: the name in records and options.
        title: the heading in plain text.
        symbol: the heading in LaTeX's math mode; the title where it is empty.
        formula: the definition in plain text.
        formula_latex: the definition in LaTeX's math mode; that in plain text where it is empty.
        source: the citation.
        higher_is_better: which end is the good one.
        function: a run to the value, a share or a difference of shares; NaN where it is undefined.
        needs: what it needs beside R: names of `NEEDS`, files such as `predictions`, columns of these such as
            `predictions.confidence`.
        largest: what its size does not pass.

    Raises:
        UserError: a text is empty or no line of text, or a need is no name.
    """

    key: str
    title: str
    symbol: str
    formula: str
    formula_latex: str
    source: str
    higher_is_better: bool
    function: Callable[[RunData], float]
    needs: tuple[str, ...] = ()
    largest: float = 1.0

    def __post_init__(self) -> None:
        for name in ("key", "title", "formula", "source"):
            text = getattr(self, name)
            if not isinstance(text, str) or not text.strip() or not text.isprintable():
                raise UserError(f"{text!r} is no {name}", where=f"metric {self.key}", legal="a line of text")
        for need in self.needs:
            if need not in NEEDS and not FRAME.fullmatch(need):
                legal = f"{', '.join(NEEDS)}, or a file of a run, such as predictions or predictions.confidence"
                raise UserError(f"{need!r} is nothing that a metric can need", where=f"metric {self.key}", legal=legal)

    def __call__(self, run: RunData) -> float:
        """The value; NaN where it is undefined.

        Raises:
            ClnormError: the run does not have what it needs, its function failed, or gave no number or one too large.
        """
        where = f"metric {self.key}"
        try:
            value = self.function(run)
        except ClnormError as error:
            raise error if where in (error.where or "") else error.within(where) from error
        except (Exception, SystemExit) as error:
            raise ClnormError(f"failed ({type(error).__name__}: {error})", where=where) from error
        if isinstance(value, bool) or not isinstance(value, Real):
            hint = "return a float, which is NaN where the metric is undefined"
            raise ClnormError(f"gave {_short(value)}, a {type(value).__name__}", where=where, hint=hint)
        number = float(value)
        if not math.isnan(number) and not (abs(number) <= self.largest + _ROUNDING and math.isfinite(number)):
            legal = "a share or a difference of shares, from -1 to 1, or NaN"
            raise ClnormError(f"gave {number}", where=where, legal=legal)
        return number


def evaluate(metric: Metric, run: RunData) -> tuple[float, str]:
    """The value of a metric; where there is none, NaN and the reason.

    Raises:
        ClnormError: as calling the metric.
    """
    for need in metric.needs:
        if lack := find_lack(need, run):
            return NAN, lack
    value = metric(run)
    if math.isnan(value):
        return NAN, "it is undefined here: something that it needs was not evaluated, or nothing is left to average"
    return value, ""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
