"""What the rows, columns and the setting of a table are called, and the papers that they come from."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import pandas as pd

from clnorm.catalogue import BACKBONES, DATASETS, NORMS, PROTOCOLS, STRATEGIES
from clnorm.catalogue.metric_papers import EFFECT_SIZE, list_metric_papers
from clnorm.catalogue.reference import Reference
from clnorm.catalogue.titles import write_title
from clnorm.errors import UserError
from clnorm.evaluation.metrics import METRICS, find_metric
from clnorm.results.record import label_norm

Place: TypeAlias = tuple[str, str]
"""A kind, such as `norm`, and a name of that kind."""

EFFECT: Place = ("metric", "effect size")
KINDS = {
    "norm": NORMS,
    "strategy": STRATEGIES,
    "dataset": DATASETS,
    "protocol": PROTOCOLS,
    "backbone": BACKBONES,
}
"""What the rows and columns of a table can be, each with its catalogue."""


def name_all(
    df: pd.DataFrame, given: Mapping[str, str]
) -> tuple[dict[Place, str], dict[Place, str], dict[Place, tuple[Reference, ...]]]:
    """By (kind, name): what the user calls it, what papers call it or the user, and its papers.

    Norms with a label are further names; the label stands behind what they are called.

    Args:
        df: the long frame of results, or the columns of some kinds and `label`, norm among them.
        given: what the user calls things, by the name that they have in their runs.

    Raises:
        UserError: there is no such thing among them, it is to be called nothing or what cannot be printed, or two
            would be called alike.
    """
    present = [(kind, name) for kind in KINDS if kind in df.columns for name in df[kind].unique()]
    for name, title in given.items():
        if name not in {each for _, each in present}:
            raise UserError(
                f"nothing that is shown is called {name!r}", where="--name", legal=_list_names(present), given=name
            )
        if not isinstance(title, str) or not title.strip() or not title.isprintable():
            raise UserError(f"{title!r} is no name for {name}", where="--name", legal="text that can be printed")
    names = {(kind, name): given[name] for kind, name in present if name in given}
    titles = {(kind, name): write_title(KINDS[kind], name) for kind, name in present} | names
    cited = {(kind, name): _list_papers(kind, name) for kind, name in present}
    for norm, label in df[["norm", "label"]].drop_duplicates().itertuples(index=False, name=None):
        for mapping in (names, titles):
            if label and ("norm", norm) in mapping:
                mapping["norm", label_norm(norm, label)] = label_norm(mapping["norm", norm], label)
        cited["norm", label_norm(norm, label)] = cited["norm", norm]
    _refuse_alike(titles)
    return names, titles, cited


def plural(kind: str) -> str:
    """Several of a kind: norms, strategies."""
    return f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"


def cite_metrics(metrics: Iterable[str], *, effect: bool = False) -> dict[Place, tuple[Reference, ...]]:
    """By ("metric", key), the papers that metrics of clnorm's own come from; none of a plug-in.

    Args:
        metrics: their names.
        effect: whether there are effect sizes; their papers are those of `EFFECT`.

    Raises:
        UserError: an unknown metric.
    """
    cited: dict[Place, tuple[Reference, ...]] = {EFFECT: EFFECT_SIZE} if effect else {}
    for name in metrics:
        metric = find_metric(name, where="table")
        # What a plug-in calls Wu et al. 2019 may be another paper of these.
        cited["metric", metric.key] = list_metric_papers(metric.source) if metric.key in METRICS else ()
    return cited


def parse_names(texts: Iterable[str], df: pd.DataFrame) -> dict[str, str]:
    """Texts `NAME=TITLE` by name; a name may have options, and so equals signs of its own.

    Args:
        texts: as they were given.
        df: the long frame of results, in which the names are.

    Raises:
        UserError: a text has another form, or a name is given twice.
    """
    present = [str(name) for kind in KINDS for name in df[kind].unique()]
    found: dict[str, str] = {}
    for text in texts:
        begun = [name for name in present if text.startswith(f"{name}=")]
        name, equals, _ = text.partition("=")
        name = max(begun, key=len, default=name)
        if not equals:
            raise UserError(f"{text!r} is not of the form NAME=TITLE", where="--name", hint=f"write {text}=TITLE")
        if name in found:
            raise UserError(f"{name!r} is given twice", where="--name", hint="give it once")
        found[name] = text[len(name) + 1 :]
    return found


def _list_papers(kind: str, name: str) -> tuple[Reference, ...]:
    spec = KINDS[kind].parse_own(name)
    return spec.entry.list_papers(spec.kwargs) if spec is not None else ()


def _list_names(present: Iterable[Place]) -> list[str]:
    return sorted({name for _, name in present})


def _refuse_alike(titles: Mapping[Place, str]) -> None:
    called: dict[Place, str] = {}
    for (kind, name), title in titles.items():
        if (other := called.setdefault((kind, title), name)) != name:
            what = f"{other} and {name} would both be called {title!r}"
            raise UserError(what, where="--name", hint="give each a name of its own")
