"""A nearest neighbour in pixel space: what a random split would make of these clips, and what the split in use does."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from clnorm.audit.charts import draw_intervals
from clnorm.audit.dataset import Subject
from clnorm.audit.verdicts import Figure, Grid, Mark, Section, Verdict
from clnorm.data.table import Ids

Z95 = 1.959963984540054
GAP = 0.2
LEAVE_ONE, LEAVE_SOURCE, IN_USE = "leave one out", "leave its source out", "test clips"
_BLOCK = 512

_RULE = (
    f"warning where leave-one-out is ahead of the test clips by more than {100 * GAP:g} points and their 95 % "
    "intervals do not meet; note where only the latter holds; else ok"
)
_METHOD = (
    "1-nearest neighbour by Euclidean distance over all T frames in colour, each {side} x {side} pixels. Leave one "
    "out: each training clip by the other training clips, what a random split would measure. Leave its source out: by "
    "the training clips of other sources. Official test: each test clip by all training clips. Chance: 1 / classes. "
    "Intervals: Wilson 1927, 95 %, as if clips were independent, which clips of a source are not: they are too short."
)


@dataclass(frozen=True)
class Share:
    """`hits` of `n`, with Wilson's 95 % interval."""

    hits: int
    n: int

    @property
    def value(self) -> float:
        return self.hits / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.hits, self.n)

    def __str__(self) -> str:
        if not self.n:
            return "nothing (no clip has another to compare with)"
        low, high = self.interval
        return f"{100 * self.value:.1f} % [{100 * low:.1f}, {100 * high:.1f}] ({self.hits} of {self.n})"


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a proportion: (p + z^2/2n ± z sqrt(p (1 - p) / n + z^2/4n^2)) / (1 + z^2/n).

    0 to 1 for n = 0. Source: Wilson 1927, Probable Inference, the Law of Succession, and Statistical Inference.
    """
    if n == 0:
        return 0.0, 1.0
    p, z2 = hits / n, Z95**2
    centre, half = p + z2 / (2 * n), Z95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    # At 0 and n a bound is 0 or 1 but for rounding.
    low = 0.0 if hits == 0 else (centre - half) / (1 + z2 / n)
    high = 1.0 if hits == n else (centre + half) / (1 + z2 / n)
    return low, high


def nearest(
    pixels: npt.NDArray[np.uint8], queries: Ids, bank: Ids, *, apart: npt.NDArray[np.int64] | None = None
) -> Ids:
    """The clip of `bank` nearest to each query, -1 where none is left; of equally near ones, the first in `bank`.

    Blocks of 512 x 512, in float32 of values less 128.

    Args:
        pixels: (n, ...) of all clips.
        queries: (q,) ids.
        bank: (b,) ids.
        apart: (n,) a clip is not compared with those of the same number; None compares all.

    Returns:
        (q,) ids.
    """
    flat = pixels.reshape(len(pixels), -1)
    best = torch.full((len(queries),), math.inf)
    found = np.full(len(queries), -1, dtype=np.int64)
    for j in range(0, len(bank), _BLOCK):
        columns = bank[j : j + _BLOCK]
        b = _centre(flat[columns])
        b_norms = b.square().sum(1)
        for i in range(0, len(queries), _BLOCK):
            rows = queries[i : i + _BLOCK]
            a = _centre(flat[rows])
            distances = a.square().sum(1)[:, None] + b_norms[None, :] - 2 * a @ b.T
            if apart is not None:
                distances[torch.from_numpy(apart[rows][:, None] == apart[columns][None, :])] = math.inf
            least, where = distances.min(1)
            better = least < best[i : i + _BLOCK]
            best[i : i + _BLOCK][better] = least[better]
            found[i : i + _BLOCK][better.numpy()] = columns[where.numpy()][better.numpy()]
    return found


def _centre(flat: npt.NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(flat).to(torch.float32) - 128


def examine(subject: Subject) -> Section:
    """The section on the nearest-neighbour probe."""
    title = "Random split against the split in use"
    side = subject.measures.thumbs.shape[-1]
    method = _METHOD.format(side=side)
    classes = len(subject.table.classes)
    short = [
        f"{len(ids)} {name} clips"
        for name, ids in (("training", subject.train), ("test", subject.test))
        if len(ids) < 2
    ]
    if classes < 2 or short:
        text = f"a probe needs two classes and clips in both splits, and there are {classes} classes"
        return Section("probe", title, Verdict(Mark.UNKNOWN, ", ".join([text, *short]), _RULE), method)
    shares = probe(subject)
    rows = tuple(
        (name, 100 * share.value, 100 * share.interval[0], 100 * share.interval[1], share.hits, share.n)
        for name, share in shares.items()
    )
    grid = Grid("Accuracy of the probe, %", ("probe", "accuracy", "from", "to", "right", "clips"), rows)
    drawn = [(name, share.value, *share.interval) for name, share in shares.items() if share.n]
    figure = draw_intervals(drawn, chance=1 / classes)
    values = {name: {"hits": share.hits, "n": share.n, "interval": share.interval} for name, share in shares.items()}
    return Section(
        "probe",
        title,
        judge(shares, classes=classes, has_sources=subject.has_sources),
        method,
        values={**values, "chance": 1 / classes},
        grids=(grid,),
        figures=(Figure("Accuracy of the probe with its interval; the broken line is chance", figure),),
    )


def probe(subject: Subject) -> dict[str, Share]:
    """The probe's accuracy on each way of taking clips away."""
    labels, pixels = subject.table.labels, subject.measures.thumbs
    train, test = subject.train, subject.test
    ways = {
        LEAVE_ONE: nearest(pixels, train, train, apart=np.arange(len(labels))),
        LEAVE_SOURCE: nearest(pixels, train, train, apart=subject.sources),
        IN_USE: nearest(pixels, test, train),
    }
    shares = {}
    for name, neighbours in ways.items():
        queries = test if name == IN_USE else train
        found = neighbours >= 0
        shares[name] = Share(int((labels[neighbours[found]] == labels[queries[found]]).sum()), int(found.sum()))
    return shares


def judge(shares: dict[str, Share], *, classes: int, has_sources: bool) -> Verdict:
    """The verdict on whether clips are independent and identically distributed over the splits."""
    random, in_use = shares[LEAVE_ONE], shares[IN_USE]
    text = (
        f"nearest neighbour in pixels: {random} leave-one-out over the training clips, {shares[LEAVE_SOURCE]} leaving "
        f"the clip's source out, {in_use} on the test clips, chance {100 / classes:.1f} %"
    )
    if random.interval[0] <= in_use.interval[1] and not has_sources:
        why = "no gap, but the reader knows of no sources, so the split in use may itself be a random one"
        return Verdict(Mark.UNKNOWN, f"{text}: {why}", _RULE)
    if random.interval[0] <= in_use.interval[1]:
        return Verdict(Mark.OK, f"{text}: no sign that a random split would measure something else", _RULE)
    mark = Mark.WARNING if random.value - in_use.value > GAP else Mark.NOTE
    return Verdict(mark, f"{text}: clips are not i.i.d.; cut validation clips by source, never at random", _RULE)
