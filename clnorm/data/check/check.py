"""Is a dataset complete? Its clips, splits and groups counted, without opening a video."""

from pathlib import Path

from clnorm.catalogue.registry import Spec
from clnorm.data.check.lists import survey_lists
from clnorm.data.check.survey import ClassCount, Survey
from clnorm.data.datasets.clip_list import INDEX
from clnorm.data.datasets.layout import few_clips
from clnorm.data.datasets.sources import describe_sources
from clnorm.data.datasets.splits import leaking_groups
from clnorm.data.prepare.any_folder import describe_others, find_unlisted
from clnorm.data.prepare.official import READERS
from clnorm.data.table import SPLITS, ClipTable
from clnorm.errors import UserError


def check_dataset(dataset: Spec, root: Path | None) -> Survey:
    """Count a dataset and name all that is missing, superfluous or otherwise wrong, without opening a video.

    Raises:
        UserError: it lies in a folder, and there is none.
    """
    survey = Survey(dataset.short, str(root) if root is not None else "")
    if dataset.name in READERS and root is not None:
        survey_lists(survey, dataset, root)
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
    survey.files = table.paths()
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
    if dataset.name == "folder" and root is not None and (others := describe_others(root)):
        survey.notes.append(others)
    if root is not None and (root / INDEX).is_file() and (extra := find_unlisted(root, table)):
        survey.problems.append(f"{few_clips(extra)} on disk but not in {INDEX}")
