"""One option of a name: its default, its meaning and its legal values."""

from dataclasses import dataclass

from clnorm.errors import UserError

Value = bool | int | float | str


_TRUE, _FALSE = {"true", "yes", "on"}, {"false", "no", "off"}


def write_value(value: Value) -> str:
    """A value as it is written behind `option=`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _guess(given: object) -> Value | None:
    """What a text looks like: an integer, a number, true or false; else the text."""
    if not isinstance(given, str):
        return given if isinstance(given, (bool, int, float)) else None
    text = given.strip()
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


@dataclass(frozen=True)
class Option:
    """One option of an entry: its default, its meaning, and what else is legal.

    Args:
        default: the value used when none is given; None means that one must be given.
        doc: what it does, in a few words.
        kind: the type of a value; taken from `default` where not stated. `object` is that of an argument which says
            none: what a text looks like, or a number where the default is one.
        words: the only legal words for a text option, or words legal beside a number or true|false.
        low: the least legal number.
        high: the greatest legal number.
        file: whether a text, but for `words`, is a path, whose content counts in a run's identity.
        only: the other option, and its value, without which this one has no effect; None where there is no such.
    """

    default: Value | None
    doc: str = ""
    kind: type | None = None
    words: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    file: bool = False
    only: tuple[str, Value] | None = None

    @property
    def type(self) -> type:
        return self.kind or (str if self.default is None else type(self.default))

    @property
    def legal(self) -> str:
        """The legal values in words, such as `an int >= 1, or auto`."""
        if self.file:
            return ", or ".join(["a file", *self.words])
        if self.type is str:
            return "|".join(self.words) or "text"
        if self.type is bool:
            return "|".join(["true", "false", *self.words])
        if self.type is object:
            return "a number" if self._is_number(self.default) else "a number, true|false, or text"
        bounds = [f">= {self.low:.10g}"] if self.low is not None else []
        bounds += [f"<= {self.high:.10g}"] if self.high is not None else []
        number = " ".join([{"int": "an int", "float": "a number"}[self.type.__name__], " and ".join(bounds)]).strip()
        return ", or ".join([number, *self.words])

    def parse(self, given: object, *, where: str) -> Value:
        """`given` (text or a value from YAML) as a legal value.

        Raises:
            UserError: the value has the wrong type, word or range.
        """
        value = self._convert(given)
        if value is None or not self._in_range(value):
            matchable = self.words if self.type is str and self.words else self.legal
            raise UserError(f"{given!r} is not legal", where=where, legal=matchable, given=str(given))
        return value

    @property
    def is_writable(self) -> bool:
        """Whether the default, written as text within `name:option=value,...`, is read as the same value again."""
        if self.default is None:
            return True
        text = write_value(self.default)
        plain = bool(text) and text == text.strip() and "," not in text and text.isprintable()
        value = self._convert(text)
        return plain and value is not None and self._in_range(value) and value == self.default

    def _convert(self, given: object) -> Value | None:
        if isinstance(given, str) and given in self.words:
            return given
        if self.type is bool:
            if isinstance(given, bool):
                return given
            text = str(given).lower()
            return True if text in _TRUE else False if text in _FALSE else None
        if self.type is str:
            return given if isinstance(given, str) and (self.file or not self.words) else None
        if self.type is object:
            guessed = _guess(given)
            return guessed if self._is_number(guessed) or not self._is_number(self.default) else None
        if isinstance(given, bool) or not isinstance(given, (int, float, str)):
            return None
        try:
            if self.type is int and not isinstance(given, float) and str(given).strip().lstrip("+-").isdecimal():
                return int(given)  # not by way of a float, which would round a large one
            number = float(given)
            return number if self.type is float else int(number) if number.is_integer() else None
        except (ValueError, OverflowError):
            return None

    @staticmethod
    def _is_number(value: object) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool)

    def _in_range(self, value: Value) -> bool:
        if isinstance(value, (bool, str)):
            return True
        finite = value == value and abs(value) != float("inf")
        return finite and (self.low is None or value >= self.low) and (self.high is None or value <= self.high)
