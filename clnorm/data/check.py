"""Is a dataset complete? Its clips, splits and groups counted, and compared with its lists and what is published."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from clnorm.catalogue.registry import Spec
from clnorm.data.datasets.clip_list import INDEX
from clnorm.data.datasets.layout import few_clips, list_clips, match_clips
from clnorm.data.datasets.published import PUBLISHED, Published
from clnorm.data.datasets.sources import describe_sources
from clnorm.data.datasets.splits import leaking_groups
from clnorm.data.prepare.any_folder import find_unlisted
from clnorm.data.prepare.official import READERS
from clnorm.data.table import SPLITS, ClipTable
from clnorm.errors import UserError


@dataclass(frozen=True)
class ClassCount:
    """The clips of a class on disk, their groups, and how the split that was asked for uses them.

    A group with clips of several classes counts in each of them.
    """

    name: str
    clips: int
    groups: int
    train: int
    test: int
    unused: int


@dataclass
class Survey:
    """What was found of a dataset.

    Args:
        dataset: its name with options.
        root: its folder.
        classes: one entry a class found.
        sources: the groups over all classes, each counted once.
        splits: of each split, the listed clips for each use, over the classes found.
        published: the figures of the whole dataset, empty where none are known.
        notes: what is legal and yet good to know.
        problems: what is wrong; the dataset is in order where there are none.
    """

    dataset: str
    root: str
    classes: list[ClassCount] = field(default_factory=list)
    sources: int = 0
    splits: dict[int, dict[str, int]] = field(default_factory=dict)
    published: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def total(self, column: str) -> int:
        """The sum of a column over the classes."""
        return sum(getattr(row, column) for row in self.classes)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"clips": self.total("clips"), "groups": self.total("groups")}


def check_dataset(dataset: Spec, root: Path | None) -> Survey:
    """Count a dataset and name all that is missing, superfluous or otherwise wrong, without opening a video.

    Raises:
        UserError: it lies in a folder, and there is none.
    """
    survey = Survey(dataset.short, str(root) if root is not None else "")
    if dataset.name in READERS and root is not None:
        _survey_lists(survey, dataset, root)
    else:
        _survey_table(survey, dataset, root)
    return survey


def _survey_table(survey: Survey, dataset: Spec, root: Path | None) -> None:
    """A dataset that only its reader knows: its table, or the reader's complaint."""
    try:
        table: ClipTable = dataset.build(root, progress=None)
    except UserError as error:
        if root is None:
            raise
        survey.problems.append(str(error))
        return
    frame = table.frame
    survey.sources = frame["group"].nunique()
    for label, name in enumerate(table.classes):
        own = frame[frame["label"] == label]
        used = own["split"].value_counts()
        uses = {split: int(used.get(split, 0)) for split in SPLITS}
        survey.classes.append(ClassCount(name, len(own), own["group"].nunique(), **uses))
    if leaking := leaking_groups(frame):
        survey.notes.append(f"{len(leaking)} sources are in training and in testing, counted over all classes")
    if empty := frame.loc[frame["bytes"] == 0, "path"].tolist():
        survey.problems.append(f"{few_clips(empty)} empty")
    if unknown := describe_sources(table):
        survey.notes.append(unknown)
    if root is not None and (root / INDEX).is_file() and (extra := find_unlisted(root, table)):
        survey.problems.append(f"{few_clips(extra)} on disk but not in {INDEX}")


def _survey_lists(survey: Survey, dataset: Spec, root: Path) -> None:
    """HMDB51 and UCF101: every class folder against the official lists of all splits."""
    reader, published = READERS[dataset.name], PUBLISHED[dataset.name]
    try:
        videos, folders = reader.list_class_folders(root)
    except UserError as error:
        survey.problems.append(str(error))
        return
    lists: dict[int, dict[str, dict[str, str]]] = {}
    for split in published.splits:
        try:
            lists[split] = reader.read_lists(root, split)
        except UserError as error:
            survey.problems.append(str(error))
    sources = set[str]()
    for folder in folders:
        own = {split: listed[folder] for split, listed in lists.items() if folder in listed}
        if without := [str(split) for split in lists if split not in own]:
            survey.problems.append(f"{folder}: no list of split {', '.join(without)} names this class")
        count, names = _survey_class(survey, videos / folder, own, split=int(dataset.kwargs["split"]), reader=reader)
        survey.classes.append(count)
        sources |= names
    survey.sources = len(sources)
    for split, listed in lists.items():
        uses = [use for folder in folders for use in listed.get(folder, {}).values()]
        survey.splits[split] = {use: uses.count(use) for use in published.splits[split]}
    _note_uses(survey, dataset, root)
    _compare(survey, published, {folder for listed in lists.values() for folder in listed})


def _note_uses(survey: Survey, dataset: Spec, root: Path) -> None:
    """What runs train and test on where options change what the lists say; a dataset with problems is not read."""
    changed = dataset.kwargs.get("train_plus") or dataset.kwargs["imbalance"] != 1
    if changed and not survey.problems:
        table: ClipTable = dataset.build(root, progress=None)
        used = table.frame["split"].value_counts()
        survey.notes.append(f"runs on {dataset.short}: {_uses({use: int(used.get(use, 0)) for use in SPLITS})}")


def _survey_class(
    survey: Survey, folder: Path, lists: Mapping[int, Mapping[str, str]], *, split: int, reader: Any
) -> tuple[ClassCount, set[str]]:
    """Count a class, and its groups by name; what its lists and its folder do not share is a problem."""
    try:
        sizes = list_clips(folder)
    except UserError as error:
        survey.problems.append(str(error))
        sizes = {}
    official = dict.fromkeys(clip for listed in lists.values() for clip in listed)
    match = match_clips(official, sizes)
    wrong = {"in the lists but not on disk": match.absent, "on disk but not in the lists": match.extra}
    wrong["empty"] = sorted(file for file, size in sizes.items() if not size)
    for number, listed in lists.items():
        wrong[f"not in the list of split {number}"] = sorted(match.files.keys() - listed.keys())
    groups: dict[str, str] = {}
    unread: list[str] = []
    for clip in [*match.files, *match.extra]:
        try:
            groups[clip] = reader.parse_group(clip, folder.name, where=folder)
        except UserError:
            unread.append(clip)
    wrong["of no readable source"] = unread
    survey.problems += [f"{folder.name}: {few_clips(clips)} {what}" for what, clips in wrong.items() if clips]
    for number, listed in lists.items():
        train, test = ({groups.get(c) for c, use in listed.items() if use == role} for role in ("train", "test"))
        if leaking := sorted(source for source in train & test if source is not None):
            what = f"{folder.name}: sources in training and in testing of split {number}: {', '.join(leaking[:3])}"
            survey.problems.append(what)
    uses = [use for clip, use in lists.get(split, {}).items() if clip in match.files]
    names = set(groups.values())
    return ClassCount(folder.name, len(sizes), len(names), **{use: uses.count(use) for use in SPLITS}), names


def _compare(survey: Survey, published: Published, listed: set[str]) -> None:
    """Against the published figures: a part of the classes, or of their clips, is legal and said so; others are not."""
    survey.published = {
        "clips": sum(published.splits[1].values()),
        "classes": published.classes,
        "groups": published.groups,
        "splits": {split: dict(uses) for split, uses in published.splits.items()},
    }
    complete = _compare_names(survey, published, listed)
    partial = []
    for row in survey.classes:
        if (known := published.clips.get(row.name)) is not None and row.clips != known:
            if row.clips > known:
                survey.problems.append(f"{row.name}: {row.clips} clips, where {known} are published")
            else:
                partial.append(f"{row.name} {row.clips} of {known}")
    if partial and not survey.problems:
        shown = ", ".join(partial[:3]) + (", ..." if len(partial) > 3 else "")
        survey.notes.append(f"not the published lists: {len(partial)} classes are smaller ({shown})")
    whole = complete and not partial
    for split, uses in survey.splits.items():
        if whole and uses != published.splits[split]:
            survey.problems.append(
                f"split {split} has {_uses(uses)}, where {_uses(published.splits[split])} are published"
            )
    if whole and survey.total("groups") != published.groups:
        survey.problems.append(f"{survey.total('groups')} sources, where {published.groups} are published")


def _compare_names(survey: Survey, published: Published, listed: set[str]) -> bool:
    """Whether all classes of the dataset are there, and no others; where not even lists name them, by their number."""
    names = {row.name for row in survey.classes}
    known = set(published.clips) or listed or names
    own, absent, foreign = names & known, sorted(known - names), sorted(names - known)
    if foreign:
        count = f"{len(foreign)} class{'es' * (len(foreign) > 1)}"
        survey.problems.append(f"{count} not of the {published.classes} published: {', '.join(foreign)}")
    if len(own) > published.classes:
        survey.problems.append(f"{len(own)} classes, where {published.classes} are published")
    elif 0 < len(own) < published.classes:
        missing = f"; missing: {', '.join(absent)}" if 0 < len(absent) < published.classes else ""
        survey.notes.append(f"a subset: {len(own)} of {published.classes} classes{missing}")
    return len(own) == published.classes and not foreign


def _uses(uses: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {use}" for use, count in uses.items())
