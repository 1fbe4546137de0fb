"""How shares are shown in per cent, everywhere alike."""

from decimal import ROUND_HALF_UP, Context, Decimal

_EXACT = Context(prec=400)  # digits enough for every float


def percent(share: float, *, sign: str = "") -> str:
    """A share in per cent with one decimal; a half is rounded away from zero, as by hand: 0.6655 is 66.6.

    Args:
        share: a number that is not NaN.
        sign: `+` shows the sign of positive ones, too.
    """
    shown = Decimal(repr(rounded(share))).scaleb(2).quantize(Decimal("0.1"), ROUND_HALF_UP, _EXACT)
    return f"{shown + 0:{sign}.1f}"  # adding 0 makes of -0.0 a plain zero


def rounded(value: float) -> float:
    """A mean without the noise of its last digits, so that equal means are equal and print alike."""
    return round(float(value), 12)
