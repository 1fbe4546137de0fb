"""What the record of a submitted run says of itself: its texts, its names, its id and its label."""

import re
from collections.abc import Iterator
from typing import Any

from clnorm.catalogue import NORMS
from clnorm.config.config import Config
from clnorm.config.identity import list_values, setting_id
from clnorm.console import visible
from clnorm.errors import ClnormError
from clnorm.results.folder import run_name
from clnorm.results.of_config import describe_tuning, name_parts
from clnorm.results.record import LABELS
from clnorm.submission.findings import NotCheckedError
from clnorm.submission.submitted import AS_WRITTEN, SubmittedRun, explain_plugins, find_protocol_file

_MARKUP = re.compile(r"<[A-Za-z/!?]")
_ELSEWHERE = {"data.clips", "data.root", "tuned", "out", "dataset"}  # where things lie; the dataset is compared apart


def check_texts(run: SubmittedRun) -> Iterator[ClnormError]:
    """No text of the record steers a terminal or a page: no control characters, no markup."""
    legal, hint = "plain text", "rename the class or file that is called so, and make the run again"
    for place, text in _list_texts(vars(run.record), ""):
        if visible(text) != text:
            what = f"{place} holds control characters: {text[:80]}"
            yield ClnormError(what, where="record.json", legal=legal, hint=hint)
        elif _MARKUP.search(text):
            yield ClnormError(f"{place} holds markup: {text[:80]}", where="record.json", legal=legal, hint=hint)


def _list_texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Each text in nested values, keys of mappings too, with its dotted place."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield f"a key of {place}" if place else "a key", str(key)
            yield from _list_texts(inner, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _list_texts(inner, place)


def check_config(run: SubmittedRun) -> Iterator[ClnormError]:
    """The configuration of the record is one, and that of `config.yaml`, which a run is made again from."""
    file, record = "config.yaml", run.record
    if not (run.folder / file).is_file():
        raise NotCheckedError("is not there", where=file)
    try:
        config, kept = run.read_config(record.config, file="record.json"), run.read_kept_config()
    except ClnormError as error:
        raise explain_plugins(error) or error from error
    said, found = list_values(kept), list_values(config)
    for key in found:
        if key not in _ELSEWHERE and said[key] != found[key]:
            what = f"{key} is {said[key]}, and {found[key]} in record.json"
            yield ClnormError(what, where=file, legal="the configuration of the record", hint=AS_WRITTEN)
    if _is_other_dataset(kept, config):
        what = f"dataset is {kept.dataset}, and {config.dataset} in record.json"
        yield ClnormError(what, where=file, legal="the configuration of the record", hint=AS_WRITTEN)


def _is_other_dataset(kept: Config, config: Config) -> bool:
    """Whether the dataset is another one; where the record has `auto`, the other file has what that was."""
    if kept.dataset.name != config.dataset.name:
        return True
    return any(kept.dataset.kwargs[key] != value for key, value in config.dataset.options if value != "auto")


def check_names(run: SubmittedRun) -> Iterator[ClnormError]:
    """Names, seed, tuning and norm sites are those of the record's configuration."""
    config, record = run.config, run.record
    names = name_parts(config)
    pairs: dict[str, tuple[object, object]] = {f"names.{name}": (record.names[name], names[name]) for name in names}
    pairs |= {"seed": (record.seed, config.seed), "tuning": (record.tuning, describe_tuning(config))}
    for place, (said, wanted) in pairs.items():
        if said != wanted:
            what = f"{place} is {said}, and {wanted} in the configuration"
            yield ClnormError(what, where="record.json", legal=str(wanted), hint=AS_WRITTEN)
    swapped = record.swap.get("spec")
    if swapped is not None and NORMS.parse_own(swapped) != config.norm:  # it may lack options that came later
        what = f"swap.spec is {swapped}, and the norm is {config.norm}"
        yield ClnormError(what, where="record.json", legal=str(config.norm), hint=AS_WRITTEN)


def check_id(run: SubmittedRun) -> Iterator[ClnormError]:
    """The id in the run's name, and its setting, are the hashes of its configuration and clips."""
    record, fingerprint = run.record, run.record.data.get("fingerprint")
    if run.folder.resolve().name != record.run:
        what = f"is the folder of a run that is called {record.run}"
        yield ClnormError(what, where=run.folder.name, legal=record.run, hint="give the folder its name")
    shared = run.shared_config
    if reason := find_outside(run, shared):
        raise NotCheckedError(reason, where="id")
    weights = record.weights.get("sha256")
    setting = setting_id(shared, data=str(fingerprint), weights=weights)
    if record.setting != setting:
        what, legal = f"setting is {record.setting}, and the configuration's is {setting}", f"setting {setting}"
        yield ClnormError(what, where="record.json", legal=legal, hint=AS_WRITTEN)
    name = run_name(run.config, data=str(fingerprint), weights=weights)
    if record.run != name:
        what = f"run is {record.run}, and of this configuration and these clips it is {name}"
        yield ClnormError(what, where="record.json", legal=name, hint=AS_WRITTEN)


def find_outside(run: SubmittedRun, config: Config) -> str:
    """Why the id of a run cannot be computed: a file counts in it that no submission holds. Empty where it can."""
    if file := find_protocol_file(config):
        return f"the content of the protocol's file {file} counts in it, which no submission holds"
    if config.begin.run is not None:
        return f"it goes on from the state of {config.begin.run}, which counts in it and no submission holds"
    if config.model.weights is not None and not isinstance(run.record.weights.get("sha256"), str):
        return f"the content of {config.model.weights} counts in it, whose hash the record does not hold"
    return ""


def check_label(run: SubmittedRun) -> Iterator[ClnormError]:
    """Norms that evaluate by the batch or as an oracle are labelled as that."""
    config, record = run.config, run.record
    by = str(config.norm.kwargs.get("eval", "running"))
    tasks = record.data.get("tasks") == "known at test"
    wanted = "" if by == "task" and tasks else LABELS.get(by, "")
    if record.label != wanted:
        told, legal = (f"'{text}'" if text else "none" for text in (record.label, wanted))
        what = f"label is {told}, and {config.norm} is evaluated by {by}"
        yield ClnormError(what, where="record.json", legal=f"label {legal}", hint=AS_WRITTEN)
