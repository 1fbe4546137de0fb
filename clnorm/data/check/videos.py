"""Can the clips of a dataset be opened, and decoded to their end?"""

import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from clnorm.data.check.survey import Survey
from clnorm.data.datasets.layout import few_clips
from clnorm.data.store.ahead import map_ahead
from clnorm.data.store.decode import TRIM_EVERY, return_memory
from clnorm.data.store.in_order import frames_in_order
from clnorm.data.store.video import DecodeError, open_video, require_decoder
from clnorm.errors import ClnormError
from clnorm.progress import Reporter, count_steps

_CUT_OFF = 0.75
"""Below this share of the frames that its header states, a clip may have been cut off; codecs drop a few on purpose."""

_AHEAD = 4  # clips a thread


@dataclass(frozen=True)
class _Found:
    """Why a clip is damaged, if it is; how many frames were decoded, and how many its header states, if it does."""

    damage: str
    decoded: int = 0
    stated: int = 0


def check_videos(survey: Survey, reporter: Reporter, *, decode: bool) -> None:
    """Read the header of each clip of a survey, or, with `decode`, every frame; what is damaged becomes a problem.

    Empty files are left out: the survey names them already. Where nothing can open videos on this machine, that is a
    note; where they are to be decoded, it is an error.

    Raises:
        ClnormError: FFmpeg's libraries are missing, and clips are to be decoded.
    """
    try:
        require_decoder("cpu")
    except ClnormError as error:
        if decode:
            raise
        survey.notes.append(f"no header was read: {error}")
        return
    root = Path(survey.root).absolute() if survey.root else None
    paths = [path for path in (file.absolute() for file in survey.files) if path.stat().st_size > 0]
    found = _look_at(paths, reporter, decode=decode)
    names = [path.relative_to(root).as_posix() if root else str(path) for path in paths]
    survey.opened = len(paths)
    survey.damaged = {name: clip.damage for name, clip in zip(names, found, strict=True) if clip.damage}
    survey.decoded = len(paths) - len(survey.damaged) if decode else None
    _add_problems(survey)
    survey.short = {
        name: (clip.decoded, clip.stated)
        for name, clip in zip(names, found, strict=True)
        if decode and not clip.damage and clip.decoded < _CUT_OFF * clip.stated
    }
    if survey.short:
        counts = "; ".join(f"{decoded} of {stated}" for decoded, stated in list(survey.short.values())[:3])
        survey.notes.append(
            f"{few_clips(list(survey.short))} with far fewer frames than the header states ({counts}): cut off, or "
            "damaged on the way, or the header is wrong"
        )


def _look_at(paths: list[Path], reporter: Reporter, *, decode: bool) -> list[_Found]:
    found: list[_Found] = []
    workers = os.cpu_count() or 1
    pool = ThreadPoolExecutor(workers, thread_name_prefix="check")
    with count_steps(reporter, "decoding" if decode else "reading headers") as progress:
        try:
            for clip in map_ahead(pool, _decode if decode else _open, paths, ahead=_AHEAD * workers):
                found.append(clip)
                progress(len(found), len(paths))
                if len(found) % TRIM_EVERY == 0:
                    return_memory()
        finally:
            pool.shutdown(cancel_futures=True)
    return found


def _open(path: Path) -> _Found:
    """Read a clip's header. Where a container states no duration, a scan tells whether there is a video."""
    try:
        video = open_video(path, seek_mode="approximate")
    except DecodeError:
        try:
            open_video(path)
        except DecodeError as error:
            return _Found(error.reason)
        return _Found("")
    return _Found("", stated=video.metadata.num_frames or 0)


def _decode(path: Path) -> _Found:
    """Decode a clip, every frame in its order."""
    opened, decoded = _open(path), 0
    if opened.damage:
        return opened
    try:
        frames = frames_in_order(path, decoder="cpu", scanned=len(open_video(path)))
        while True:
            try:
                next(frames)
            except StopIteration as end:
                return _Found(end.value, decoded, opened.stated)
            decoded += 1
    except DecodeError as error:
        return _Found(error.reason, decoded, opened.stated)


def _add_problems(survey: Survey) -> None:
    """A problem for each kind of damage, which names the first clips that have it."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for name, damage in survey.damaged.items():
        kinds[damage].append(name)
    survey.problems += [f"{few_clips(names)} damaged: {damage}" for damage, names in kinds.items()]
