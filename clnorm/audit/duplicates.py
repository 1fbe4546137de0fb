"""Clips of the training set that look almost like clips of the test set."""

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image

from clnorm.audit.pixels import LUMA
from clnorm.audit.subject import Subject
from clnorm.audit.verdicts import Grid, Mark, Pair, Section, Verdict
from clnorm.data.table import Ids

THRESHOLD = 0.95
FRAMES, SIDE = 4, 14
LISTED, PICTURED = 50, 6
_BLOCK = 1024
_RULE = (
    f"warning where a training and a test clip of one class correlate by {THRESHOLD} or more; note where clips of "
    "different classes do"
)
_METHOD = (
    f"Descriptor: {FRAMES} frames at equal intervals of the sampled ones, in grey, {SIDE} x {SIDE} pixels each, less "
    "their mean and over their norm, so that a change of brightness or contrast does not matter. Score: the "
    "correlation of two descriptors, for every training clip with every test clip. Clips of one even grey have none and "
    "are not compared. Crops, mirror images and shifts in time are not found."
)


@dataclass(frozen=True)
class Match:
    """A training and a test clip (ids) and the correlation of their descriptors."""

    train: int
    test: int
    score: float


def describe_clips(thumbs: npt.NDArray[np.uint8]) -> torch.Tensor:
    """(n, T, 3, side, side) uint8 -> (n, D) float32 of mean 0 and norm 1; zeros for a clip without contrast."""
    frames = thumbs.shape[1]
    taken = [(2 * i + 1) * frames // (2 * FRAMES) for i in range(FRAMES)]
    colours = torch.from_numpy(thumbs[:, taken]).to(torch.float32)
    grey = sum(weight * colours[:, :, channel] for channel, weight in enumerate(LUMA))
    small = F.adaptive_avg_pool2d(grey, min(SIDE, thumbs.shape[-1])).flatten(1)
    centred = small - small.mean(1, keepdim=True)
    norms = centred.norm(dim=1, keepdim=True)
    flat = norms < 1e-3 * small.shape[1] ** 0.5  # a thousandth of a grey level is rounding
    return torch.where(flat, 0.0, centred / norms.clamp_min(1e-12))


def find_matches(descriptors: torch.Tensor, train: Ids, test: Ids, *, threshold: float) -> list[Match]:
    """Every training and test clip whose descriptors correlate by `threshold` or more, the most alike first.

    Products of blocks of at most 1024 x 1024, so that memory does not grow with the square of the clips.
    """
    found = []
    for i in range(0, len(train), _BLOCK):
        rows = train[i : i + _BLOCK]
        for j in range(0, len(test), _BLOCK):
            columns = test[j : j + _BLOCK]
            scores = descriptors[rows] @ descriptors[columns].T
            for row, column in torch.nonzero(scores >= threshold).tolist():
                score = min(1.0, float(scores[row, column]))
                found.append(Match(int(rows[row]), int(columns[column]), score))
    return sorted(found, key=lambda match: (-match.score, match.train, match.test))


def examine(subject: Subject) -> Section:
    """The section on near-duplicates."""
    title = "Near-duplicates across training and test"
    if not len(subject.train) or not len(subject.test):
        text = f"{len(subject.train)} training and {len(subject.test)} test clips leave nothing to compare"
        return Section("duplicates", title, Verdict(Mark.UNKNOWN, text, _RULE), _METHOD)
    descriptors = describe_clips(subject.measures.thumbs)
    matches = find_matches(descriptors, subject.train, subject.test, threshold=THRESHOLD)
    labels = subject.table.labels
    within = [match for match in matches if labels[match.train] == labels[match.test]]
    across = [match for match in matches if labels[match.train] != labels[match.test]]
    flat = int((descriptors[torch.from_numpy(subject.good)] == 0).all(1).sum())
    grids = [_grid(subject, name, found) for name, found in (("one class", within), ("different classes", across)) if found]
    return Section(
        "duplicates",
        title,
        _judge(subject, within, across, flat=flat),
        _METHOD,
        values={"within": _plain(subject, within), "across": _plain(subject, across), "without_contrast": flat},
        grids=tuple(grids),
        pairs=tuple(_picture(subject, match) for match in (*within[:PICTURED], *across[:PICTURED])),
    )


def _judge(subject: Subject, within: list[Match], across: list[Match], *, flat: int) -> Verdict:
    parts = []
    for where, found in (("one class", within), ("different classes", across)):
        part = f"pairs of {where} that correlate by {THRESHOLD} or more: {len(found)}"
        if found:
            first = found[0]
            part += f", {len({match.test for match in found})} of {len(subject.test)} test clips; most alike: "
            part += f"{subject.path(first.train)} (training) and {subject.path(first.test)} (test), {first.score:.3f}"
        parts.append(part)
    if flat:
        parts.append(f"{flat} clips without contrast were not compared")
    mark = Mark.WARNING if within else Mark.NOTE if across or flat else Mark.OK
    return Verdict(mark, "; ".join(parts), _RULE)


def _grid(subject: Subject, where: str, matches: list[Match]) -> Grid:
    rows = tuple(
        (
            subject.path(match.train),
            subject.path(match.test),
            match.score,
            "yes" if subject.sources[match.train] == subject.sources[match.test] else "no",
        )
        for match in matches[:LISTED]
    )
    count = f"the {LISTED} most alike of {len(matches)}" if len(matches) > LISTED else f"all {len(matches)}"
    return Grid(f"Pairs of {where} ({count})", ("training clip", "test clip", "correlation", "same source"), rows)


def _plain(subject: Subject, matches: list[Match]) -> list[dict[str, object]]:
    return [{"train": subject.path(m.train), "test": subject.path(m.test), "score": m.score} for m in matches]


def _picture(subject: Subject, match: Match) -> Pair:
    ids = (match.train, match.test)
    frames = subject.store.gather(ids)[:, subject.store.frames // 2]  # (2, 3, size, size)
    return Pair(
        paths=(subject.path(ids[0]), subject.path(ids[1])),
        classes=(subject.class_of(ids[0]), subject.class_of(ids[1])),
        score=match.score,
        images=(_png(frames[0]), _png(frames[1])),
    )


def _png(frame: torch.Tensor) -> bytes:
    """(3, H, W) uint8 -> a PNG file."""
    file = io.BytesIO()
    Image.fromarray(frame.permute(1, 2, 0).numpy()).save(file, format="PNG")
    return file.getvalue()
