"""What a paper with a table of runs must cite: what they are made of, each with its papers or why it has none."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from clnorm.catalogue import AUGMENTATIONS, IMBALANCE, MIXES
from clnorm.catalogue.reference import Reference
from clnorm.catalogue.registry import Registry
from clnorm.catalogue.titles import write_title
from clnorm.catalogue.training_papers import BALANCED_FINE_TUNING
from clnorm.citations.software import AVALANCHE, CLNORM, PYTORCH, TIMM
from clnorm.evaluation.metrics import METRICS, find_metric
from clnorm.results.record import UNKNOWN
from clnorm.tables.dialects import LATEX
from clnorm.tables.grid import ordered_names
from clnorm.tables.names import KINDS, cite_metrics

_OF_TRAINING = {"data.augment": AUGMENTATIONS, "data.mix": MIXES, "imbalance": IMBALANCE}
"""Columns of a frame of results that name further things of the catalogue, which may be `none`."""
_COLUMNS = (*_OF_TRAINING, "weights", "fine_tuning")
_NOT_KNOWN = "a plug-in, or a name of another version: clnorm knows no paper of it; cite where it comes from"
_WHOSE = "clnorm does not know whose they are; cite who trained them"
_NOT_TOLD = "records of older versions do not tell it"
_VERSION = re.compile(r"[0-9A-Za-z.+-]+")


@dataclass(frozen=True)
class Cited:
    """One thing that runs were made with.

    Args:
        kind: of thing, such as `norm`.
        name: as the runs have it.
        latex: what papers call it, for LaTeX.
        papers: what is cited for it.
        reason: why nothing is; empty where something is.
    """

    kind: str
    name: str
    latex: str
    papers: tuple[Reference, ...] = ()
    reason: str = ""


def list_cited(df: pd.DataFrame, *, metrics: Sequence[str]) -> list[Cited]:
    """What runs are made of, of any number of settings, by kind; nothing is left out for want of a paper.

    Args:
        df: of `load_results`, with its columns `versions` for the version of clnorm.
        metrics: those of the table.

    Raises:
        UserError: an unknown metric.
    """
    return [*_list_parts(df), *_list_training(df), *_list_metrics(metrics), *_list_software(df)]


def _list_parts(df: pd.DataFrame) -> Iterator[Cited]:
    """Norms, strategies, datasets, protocols and backbones."""
    for kind, registry in KINDS.items():
        for name in ordered_names(set(df[kind]), registry):
            yield _of_catalogue(kind, registry, name)


def _list_training(df: pd.DataFrame) -> Iterator[Cited]:
    """What else training was done with; a frame made by hand may not tell."""
    told = {column: sorted(set(df[column].astype(str))) for column in df.columns if column in _COLUMNS}
    for start in told.get("weights", ()):
        if start != "from scratch":
            name = start.removeprefix("from ")
            yield Cited("weights", name, LATEX.escape(name), reason=_NOT_TOLD if name == UNKNOWN else _WHOSE)
    for column, registry in _OF_TRAINING.items():
        for name in told.get(column, ()):
            if name != "none":
                yield _of_catalogue(registry.kind, registry, name)
    for name in told.get("fine_tuning", ()):
        if name != "none":
            yield Cited("fine-tuning", name, LATEX.escape(name), (BALANCED_FINE_TUNING,))


def _list_metrics(metrics: Sequence[str]) -> Iterator[Cited]:
    shown = [find_metric(name, where="--metrics") for name in metrics]
    papers = cite_metrics(metrics)
    for metric in shown:
        found = papers["metric", metric.key]
        whose = "clnorm's own" if metric.key in METRICS else f"a plug-in; its source, as it says: {metric.source}"
        yield Cited("metric", metric.key, LATEX.heading(metric), found, "" if found else whose)


def _list_software(df: pd.DataFrame) -> Iterator[Cited]:
    told = {str(version) for version in df.get("versions.clnorm", ())}
    versions = sorted({version if _VERSION.fullmatch(version) else UNKNOWN for version in told})
    note = f"Version{'s' * (len(versions) > 1)} {', '.join(versions)}" if versions else ""
    yield Cited("software", "clnorm", "clnorm", (replace(CLNORM, note=note),))
    yield Cited("software", "avalanche", "Avalanche", (AVALANCHE,))
    yield Cited("software", "torch", "PyTorch", (PYTORCH,))
    if any(name.startswith("timm:") for name in df["backbone"]):
        yield Cited("software", "timm", "timm", (TIMM,))


def _of_catalogue(kind: str, registry: Registry, name: str) -> Cited:
    spec, title = registry.parse_own(name), LATEX.escape(write_title(registry, name))
    if spec is not None and (papers := spec.entry.list_papers(spec.kwargs)):
        return Cited(kind, name, title, papers)
    reason = _NOT_TOLD if name == UNKNOWN else spec.entry.unpublished if spec is not None else ""
    return Cited(kind, name, title, reason=reason or _NOT_KNOWN)
