"""Which numbers of a run a logger has already, kept in the run's folder."""

import json
import uuid
from collections.abc import Iterable
from pathlib import Path

from clnorm.errors import ClnormError
from clnorm.files import replace_file
from clnorm.reading import read_json

SENT_FILE = "logged.json"
"""In a run's folder: where it is logged, as which stream, which numbers are there, and why it ended early."""


class Sent:
    """The numbers that a logger has, so that a run which goes on logs none twice.

    Args:
        file: in the run's folder, that they are kept in.
        to: the logger; another one has none of them.

    Attributes:
        stream: the name of the run for the logger: its own with digits that no other has, so that a run whose folder
            was deleted is not taken for the one that is gone.

    Raises:
        ClnormError: the file is damaged.
    """

    def __init__(self, file: Path, *, to: str) -> None:
        self._file, self._to = file, to
        self.stream, self._numbers = f"{file.parent.name}-{uuid.uuid4().hex[:6]}", set[str]()
        try:
            kept = read_json(file.read_bytes()) if file.exists() else {}
            if kept.get("to") == to:
                self.stream, self._numbers = str(kept["stream"]), set(map(str, kept["numbers"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            hint = "delete it; the run is then logged from its start, as another stream"
            raise ClnormError(f"is damaged ({error})", where=str(file), hint=hint) from error

    def has(self, name: str, step: int) -> bool:
        return f"{name}@{step}" in self._numbers

    def add(self, names: Iterable[str], step: int) -> None:
        """The logger has these numbers now."""
        self._numbers |= {f"{name}@{step}" for name in names}
        self._write()

    def fail(self, reason: str) -> None:
        """The logger has failed, and gets no more."""
        self._write(failed=reason)

    def _write(self, **more: str) -> None:
        kept = {"to": self._to, "stream": self.stream, "numbers": sorted(self._numbers), **more}
        content = (json.dumps(kept, indent=1) + "\n").encode()
        replace_file(self._file, lambda file: file.write(content))
