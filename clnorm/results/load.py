"""All runs under a folder, as one long table."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clnorm.catalogue import AUGMENTATIONS, IMBALANCE, MIXES
from clnorm.config.added import fill_added
from clnorm.config.identity import flatten
from clnorm.config.moved import moved_options
from clnorm.errors import ClnormError, UserError
from clnorm.evaluation.metrics import METRICS, evaluate
from clnorm.results.find import find_records
from clnorm.results.folder import RunFolder
from clnorm.results.measure import describe_run
from clnorm.results.record import NAMES, UNKNOWN, RunRecord, read_record
from clnorm.results.selection import EXPERIMENT, VERSIONS, plain_text

if TYPE_CHECKING:
    import pandas as pd


GROUPS = ("config", "cost", "folder", "order", "versions")


def load_results(
    folder: str | Path,
    *,
    columns: Sequence[str] = (),
    on_unreadable: Callable[[ClnormError], None] | None = None,
) -> "pd.DataFrame":
    """All runs under a folder, as one long table: one row for each run and metric.

    Args:
        folder: where the folders of runs lie, at any depth.
        columns: further groups of columns. `config`: every key of the configuration by its dotted name, such as
            `train.epochs`, those of a caption as it has them, and `data.fingerprint`, the hash of the clips; where an
            older record has no such key, the value by which it ran if that is known, otherwise `unknown`. `cost`:
            `cost.seconds`, `cost.clips_trained`, `cost.peak_memory_mb`, `cost.kept_megabytes` of all that is kept
            beside the model. `folder`: the run's `folder`, when it last `changed` (UTC), and how many experiences are
            `done`. `order`: a hash of the classes of each experience, in their order. `versions`: of clnorm, torch and
            python, as `versions.torch`.
        on_unreadable: told of each record that cannot be read, and of whatever else `find_records` cannot take, which
            is then left out; by default it is an error.

    Returns:
        `retention` is filled in where joint training with the same norm, label and seed is among the runs. Columns run,
        setting, dataset, protocol, backbone, norm, strategy, label, imbalance, seed, status, metric, value. A norm is
        named as it is written now, also where its record is older than that. A run that has not finished has the
        status `unfinished` and one row without metric and value. What defines the experiment for a caption are further
        columns: experiences (the number of classes in each), weights, and train.epochs, train.lr, train.batch_size,
        data.frames, data.image_size, data.augment, data.mix, fine_tuning, forward, and kept (megabytes beside the
        model); `unknown` where an older record has none. Where a run is not limited, train.experiences and
        data.validation are 0, and where it is not tuned, tuning is `none`.

    Raises:
        UserError: there is no such folder, or no run in it, or no such group of columns.
        ClnormError: a record is damaged, or none can be read.
    """
    for group in columns:
        if group not in GROUPS:
            raise UserError(f"unknown columns {group!r}", where="load_results", legal=GROUPS, given=group)
    return tabulate(read_records(Path(folder), on_unreadable), columns=columns)


def tabulate(read: Sequence[tuple[Path, RunRecord]], *, columns: Sequence[str]) -> "pd.DataFrame":
    """The table of `load_results` of records that were read already, each with its file."""
    import pandas as pd

    files, records = [file for file, _ in read], [record for _, record in read]
    joint = {
        _pair(record): record.matrix
        for record in records
        if record.names["strategy"] == "joint" and record.status == "finished"
    }
    wide = [widen(record, file, columns) for record, file in zip(records, files, strict=True)]
    names = dict.fromkeys(name for values in wide for name in values)  # of all, so that a missing one is unknown
    metrics = [_list_metrics(_with_retention(record, joint.get(_pair(record)))) for record in records]
    # Put together by columns: a row a run, repeated for its metrics.
    shared = pd.DataFrame([describe_record(record) for record in records])
    further = pd.DataFrame([{name: values.get(name, UNKNOWN) for name in names} for values in wide])
    # `shared` has the short names of some of its columns, and a forged configuration may have a key of any name.
    further = further.drop(columns=[*shared.columns, "metric", "value"], errors="ignore")
    own = pd.DataFrame([pair for pairs in metrics for pair in pairs], columns=["metric", "value"])
    place = np.repeat(np.arange(len(records)), [len(pairs) for pairs in metrics])
    parts = [frame.take(place).reset_index(drop=True) for frame in (shared, further)]
    return pd.concat([parts[0], own, parts[1]], axis="columns")


def widen(record: RunRecord, file: Path, columns: Sequence[str]) -> dict[str, Any]:
    """The values of a run in the groups of columns that were asked for."""
    values: dict[str, Any] = {}
    if "config" in columns:
        shown = {*record.names, "seed"}  # columns of every table already
        values |= {key: value for key, value in flatten(record.config).items() if key not in shown}
        values["data.fingerprint"] = record.data.get("fingerprint", UNKNOWN)
    if "order" in columns:
        values["order"] = hashlib.sha256(json.dumps(record.experiences).encode()).hexdigest()[:8]
    if "versions" in columns:
        values |= {name: record.versions.get(name.partition(".")[2], UNKNOWN) for name in VERSIONS}
    if "cost" in columns:
        kept = {"kept_megabytes": record.memory.get("kept_megabytes", UNKNOWN)}
        values |= {f"cost.{key}": value for key, value in {**record.cost, **kept}.items()}
    if "folder" in columns:
        folder = RunFolder(file.parent)
        done = len(record.experiences) if record.status == "finished" else folder.count_done()
        changed = datetime.fromtimestamp(folder.last_change(), UTC).strftime("%Y-%m-%d %H:%M:%S")
        values |= {"folder": str(file.parent), "changed": changed, "done": done}
    return values


def read_records(root: Path, on_unreadable: Callable[[ClnormError], None] | None) -> list[tuple[Path, RunRecord]]:
    """Each record with its file, one at least; its norm and its configuration are as they are written now.

    Raises:
        UserError: there is no such folder, or no run in it.
        ClnormError: a record is damaged and nobody is to be told of it, or none can be read.
    """
    if not root.is_dir():
        raise UserError("there is no such folder", where=str(root), hint="give the --out of your runs")
    read, problems = list[tuple[Path, RunRecord]](), list[ClnormError]()
    for file in find_records(root, problems.append):
        try:
            read.append((file, _named_anew(read_record(file))))
        except ClnormError as error:
            problems.append(error)
    if problems and on_unreadable is None:
        raise problems[0]
    if problems and not read:
        raise ClnormError(f"holds no run that can be read: {list_unreadable(problems)}", where=str(root))
    if not read:
        raise UserError("holds no run", where=str(root), hint=f"make one: clnorm run --out {root}")
    for problem in problems:
        if on_unreadable is not None:
            on_unreadable(problem)
    return read


def list_unreadable(problems: Sequence[ClnormError]) -> str:
    """Each with its place, in one line."""
    return "; ".join(f"{problem.where}: {problem.what}" for problem in problems)


def _named_anew(record: RunRecord) -> RunRecord:
    """The record with the keys that it is too old to have, and with the norm's options in its name.

    These stood among the keys of training in earlier versions.
    """
    options = moved_options(record.config)
    record = replace(record, config=fill_added(record.config))
    if not options:
        return record
    norm, words = record.names["norm"], ",".join(f"{name}={value}" for name, value in options.items())
    return replace(record, names={**record.names, "norm": f"{norm}{',' if '=' in norm else ':'}{words}"})


def _pair(record: RunRecord) -> tuple[str, str, str, int]:
    """What a run and the joint training that it is measured against have in common."""
    return record.setting, record.names["norm"], record.label, record.seed


def _with_retention(record: RunRecord, joint: list[list[float | None]] | None) -> RunRecord:
    """The record with its share of joint training's A-bar, where it is finished and there is such a run."""
    if joint is None or record.status != "finished":
        return record
    value, _ = evaluate(METRICS["retention"], describe_run(record, {}, joint=joint))
    return record if math.isnan(value) else replace(record, metrics={**record.metrics, "retention": value})


def _experiment(record: RunRecord) -> dict[str, Any]:
    """What else defines the experiment, for a caption: its names in short, as far as they are built in."""
    flat = flatten(record.config)
    names = {"data.augment": AUGMENTATIONS, "data.mix": MIXES, "train.imbalance": IMBALANCE}
    for key, registry in names.items():
        if isinstance(flat.get(key), str) and (spec := registry.parse_own(flat[key])) is not None:
            flat[key] = spec.short
    epochs = flat.get("train.balanced_epochs", 0)
    known = {
        "experiences": _sizes(record),
        "weights": _start(record),
        # Older versions had no others.
        "imbalance": flat.get("train.imbalance", "none"),
        "fine_tuning": f"{epochs} epoch{'s' * (epochs != 1)}" if epochs else "none",
        "frozen": _explain_frozen(flat),
        "forward": flat.get("train.forward", "joint"),
        "eval.views": flat.get("eval.views", 1),
        "train.experiences": flat.get("train.experiences", 0),
        "data.validation": flat.get("data.validation", 0.0),
        "tuning": _explain_tuning(record.tuning),
        "tuning.keys": " ".join(record.tuning.get("search", ())) or "none",
    }
    return {name: known.get(name, flat.get(name, UNKNOWN)) for name in EXPERIMENT}


def _sizes(record: RunRecord) -> str:
    """How many classes each experience has, and which have those of the one before: `4, the same 4`."""
    before, told = list[int](), list[str]()
    for experience in record.experiences:
        told.append(f"the same {len(experience)}" if experience == before else str(len(experience)))
        before = experience
    return ", ".join(told)


def _explain_frozen(flat: Mapping[str, Any]) -> str:
    """The blocks that do not train, and whether they have the norm, in words."""
    if not (count := flat.get("train.freeze_blocks", 0)):
        return "none"
    said = f"the first {count} blocks" if count > 1 else "the first block"
    if flat.get("model.swap", "all") != "all":
        said += " with the backbone's own norms"
    if flat.get("train.keep_frozen") and not str(flat.get("data.mix", "none")).startswith("none"):
        said += ", clips mixed behind them,"
    return said


def _explain_tuning(tuning: Mapping[str, Any]) -> str:
    """How the tuned values of a run were found, in words that end with the first digits of their file's hash."""
    if not tuning:
        return "none"
    count, share = tuning["experiences"], tuning["validation"]
    seeds = f"seed{'s' * (len(tuning['seeds']) > 1)} {', '.join(map(str, tuning['seeds']))}"
    title = METRICS[tuning["metric"]].title if tuning["metric"] in METRICS else tuning["metric"]
    where = "experience" if count == 1 else f"{count} experiences"
    otherwise = ", ".join(f"{key} {plain_text(value)}" for key, value in tuning["otherwise"].items())
    return (
        f"on the first {where}, the same {tuning['trials']} trials for each norm and strategy, by "
        f"{title} on {100 * share:g} % of the training clips, held out, {seeds}"
        f"{f', with {otherwise}' if otherwise else ''} ({tuning['digest'][:8]})"
    )


def _start(record: RunRecord) -> str:
    """What the backbone starts from: `from scratch`, or the name of the weights."""
    start = record.config.get("model", {})
    if not start.get("weights") and not start.get("pretrained"):
        return "from scratch"
    source = record.weights.get("source") or start.get("weights") or "timm's hub"
    return f"from {Path(str(source)).name}"


def describe_record(record: RunRecord) -> dict[str, Any]:
    """What stands in every row of a run: its names, its setting and what else a caption tells."""
    return {
        "run": record.run,
        "setting": record.setting,
        **{name: record.names[name] for name in NAMES},
        "label": record.label,
        **_experiment(record),
        "kept": record.memory.get("kept_megabytes", UNKNOWN),
        "seed": record.seed,
        "status": record.status,
    }


def _list_metrics(record: RunRecord) -> list[tuple[str | None, float]]:
    """Each metric with its value, NaN where it is undefined; of a run without any, one pair without a name."""
    values = record.metrics.items() or [(None, None)]
    return [(name, math.nan if value is None else value) for name, value in values]
