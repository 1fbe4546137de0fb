"""Clips of the training set that look almost like clips of the test set."""

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image

from clnorm.audit.dataset import Subject
from clnorm.audit.measures import LUMA, THUMB
from clnorm.audit.verdicts import Grid, Mark, Pair, Section, Verdict
from clnorm.data.table import Ids

DUPLICATE, ALIKE = 0.95, 0.75
FRAMES, AROUND = 4, 7
LISTED, PICTURED = 50, 6
ONE, OTHER = "clips of one class", "clips of different classes"
_FLAT = 0.5  # grey levels of local contrast below which there is nothing but rounding
_BLOCK = 1024
_RULE = (
    f"warning where a training and a test clip of one class correlate by {DUPLICATE} or more; note where clips of "
    f"different classes do, or any two by {ALIKE} or more"
)
_METHOD = (
    f"Descriptor: {FRAMES} frames at equal intervals of the sampled ones, in grey, {THUMB} x {THUMB} pixels each, "
    f"every pixel less the mean of the {AROUND} x {AROUND} around it, all over their norm: a change of brightness or "
    "contrast does not matter, nor do broad shades, which many clips share. Score: the correlation of two descriptors, "
    f"for every training clip with every test clip; from {DUPLICATE} they show the same, from {ALIKE} mostly the same "
    "place and camera. Clips without local contrast are not compared. Crops, mirror images and shifts in time are not "
    "found."
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
    red, green, blue = torch.from_numpy(thumbs[:, taken]).to(torch.float32).unbind(2)
    grey = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue  # (n, FRAMES, side, side)
    local = grey - F.avg_pool2d(grey, AROUND, stride=1, padding=AROUND // 2, count_include_pad=False)
    centred = local.flatten(1) - local.flatten(1).mean(1, keepdim=True)
    norms = centred.norm(dim=1, keepdim=True)
    flat = norms < _FLAT * centred.shape[1] ** 0.5
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
    matches = find_matches(descriptors, subject.train, subject.test, threshold=ALIKE)
    labels = subject.table.labels
    found = {
        ONE: [match for match in matches if labels[match.train] == labels[match.test]],
        OTHER: [match for match in matches if labels[match.train] != labels[match.test]],
    }
    flat = int((descriptors[torch.from_numpy(subject.good)] == 0).all(1).sum())
    shown = [match for own in found.values() for match in _first_of_each_test_clip(own)[:PICTURED]]
    shown.sort(key=lambda match: -match.score)
    return Section(
        "duplicates",
        title,
        _judge(subject, found, flat=flat),
        _METHOD,
        values={
            "within": _plain(subject, found[ONE]),
            "across": _plain(subject, found[OTHER]),
            "without_contrast": flat,
        },
        grids=tuple(_grid(subject, where, own) for where, own in found.items() if own),
        pairs=tuple(_picture(subject, match) for match in shown),
    )


def _judge(subject: Subject, found: dict[str, list[Match]], *, flat: int) -> Verdict:
    parts = []
    for where, own in found.items():
        same = sum(match.score >= DUPLICATE for match in own)
        part = f"{where}: {same} pairs of {DUPLICATE} or more, {len(own)} of {ALIKE} or more"
        if own:
            first = own[0]
            part += f" ({len({match.test for match in own})} of {len(subject.test)} test clips); most alike: "
            part += f"{subject.path(first.train)} (training) and {subject.path(first.test)} (test), {first.score:.3f}"
        parts.append(part)
    if flat:
        parts.append(f"{flat} clips without contrast were not compared")
    duplicate = any(match.score >= DUPLICATE for match in found[ONE])
    mark = Mark.WARNING if duplicate else Mark.NOTE if any(found.values()) or flat else Mark.OK
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
    return Grid(f"Pairs, {where} ({count})", ("training clip", "test clip", "correlation", "same source"), rows)


def _plain(subject: Subject, matches: list[Match]) -> list[dict[str, object]]:
    return [{"train": subject.path(m.train), "test": subject.path(m.test), "score": m.score} for m in matches]


def _first_of_each_test_clip(matches: list[Match]) -> list[Match]:
    return list({match.test: match for match in reversed(matches)}.values())[::-1]


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
