"""HMDB51 and UCF101 against their official lists, and against what is published of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clnorm.catalogue.registry import Spec
from clnorm.data.check.survey import ClassCount, Survey
from clnorm.data.datasets.layout import few_clips, list_clips
from clnorm.data.datasets.match import count_substitutes, describe_substitutes, match_clips
from clnorm.data.datasets.published import PUBLISHED, Published
from clnorm.data.prepare.official import READERS
from clnorm.data.table import SPLITS, ClipTable
from clnorm.errors import UserError


def survey_lists(survey: Survey, dataset: Spec, root: Path) -> None:
    """Every class folder against the official lists of all splits."""
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
    if substituted := describe_substitutes(survey.substituted):
        survey.notes.append(substituted)
    _note_uses(survey, dataset, root)
    named: dict[str, set[str]] = {}
    for listed in lists.values():
        for folder, clips in listed.items():
            named.setdefault(folder, set()).update(clips)
    _compare(survey, published, {folder: len(clips) for folder, clips in named.items()})


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
        sizes = list_clips(folder, dataset=survey.dataset.partition(":")[0])
    except UserError as error:
        survey.problems.append(str(error))
        sizes = {}
    survey.files += [folder / file for file in sorted(sizes)]
    official = dict.fromkeys(clip for listed in lists.values() for clip in listed)
    match = match_clips(official, sizes)
    for way, clips in count_substitutes(match.files.items()).items():
        survey.substituted[way] = survey.substituted.get(way, 0) + clips
    wrong = {"of one name but for the suffix": match.double}
    wrong |= {"in the lists but not on disk": match.absent, "on disk but not in the lists": match.extra}
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


def _compare(survey: Survey, published: Published, listed: Mapping[str, int]) -> None:
    """Against the published figures: a part of the classes, or of their clips, is legal and said so; others are not.

    `listed` holds the clips that the lists name of each class.
    """
    survey.published = {
        "clips": sum(published.splits[1].values()),
        "classes": published.classes,
        "groups": published.groups,
        "splits": {split: dict(uses) for split, uses in published.splits.items()},
    }
    complete = _compare_names(survey, published, set(listed))
    partial, whole = [], complete
    for row in survey.classes:
        known = published.clips.get(row.name, row.clips)
        if row.clips > known:
            survey.problems.append(f"{row.name}: {row.clips} clips, where {known} are published")
        if (count := listed.get(row.name, known)) < published.clips.get(row.name, 0):
            partial.append(f"{row.name} {count} of {known}")
        whole = whole and row.clips >= known
    if partial:
        shown = ", ".join(partial[:3]) + (", ..." if len(partial) > 3 else "")
        smaller = f"{len(partial)} classes are smaller" if len(partial) > 1 else "1 class is smaller"
        survey.notes.append(f"not the published lists: {smaller} ({shown})")
    whole = whole and not partial
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
