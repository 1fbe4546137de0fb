"""What `clnorm explain` keeps in a run's folder: the parts of its forgetting."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_type_hints

import numpy as np

from clnorm.errors import ClnormError
from clnorm.files import UNSEALED, check_seal, replace_file, seal
from clnorm.reading import check_types, read_json, read_regular
from clnorm.results.percent import percent

EXPLANATION_FILE = "explain.json"
"""Its name in a run's folder."""

PARTS = ("statistics", "head", "features")
"""The parts that sum to the forgetting."""

MEANING = (
    "best: the most that the experience had before the last one was trained; final: in the end; "
    "statistics: what running statistics estimated anew on all training clips gain; head: what a head "
    "fitted anew on their features gains then; features: what is still missing. "
    "forgetting = best - final = the sum of the three."
)
"""What the numbers of its table are."""

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The parts of a run's forgetting on each old experience j < T, as lists of T - 1 numbers from -1 to 1.

    Attributes:
        run: name of the run's folder.
        model: sha256 (hex) of the kept model that was looked at.
        best: max_{j <= t < T} R[t, j].
        final: the accuracy of the kept model, which is R[T, j] but for what `differing` says.
        statistics: what estimating the running statistics anew on all training clips gains.
        head: what fitting the head anew on their frozen features gains then.
        features: what is still missing to the best.
        head_before_statistics: the part of the head where it is made anew first.
        sites: modules whose running statistics were estimated anew; without any, that part is 0.
        train_clips: of all experiences.
        test_clips: of all experiences.
        differing: test clips that the kept model predicts otherwise here than in the run: rounding, on other hardware.
        l2: of the head's regression.
        converged: whether both of its fits ended at their minimum.
        seconds: that it took.
        schema: version of this layout.
    """

    run: str
    model: str
    best: list[float]
    final: list[float]
    statistics: list[float]
    head: list[float]
    features: list[float]
    head_before_statistics: list[float]
    sites: int
    train_clips: int
    test_clips: int
    differing: int
    l2: float
    converged: bool
    seconds: float
    schema: int = SCHEMA

    @property
    def forgetting(self) -> list[float]:
        """best - final of each old experience."""
        return [best - final for best, final in zip(self.best, self.final, strict=True)]

    @property
    def statistics_after_head(self) -> list[float]:
        """The part of the statistics where the head is made anew first: what both gain stays."""
        gained = zip(self.statistics, self.head, self.head_before_statistics, strict=True)
        return [statistics + head - first for statistics, head, first in gained]

    def totals(self) -> dict[str, float]:
        """Forgetting and its parts, means over the old experiences, each counting the same."""
        return {name: float(np.mean(getattr(self, name))) for name in ("forgetting", *PARTS)}

    def notes(self) -> Iterator[str]:
        """What is to be known of it beside its numbers."""
        if self.sites:
            first = [float(np.mean(part)) for part in (self.head_before_statistics, self.statistics_after_head)]
            yield f"with the head made anew first: head {percent(first[0])}, then statistics {percent(first[1])}"
        else:
            yield "no norm of the model has running statistics, so that theirs is no part"
        if self.differing:
            count = f"{self.differing} of {self.test_clips}"
            yield f"{count} test clips are predicted otherwise here than in the run, by rounding"
        if not self.converged:
            yield "a head is not at its minimum: its part may be larger, and that of the features smaller"


def write_explanation(folder: Path, explanation: Explanation) -> None:
    """Write `explain.json` with its checksum, replaced at once."""
    content = {**asdict(explanation), "checksum": UNSEALED}
    sealed = seal((json.dumps(content, indent=2, allow_nan=False) + "\n").encode())
    replace_file(folder / EXPLANATION_FILE, lambda file: file.write(sealed))


def read_explanation(folder: Path) -> Explanation | None:
    """The explanation in a run's folder; None where there is none.

    Raises:
        ClnormError: it is damaged, or of a newer schema.
    """
    file = folder / EXPLANATION_FILE
    if not file.exists():
        return None
    hint = "delete it to compute it anew"
    try:
        content = read_regular(file)
        if not check_seal(content):
            raise ValueError("it has no checksum")
        loaded = read_json(content)
        loaded.pop("checksum", None)
        newer = loaded["schema"] > SCHEMA
        explanation = None if newer else Explanation(**loaded)
        if explanation is not None:
            values = asdict(explanation)
            check_types(values, get_type_hints(Explanation))
            if len({len(value) for value in values.values() if isinstance(value, list)}) > 1:
                raise ValueError("its lists are of several lengths")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ClnormError(f"cannot be read ({error})", where=str(file), hint=hint) from error
    if explanation is None:
        raise ClnormError(f"has schema {loaded['schema']}, newer than {SCHEMA}", where=str(file), hint="update clnorm")
    return explanation
