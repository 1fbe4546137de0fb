"""The clips and the stream of a submitted run: computed anew without a video, and compared with what it says."""

from collections.abc import Iterator
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from clnorm.catalogue.registry import Spec
from clnorm.errors import ClnormError
from clnorm.evaluation.matrix import UNTRAINED
from clnorm.results.clips import CLIPS_FILE
from clnorm.submission.findings import NotCheckedError
from clnorm.submission.submitted import AS_WRITTEN, PREDICTIONS, SubmittedRun

if TYPE_CHECKING:
    import pandas as pd

_MOST_MADE = 100_000  # clips of a synthetic dataset that are listed
_TOLD = ("path", "label", "split", "group")  # of a clip, without its file
_AT_ONCE = "joint"  # the strategy that learns all experiences in one step


def check_clips(run: SubmittedRun) -> Iterator[ClnormError]:
    """`clips.parquet` lists the clips that the record's fingerprint is of, and those that its dataset has."""
    if not (run.folder / CLIPS_FILE).is_file():
        raise NotCheckedError("is not there", where=CLIPS_FILE)
    frame, table, record = run.read_table(CLIPS_FILE), run.make_table(), run.record
    if frame.get("id", frame.index).tolist() != list(range(len(frame))):
        yield ClnormError("its ids are not 0, 1, 2 ...", where=CLIPS_FILE, hint=AS_WRITTEN)
    named = frame["class"].tolist() if "class" in frame.columns else []
    if named != [record.classes[label] for label in table.labels]:
        yield ClnormError("its class names are not those of record.json", where=CLIPS_FILE, hint=AS_WRITTEN)
    if (said := record.data.get("fingerprint")) != table.fingerprint:
        what = f"data.fingerprint is {said}, and {CLIPS_FILE} gives {table.fingerprint}"
        yield ClnormError(what, where="record.json", legal=table.fingerprint, hint=AS_WRITTEN)
    yield from _compare_dataset(run)


def _compare_dataset(run: SubmittedRun) -> Iterator[ClnormError]:
    """What the dataset itself says of its clips, where it can be asked without its files."""
    dataset = run.shared_config.dataset
    if dataset.name != "synthetic":
        what = f"whether these are the clips of {dataset.name}, which takes its files"
        yield NotCheckedError(what, where=CLIPS_FILE, hint=f"clnorm data check {dataset.name} --data-root FOLDER")
        return
    options = dataset.kwargs
    if int(options["classes"]) * (int(options["train"]) + int(options["test"])) > _MOST_MADE:
        yield NotCheckedError(f"it is of more than {_MOST_MADE:,} clips", where="dataset")
        return
    classes, listed = _list_synthetic(dataset)
    if classes != run.table.classes or listed != run.table.frame[list(_TOLD)].to_dict("list"):
        what, legal = f"is not what {dataset.short} holds", f"the {len(listed['path'])} clips that clnorm makes of it"
        yield ClnormError(what, where=CLIPS_FILE, legal=legal, hint=AS_WRITTEN)


@lru_cache(maxsize=4)  # most runs of a submission share their dataset
def _list_synthetic(dataset: Spec) -> tuple[tuple[str, ...], dict[Any, Any]]:
    """The classes, and the columns `_TOLD` of the clips, of a synthetic dataset, which is not made for that."""
    from clnorm.data.synthetic.reader import list_clips

    table = list_clips(None, **dataset.kwargs)
    frame = table.frame.assign(path="videos/" + table.frame["path"])
    return table.classes, frame[list(_TOLD)].to_dict("list")


def check_protocol(run: SubmittedRun) -> Iterator[ClnormError]:
    """The experiences are those that the protocol makes of the clips with the run's seed."""
    stream, record = run.make_stream(), run.record
    legal = "what the protocol makes of these clips with this seed; see: clnorm protocol show"
    experiences = [list(part.classes) for part in stream.experiences]
    if record.experiences != experiences:
        place = next(
            (n for n, pair in enumerate(zip(record.experiences, experiences, strict=False), 1) if pair[0] != pair[1]),
            min(len(record.experiences), len(experiences)) + 1,
        )
        what = f"experiences differ from experience {place} on, with protocol {record.names['protocol']}"
        yield ClnormError(f"{what}, seed {record.seed}", where="record.json", legal=legal, hint=AS_WRITTEN)
    wanted: dict[str, Any] = {
        "train_clips": [len(part.train_ids) for part in stream.experiences],
        "test_clips": [len(part.test_ids) for part in stream.experiences],
        "train_clips_per_class": stream.train_clips_per_class.tolist(),
        "tasks": "known at test" if stream.knows_tasks else None,
        "looks": [asdict(look) for look in stream.looks] or None,
    }
    for name, value in wanted.items():
        said = record.data.get(name)
        if said != value and not (name == "train_clips_per_class" and said is None):  # which older records lack
            what = f"data.{name} is {said}, and the protocol gives {value}"
            yield ClnormError(what, where="record.json", legal=legal, hint=AS_WRITTEN)


def check_predictions(run: SubmittedRun) -> Iterator[ClnormError]:
    """Each step predicts the test clips that it must, by their own classes, among the classes that it may."""
    frame, stream, record = run.predictions, run.stream, run.record
    if whole := [name for name in ("after", "clip", "label", "predicted", "rank") if frame[name].dtype != np.int64]:
        yield ClnormError(f"column {whole[0]} holds no whole numbers", where=PREDICTIONS, hint=AS_WRITTEN)
        return
    at_once = record.names["strategy"].partition(":")[0] == _AT_ONCE
    trained = stream.joined() if at_once else stream
    unseen = bool(run.shared_config.eval.unseen)
    steps = [*([UNTRAINED] if unseen else []), *range(len(trained.experiences))]
    if (found := sorted(set(frame["after"]))) != steps:
        what, legal = f"has predictions after steps {found}", f"after steps {steps}"
        yield ClnormError(what, where=PREDICTIONS, legal=legal, hint=AS_WRITTEN)
        return
    for step in steps:
        rows = frame[frame["after"] == step]
        seen = trained.tested_after(step)
        wanted = stream.test_ids if unseen else seen
        if not np.array_equal(np.sort(rows["clip"].to_numpy()), np.sort(wanted)):
            what = f"after step {step} it is not of the test clips that are tested then"
            legal = f"the {len(wanted)} test clips of {CLIPS_FILE} in these experiences, each once"
            yield ClnormError(what, where=PREDICTIONS, legal=legal, hint=AS_WRITTEN)
            return
        yield from _check_rows(run, rows, step=step, seen=seen, count=0 if step < 0 else trained.seen_after(step))


def _check_rows(
    run: SubmittedRun, rows: "pd.DataFrame", *, step: int, seen: np.ndarray, count: int
) -> Iterator[ClnormError]:
    """The rows of one step.

    Args:
        run: of which they are.
        rows: of the test clips that are tested then.
        step: that they follow.
        seen: (n,) those of them whose experiences were trained.
        count: of classes that were trained, the first ones of the stream's order.
    """
    stream, clips, predicted = run.stream, rows["clip"].to_numpy(), rows["predicted"].to_numpy()
    where = f"{PREDICTIONS}, after step {step}"
    if not np.array_equal(rows["label"].to_numpy(), run.table.labels[clips]):
        what, legal = "clips have other labels than they have", f"the labels of {CLIPS_FILE}"
        yield ClnormError(what, where=where, legal=legal, hint=AS_WRITTEN)
    if not stream.is_by_class:
        told = rows["experience"].to_numpy() if "experience" in rows.columns else None
        if told is None or not np.array_equal(told, stream.experience_of_clip[clips]):
            yield ClnormError("clips are tested in other experiences", where=where, hint=AS_WRITTEN)
    among = np.where(np.isin(clips, seen), count, stream.num_classes)
    place = np.full(
        stream.num_classes + 1, stream.num_classes
    )  # the last one is that of -1: nothing could be predicted
    place[stream.order] = np.arange(stream.num_classes)
    legal_ids = (predicted >= -1) & (predicted < stream.num_classes)
    if not legal_ids.all() or not (place[predicted][predicted >= 0] < among[predicted >= 0]).all():
        what, legal = "predicts classes that were not trained then", f"the {count} classes that were"
        yield ClnormError(what, where=where, legal=legal, hint=AS_WRITTEN)
    confidence = rows["confidence"].to_numpy() if "confidence" in rows.columns else np.zeros(0)
    if not (np.isnan(confidence) | ((confidence >= 0) & (confidence <= 1))).all():
        yield ClnormError("has confidences that are no shares", where=where, legal="0 to 1", hint=AS_WRITTEN)
    if not np.array_equal(rows["rank"].to_numpy() == 0, predicted == rows["label"].to_numpy()):
        what, legal = "ranks a class first that it does not predict", "rank 0 where the prediction is right"
        yield ClnormError(what, where=where, legal=legal, hint=AS_WRITTEN)
