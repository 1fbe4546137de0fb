"""The files themselves: bad and short clips, what headers claim, sizes, frame rates, and the reader's tags."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clnorm.audit.charts import draw_histograms
from clnorm.audit.dataset import Subject
from clnorm.audit.verdicts import Figure, Grid, Mark, Section, Verdict
from clnorm.data.store.video import DecodeError, open_video

TAGS = ("quality", "camera", "view", "visible", "people")
_MOST = 10
"""Rows of a table that could have one for each clip."""
_RULE = (
    "warning where a clip cannot be decoded; note where one has fewer frames than T, a header counts other frames than "
    "decoding, frames follow each other at no constant rate, or files differ in size or frame rate"
)
_METHOD = (
    "Frames: those that a file gives. Size and frame rate: as the file's header states them. Short: fewer "
    "frames than T, so that the last one is repeated. Uneven: a frame is off a constant rate by more than one mean "
    "interval, so that frames are sampled by their times. A header that counts other frames than decoding is no fault: "
    "what decoding gives is used, so that a check of the dataset passes over it. Tags: as the reader has them, in per "
    "cent of each split."
)


@dataclass(frozen=True)
class Header:
    """What the header of a video file states; None where it does not."""

    width: int | None
    height: int | None
    fps: float | None


def read_header(path: Path) -> Header:
    """The header of a video file, which states nothing where it cannot be read."""
    try:
        metadata = open_video(path, seek_mode="approximate").metadata
    except DecodeError:
        return Header(None, None, None)
    return Header(metadata.width, metadata.height, metadata.average_fps_from_header)


def examine(subject: Subject) -> Section:
    """The section on files."""
    info = subject.store.info
    decoded = info["decoded"].to_numpy(dtype=np.int64)
    claimed = info["header"].to_numpy(dtype=np.float64, na_value=np.nan)
    good = np.flatnonzero(subject.good)
    short = good[decoded[good] < subject.store.frames]
    other = good[np.isfinite(claimed[good]) & (claimed[good] != decoded[good])]
    uneven = good[info["uneven"].to_numpy(dtype=bool)[good]]
    paths = subject.table.paths()
    with ThreadPoolExecutor(4, thread_name_prefix="headers") as pool:
        headers = list(pool.map(read_header, [paths[clip] for clip in good]))
    sizes = Counter(f"{header.width} x {header.height}" if header.width else "not stated" for header in headers)
    rates = Counter(f"{header.fps:.3g}" if header.fps else "not stated" for header in headers)
    common = [_common("Sizes, width x height in pixels", sizes), _common("Frames a second", rates)]
    grids = [*_bad(subject), _frames(subject, decoded), *_headers(subject, other, decoded), *common, *_tags(subject)]
    return Section(
        "files",
        "Files, frames and tags",
        _judge(
            subject,
            counts={"short": len(short), "other": len(other), "uneven": len(uneven)},
            decoded=decoded[good],
            sizes=sizes,
            rates=rates,
        ),
        _METHOD,
        values={
            "bad": {subject.path(clip): reason for clip, reason in subject.store.bad.items()},
            "short": [subject.path(clip) for clip in short],
            "header_differs": len(other),
            "header_differs_in": [subject.path(clip) for clip in other],
            "uneven": [subject.path(clip) for clip in uneven],
            "frames": {
                name: float(of(decoded[good])) for name, of in (("min", np.min), ("median", np.median), ("max", np.max))
            },
            "sizes": dict(sizes.most_common()),
            "fps": dict(rates.most_common()),
        },
        grids=tuple(grids),
        figures=(Figure("Share of clips by number of frames", draw_histograms({"frames": {"all": decoded[good]}})),),
    )


def _judge(
    subject: Subject, *, counts: dict[str, int], decoded: np.ndarray, sizes: Counter[str], rates: Counter[str]
) -> Verdict:
    bad, frames = len(subject.store.bad), subject.store.frames
    text = (
        f"{bad} of {len(subject.table)} clips cannot be decoded; frames: {decoded.min()} to {decoded.max()}, median "
        f"{np.median(decoded):g}; {counts['short']} shorter than T = {frames}; headers that count other "
        f"frames than decoding: {counts['other']}; frames spaced unevenly in time: {counts['uneven']}; "
        f"{_kinds(sizes, 'size')}, {_kinds(rates, 'frame rate')}"
    )
    if bad:
        return Verdict(Mark.WARNING, text, _RULE)
    noted = any(counts.values()) or len(sizes) > 1 or len(rates) > 1
    return Verdict(Mark.NOTE if noted else Mark.OK, text, _RULE)


def _kinds(counts: Counter[str], what: str) -> str:
    (most, times), *others = counts.most_common()
    return f"{1 + len(others)} {what}s (most often {most}, {times} clips)" if others else f"one {what} ({most})"


def _frames(subject: Subject, decoded: np.ndarray) -> Grid:
    rows = []
    for name, ids in (("train", subject.train), ("test", subject.test)):
        if len(ids):
            own, short = decoded[ids], int((decoded[ids] < subject.store.frames).sum())
            rows.append((name, len(own), int(own.min()), float(np.median(own)), int(own.max()), short))
    columns = ("split", "clips", "fewest", "median", "most", f"below T = {subject.store.frames}")
    return Grid("Frames of a clip", columns, tuple(rows))


def _headers(subject: Subject, other: np.ndarray, decoded: np.ndarray) -> list[Grid]:
    """The clips whose headers count other frames than decoding, `other`, with both numbers; of many the first."""
    if not len(other):
        return []
    claimed = subject.store.info["header"]
    rows = tuple((subject.path(clip), int(claimed[clip]), int(decoded[clip])) for clip in other[:_MOST])
    more = f" (the first {_MOST} of {len(other)})" if len(other) > _MOST else ""
    return [Grid(f"Headers that count other frames than decoding{more}", ("clip", "header", "decoded"), rows)]


def _common(caption: str, counts: Counter[str]) -> Grid:
    rows = tuple(counts.most_common(_MOST))
    more = f" (the {_MOST} most frequent of {len(counts)})" if len(counts) > _MOST else ""
    return Grid(caption + more, ("value", "clips"), rows)


def _tags(subject: Subject) -> list[Grid]:
    """One row for each value of each tag that the reader has."""
    rows = []
    for tag in TAGS:
        if tag not in subject.table.frame.columns:
            continue
        values = subject.table.frame[tag].astype(str).to_numpy()
        for value in sorted(set(values[subject.good].tolist())):
            shares = [_percent(values[ids] == value) for ids in (subject.train, subject.test)]
            rows.append((f"{tag}: {value}", int((values[subject.good] == value).sum()), *shares))
    return [Grid("Tags", ("tag", "clips", "train, %", "test, %"), tuple(rows))] if rows else []


def _percent(hits: np.ndarray) -> float | None:
    return 100 * float(hits.mean()) if len(hits) else None


def _bad(subject: Subject) -> list[Grid]:
    bad = subject.store.bad
    if not bad:
        return []
    rows = tuple((subject.path(clip), reason) for clip, reason in sorted(bad.items()))
    return [Grid(f"Clips that cannot be decoded, left out of all else (all {len(rows)})", ("clip", "reason"), rows)]
