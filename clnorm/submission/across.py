"""What is checked of all submitted runs together: seeds in pairs, no run twice, no predictions of another run."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from clnorm.errors import ClnormError
from clnorm.results.record import label_norm
from clnorm.submission.findings import NotCheckedError
from clnorm.submission.submitted import AS_WRITTEN, SubmittedRun


def check_seeds(runs: Sequence[SubmittedRun]) -> Iterator[ClnormError]:
    """In each setting and strategy all norms have the same seeds, each once: what is compared is compared in pairs."""
    seeds: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        record = run.record
        norm = label_norm(record.names["norm"], record.label)
        seeds[record.setting, record.names["strategy"]][norm].append(record.seed)
    for (setting, strategy), of_norms in sorted(seeds.items()):
        where = f"setting {setting}, strategy {strategy}"
        every = sorted({seed for own in of_norms.values() for seed in own})
        for norm, own in sorted(of_norms.items()):
            if doubled := sorted({seed for seed in own if own.count(seed) > 1}):
                what = f"{norm} has several runs of seed {_list(doubled)}"
                yield ClnormError(what, where=where, legal="one run a seed", hint="leave out all but one of them")
            if lacking := sorted(set(every) - set(own)):
                what, legal = f"{norm} has no run of seed {_list(lacking)}", f"seeds {_list(every)} for each norm"
                yield ClnormError(what, where=where, legal=legal, hint="run what is missing, or leave those seeds out")


def check_copies(runs: Sequence[SubmittedRun]) -> Iterator[ClnormError]:
    """No two runs of other seeds or other norms have, to the last digit, the same predictions."""
    first: dict[str, SubmittedRun] = {}
    for run in runs:
        try:
            other = first.setdefault(run.digest, run)
        except NotCheckedError as error:
            yield NotCheckedError(error.what, where=f"{run.folder.name}/{error.where}")
            continue
        # Options that do nothing in a run, such as what a norm makes of a memory where there is none, may well agree.
        if other is not run and _kind(other) != _kind(run):
            what = f"its predictions are, to the last digit, those of {other.folder.name}"
            yield ClnormError(what, where=run.folder.name, legal="predictions of its own", hint=AS_WRITTEN)


def _kind(run: SubmittedRun) -> tuple[str, int]:
    norm, _, options = run.record.names["norm"].partition(":")
    # What is frozen after the first experience is `bn` where there is no second one, as in joint training.
    if norm == "bn_frozen" and "source=" not in options and len(run.record.matrix) == 1:
        norm = "bn"
    return norm, run.record.seed


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
