"""The audit of a dataset, from a configuration to a report."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from clnorm.audit import appearance, counts, drift, duplicates, leakage
from clnorm.audit import neighbours as probe
from clnorm.audit import video_files as files
from clnorm.audit.dataset import Subject
from clnorm.audit.measures import measure_store
from clnorm.audit.verdicts import AuditReport
from clnorm.config.config import Config
from clnorm.data.open import open_store, read_table
from clnorm.errors import UserError
from clnorm.progress import Reporter, count_steps
from clnorm.streams.stream import cut_classes

IMAGE_SIZE = 112
"""Height and width in pixels that clips are looked at in unless told otherwise."""

EXAMINERS = (
    counts.examine,
    files.examine,
    appearance.examine_appearance,
    appearance.examine_motion,
    leakage.examine,
    duplicates.examine,
    probe.examine,
    drift.examine,
)


def audit_dataset(config: Config, *, reporter: Reporter | None = None) -> AuditReport:
    """Read, decode, measure and examine a dataset.

    Args:
        config: the dataset, its protocol, the seed, and what a clip is; nothing else of it counts.
        reporter: told of the progress; silent by default.

    Raises:
        UserError: data or options that cannot be used.
        ClnormError: clips cannot be decoded and `data.skip_bad` is off, or the disk fails.
    """
    reporter = reporter or Reporter()
    table = read_table(config, reporter)
    store = open_store(config, table, reporter)
    with count_steps(reporter, "measuring") as progress:
        measures = measure_store(store, progress=progress)
    experiences, no_stream = _cut(config, table.classes)
    subject = Subject(table, store, measures, experiences, no_stream, config.seed)
    root = config.data.root
    return AuditReport(
        dataset=config.dataset.short,
        root=None if root is None else str(Path(root).expanduser().absolute()),
        date=date.today().isoformat(),
        protocol=str(config.protocol),
        seed=config.seed,
        clips=len(table),
        frames=store.frames,
        size=store.size,
        fingerprint=table.fingerprint,
        sections=tuple(examine(subject) for examine in EXAMINERS),
    )


def _cut(config: Config, classes: Sequence[str]) -> tuple[tuple[tuple[int, ...], ...], str]:
    """The classes of each experience; or none, and why: what no protocol fits is audited all the same."""
    try:
        cut = cut_classes(config.protocol, classes, seed=config.seed)
    except UserError as error:
        return (), str(error)
    if cut.divided != "classes":
        return (), f"{config.protocol.short} divides {cut.divided}, not classes"
    groups = cut.classes
    return tuple(tuple(group) for group in groups), ""
