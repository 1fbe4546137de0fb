"""The files of a submitted run: which there are, of what size, and whether they are whole."""

from collections.abc import Iterator

from clnorm.config.tuned import TUNED_FILE, read_tuning
from clnorm.errors import ClnormError
from clnorm.results.clips import CLIPS_FILE
from clnorm.results.explanation import EXPLANATION_FILE
from clnorm.results.folder import PLASTICITY_FILE
from clnorm.submission.submitted import AS_WRITTEN, PREDICTIONS, SubmittedRun

NEEDED = ("record.json", "config.yaml", "matrix.csv", PREDICTIONS, CLIPS_FILE)
"""What every submitted run has."""

ALLOWED = ("steps.parquet", "probes.parquet", PLASTICITY_FILE, EXPLANATION_FILE, TUNED_FILE, "log.jsonl")
"""What a submitted run may have beside that."""

_UNSEEN = (".lock",)  # empty, and left in each run's folder


def check_files(run: SubmittedRun) -> Iterator[ClnormError]:
    """Each file is there, regular, of a size that can be taken, and has its own checksum."""
    there = sorted(path.name for path in run.folder.iterdir() if path.name not in _UNSEEN)
    for name in NEEDED:
        if name not in there:
            yield ClnormError("is not there", where=name, legal=f"{', '.join(NEEDED)} in each run", hint=AS_WRITTEN)
    for name in there:
        if name not in (*NEEDED, *ALLOWED):
            legal, hint = ", ".join((*NEEDED, *ALLOWED)), f"leave {name} out of what you submit"
            yield ClnormError("is no file of a submission", where=name, legal=legal, hint=hint)
            continue
        try:
            if name.endswith(".parquet"):
                run.read_table(name)
            elif run.require(name) and name == TUNED_FILE:
                read_tuning(run.folder / name)
        except ClnormError as error:
            yield error
