"""How alike classes are: by their names, or by a file of similarities that was measured on clips."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clnorm.errors import UserError, nearest
from clnorm.files import replace_file

Floats = npt.NDArray[np.float64]

FORMAT = "clnorm class similarity 1"
_HINT = "make one with: clnorm protocol similarity --out FILE"


def compare_names(names: Sequence[str]) -> Floats:
    """(classes, classes) cosine of the counts of three successive characters in the words of each name.

    Words are lower case; an underscore, and a capital behind a small letter, begin a new one: `kick_ball`, `KickBall`
    and `kick ball` are alike. It knows letters, not meanings: `sit` is like `situp`, and not like `stand`.
    """
    counts = [_count_trigrams(name) for name in names]
    known = {trigram: place for place, trigram in enumerate(sorted(set().union(*counts)))}
    table = np.zeros((len(names), len(known)))
    for row, counted in zip(table, counts, strict=True):
        row[[known[trigram] for trigram in counted]] = list(counted.values())
    products: Floats = table @ table.T  # of whole numbers, so that it is exact
    lengths = np.sqrt(np.diag(products))
    similarity: Floats = products / np.outer(lengths, lengths)
    return similarity


def _count_trigrams(name: str) -> Counter[str]:
    words = re.sub(r"[\W_]+", " ", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)).lower().split()
    text = f" {' '.join(words) or name} "
    return Counter(text[start : start + 3] for start in range(max(len(text) - 2, 1)))


def write_similarity(path: Path, names: Sequence[str], similarity: Floats, *, made: Mapping[str, Any]) -> None:
    """Write a file for `read_similarity`.

    Args:
        path: of the file.
        names: of the classes.
        similarity: (classes, classes).
        made: how it was measured.
    """
    rows = [[round(float(value), 6) for value in row] for row in similarity]
    content = {"format": FORMAT, "made": dict(made), "classes": list(names), "similarity": rows}
    text = json.dumps(content, ensure_ascii=False).replace("], [", "],\n [")
    replace_file(path, lambda file: file.write(f"{text}\n".encode()))


def read_similarity(path: str, names: Sequence[str]) -> Floats:
    """(classes, classes): the similarities of the classes `names` in a file that may hold more.

    Raises:
        UserError: it cannot be read, it is no such file, or a class is not in it.
    """
    where = f"similarity {path}"
    try:
        content = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", where=where, hint=_HINT) from error
    except ValueError as error:
        raise UserError("is no JSON", where=where, hint=_HINT) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError("holds no similarities of classes", where=where, legal=f'"format": "{FORMAT}"', hint=_HINT)
    held, rows = content.get("classes"), content.get("similarity")
    try:
        values = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if not isinstance(held, list) or values.shape != (len(held), len(held)) or not np.isfinite(values).all():
        raise UserError("its similarities are not a square of numbers, one row a class", where=where, hint=_HINT)
    if np.abs(values).max(initial=0.0) > 1 + 1e-5:
        raise UserError("its similarities are no cosines", where=where, legal="numbers from -1 to 1", hint=_HINT)
    if not np.allclose(values, values.T, atol=1e-5):
        raise UserError("its similarities are not symmetric", where=where, hint=_HINT)
    place = {name: index for index, name in enumerate(map(str, held))}
    for name in names:
        if name not in place:
            near = nearest(name, list(place))
            hint = f"it holds {near!r}" if near is not None else f"it holds {len(held)} classes; {_HINT}"
            raise UserError(f"there is no class {name!r} in it", where=where, hint=hint)
    chosen = [place[name] for name in names]
    return values[np.ix_(chosen, chosen)]
