"""Listed clips against the files on disk: by their names, as a mirror writes them, or in another container."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from clnorm.data.datasets.layout import few_clips, is_video
from clnorm.data.table import ClipTable
from clnorm.errors import UserError

LISTED = "listed"
"""The column of a table that holds each clip's name in the official lists."""


@dataclass(frozen=True)
class Match:
    """The clips of a class, listed against those on disk.

    Args:
        files: listed clip -> file name on disk.
        absent: listed clips that are not on disk, sorted.
        extra: files that no list names, sorted.
        double: files that have one name but for their suffix, so that nothing tells which of them is the clip, sorted.
    """

    files: dict[str, str]
    absent: list[str]
    extra: list[str]
    double: list[str]


def match_clips(listed: Collection[str], files: Collection[str]) -> Match:
    """Each listed clip with its file: that of its name, else the one file that a mirror may have renamed it to.

    Some mirrors write `@` for `#` and `&`, and some hold the clips in another container: `x.mp4`, or `x.avi.mp4`, is
    then the file of `x.avi`. Where two listed clips, or two files, come to the same name, none is taken.
    """
    found: dict[str, str] = {}
    for rename in _RENAMED:
        taken = set(found.values())
        clips = _by_name([clip for clip in listed if clip not in found], rename)
        others = _by_name([file for file in files if file not in taken], rename)
        found |= {
            own[0]: others[name][0] for name, own in clips.items() if len(own) == 1 and len(others.get(name, ())) == 1
        }
    double = [file for same in _by_name(files, _stem).values() if len(same) > 1 for file in same]
    absent, extra = set(listed) - found.keys(), set(files) - set(found.values())
    return Match(found, sorted(absent), sorted(extra), sorted(double))


def require_match(listed: Collection[str], files: Mapping[str, int], *, where: Path, lists: str) -> dict[str, str]:
    """`match_clips`, where every listed clip must be on disk and every file listed.

    Args:
        lists: what names the clips, in words.

    Raises:
        UserError: a clip is missing, superfluous or there twice; the first ones are named.
    """
    match = match_clips(listed, files)
    if match.double:
        hint = "keep one file of each, and move the others away"
        raise UserError(f"{few_clips(match.double)} of one name but for the suffix", where=str(where), hint=hint)
    if match.absent:
        hint = f"unpack the dataset again, or use the {lists}s that belong to these clips"
        raise UserError(f"{few_clips(match.absent)} in the {lists} but not on disk", where=str(where), hint=hint)
    if match.extra:
        hint = f"move them away, or use the {lists}s that belong to these clips"
        raise UserError(f"{few_clips(match.extra)} on disk but not in the {lists}", where=str(where), hint=hint)
    return match.files


def official_name(listed: str, file: str) -> str:
    """A file's name as the lists write it, with the suffix of its own container."""
    return listed if _suffix(listed) == _suffix(file) else _stem(listed) + _suffix(file)


def count_substitutes(pairs: Iterable[tuple[str, str]]) -> dict[str, int]:
    """How many files have another name than the lists say, for each way in which they do: `.mp4 for .avi`.

    Args:
        pairs: of each clip its name in the lists, and that of its file.
    """
    ways: Counter[str] = Counter()
    for listed, file in pairs:
        if is_video(listed) and _suffix(listed).lower() != _suffix(file).lower():
            ways[f"{_suffix(file)} for {_suffix(listed)}"] += 1
        if _stem(listed) != _stem(file):
            ways["@ for # and &"] += 1
    return dict(sorted(ways.items()))


def substitutes_of(table: ClipTable) -> dict[str, int]:
    """`count_substitutes` of a table; empty where no official list names its clips."""
    if LISTED not in table.frame:
        return {}
    files = [path.rpartition("/")[2] for path in table.frame["path"].tolist()]
    return count_substitutes(zip(table.frame[LISTED].tolist(), files, strict=True))


def describe_substitutes(ways: Mapping[str, int]) -> str:
    """What to say of files with other names than the lists say; nothing where there are none."""
    if not ways:
        return ""
    counts = ", ".join(f"{count:,} with {way}" for way, count in ways.items())
    text = f"clips are read from files of other names than the lists say: {counts}"
    if all(way.startswith("@") for way in ways):
        return text
    return f"{text}; copies in another container were mostly encoded anew, so that they show other pixels"


def _by_name(names: Iterable[str], rename: Callable[[str], str]) -> dict[str, list[str]]:
    """Each name that `rename` gives, with those that it gives it to."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(rename(name), []).append(name)
    return groups


def _mirrored(clip: str) -> str:
    return clip.replace("#", "@").replace("&", "@")


def _stem(clip: str) -> str:
    """A name without its suffix of a video, or suffixes: some programs write `x.avi.mp4`."""
    while is_video(clip):
        clip = clip[: -len(_suffix(clip))]
    return clip


def _suffix(clip: str) -> str:
    return PurePath(clip).suffix


def _mirrored_stem(clip: str) -> str:
    return _mirrored(_stem(clip))


_RENAMED: tuple[Callable[[str], str], ...] = (str, _mirrored, _stem, _mirrored_stem)
"""What a file and its listed clip have in common, tried one after the other."""
