"""A card, from a norm's name to all that its page says; runs that are there already are not repeated."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from clnorm.card.comparison import SITES, compare_runs, summarize_sites
from clnorm.card.contents import (
    describe_comparisons,
    describe_contract,
    describe_cost,
    describe_identities,
    describe_sites,
    glance,
)
from clnorm.card.cost import SHAPES, Cost, Shape, measure_costs, rehearse
from clnorm.card.folding import Folding, fold_norm
from clnorm.card.identities import Identity, find_identities
from clnorm.card.parts import Card, Part, Picture
from clnorm.card.runs import describe_runs
from clnorm.catalogue import NORMS
from clnorm.config.config import Config
from clnorm.conformance.kit import calibrate_if_asked, check_norm
from clnorm.conformance.norm_under_test import NormUnderTest
from clnorm.environment import read_versions
from clnorm.errors import ClnormError
from clnorm.figures.of_matrices import plot_accuracy, plot_forgetting
from clnorm.figures.of_sites import plot_sites
from clnorm.launch.status import SweepStatus
from clnorm.launch.sweep import sweep
from clnorm.progress import Reporter
from clnorm.results.frames.matrices import load_matrices
from clnorm.results.frames.sites import load_sites
from clnorm.results.record import RunRecord

if TYPE_CHECKING:
    import pandas as pd

_CHANNELS = 48  # of the contract and the identities
_VERSUS = ("bn", "ln")  # what a norm's cost is held against
_NEEDED = ("build", "output")  # checks without which nothing else can be measured


def make_card(
    configs: Sequence[Config],
    *,
    launcher: str = "local",
    retries: int = 1,
    shapes: Sequence[Shape] = SHAPES,
    reporter: Reporter | None = None,
    show: Callable[[SweepStatus], None] | None = None,
) -> Card:
    """The card of the norm that the first of some configurations has.

    First what the norm is by itself, which costs least and finds most: a norm that a part of the card cannot be made of
    is refused before any run. Then the runs, those that are finished already loaded; then what is measured by the
    clock, when the runs no longer disturb it.

    Args:
        configs: of `clnorm.card.runs.create_configs`.
        launcher: where runs are executed.
        retries: how often a failed run is tried again.
        shapes: of the inputs that cost is measured on.
        reporter: told of the progress.
        show: as of `clnorm.launch.sweep.sweep`.

    Raises:
        UserError: a configuration that cannot be run.
        ClnormError: the norm cannot be built, called, compared, exported or timed, or runs failed; those that are
            finished are kept.
        StoppedError: the process was asked to stop; the same card asked for again goes on.
    """
    reporter, spec = reporter or Reporter(), configs[0].norm
    reporter.note(f"checking the contract of {spec.short}")
    report = check_norm(spec, _CHANNELS)
    if broken := [name for name in _NEEDED if name in report.failed]:
        what = f"the check {broken[0]!r} failed, so that nothing can be measured"
        raise ClnormError(what, where=f"norm {spec.short}", hint=f"see: clnorm norms check {spec.short}")
    identities, folding = _try_out(configs[0], shapes, reporter)
    records = sweep(configs, launcher=launcher, retries=retries, reporter=reporter, show=show)
    if len(records) < len(configs):
        hint = "give the same command again once they are"
        raise ClnormError(f"{len(configs) - len(records)} runs are not finished", where=configs[0].out, hint=hint)
    reporter.note("measuring cost")
    versions = read_versions(torch.device("cpu"))
    load = os.getloadavg()[0]
    costs = [cost for shape in shapes for cost in _measure_shape(spec.short, shape)]
    machine = f"{versions['device']}, torch {versions['torch']}, clnorm {versions['clnorm']}"
    comparisons, made = compare_runs(records), _name_origin(configs, records)
    parts = (
        describe_contract(report),
        describe_cost(costs, f"{machine}; load of the machine before it {load:.1f}"),
        describe_identities(identities, folding),
        replace(describe_comparisons(comparisons, made), pictures=_draw_accuracy(configs[0].out, records)),
        _describe_sites(configs[0].out, records, made),
    )
    told = glance(report, costs, identities, folding, comparisons)
    return Card(spec.short, spec.entry.summary, told, parts, versions)


def _try_out(config: Config, shapes: Sequence[Shape], reporter: Reporter) -> tuple[list[Identity], Folding]:
    """What the norm is equal to, and what becomes of it in an exported model; and that it can be timed.

    Raises:
        ClnormError: one of these cannot be told of this norm.
    """
    reporter.note("looking for identities")
    norm = config.norm.short
    with _refusing(norm, "cannot be compared with others in float64"):
        identities = find_identities(_create_subject(norm, _CHANNELS))
    with _refusing(norm, f"cannot be exported in {config.backbone.short}"):
        folding = fold_norm(config)
    for shape in shapes:
        with _refusing(norm, f"cannot be timed on an input of {' x '.join(map(str, shape))}"):
            rehearse(_create_subject(norm, shape[2]), shape)
    return identities, folding


@contextmanager
def _refusing(norm: str, what: str) -> Iterator[None]:
    """A part of the card, whatever it raises of a norm that is not clnorm's being an error of that norm.

    Raises:
        ClnormError: it is none already.
    """
    try:
        yield
    except ClnormError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        hint = f"see: clnorm norms check {norm}; --debug shows where"
        raise ClnormError(f"{what} ({reason})", where=f"norm {norm}", hint=hint) from error


def _create_subject(norm: str, channels: int) -> NormUnderTest:
    return calibrate_if_asked(NormUnderTest(NORMS.parse(norm), channels))[0]


def _measure_shape(norm: str, shape: Shape) -> list[Cost]:
    subjects = {name: _create_subject(name, shape[2]) for name in dict.fromkeys([norm, *_VERSUS])}
    return measure_costs(subjects, shape=shape, versus=_VERSUS)


def _name_origin(configs: Sequence[Config], records: Sequence[RunRecord]) -> str:
    """What the runs are, and which machines and versions made them."""
    named = (f"{record.versions.get('device')}, torch {record.versions.get('torch')}" for record in records)
    return f"{describe_runs(configs)}; {' | '.join(dict.fromkeys(named))}"


def _draw_accuracy(folder: str, records: Sequence[RunRecord]) -> tuple[Picture, ...]:
    """The figures of accuracy matrices, of these runs of a folder alone."""
    matrices = _only(load_matrices(Path(folder).expanduser(), on_unreadable=_pass_over), records)
    return (
        Picture("Accuracy on all experiences so far: means, and bands of 95 %", plot_accuracy(matrices)),
        Picture("What each experience but the last has lost: means, and whiskers of 95 %", plot_forgetting(matrices)),
    )


def _describe_sites(folder: str, records: Sequence[RunRecord], made: str) -> Part:
    sites = _only(load_sites(Path(folder).expanduser(), on_unreadable=_pass_over), records)
    found = {measure: summarize_sites(sites, measure) for measure in SITES}
    part = describe_sites(found, sites=sites["site"].nunique(), seeds=sites["seed"].nunique(), made=made)
    pictures = (
        Picture(f"{SITES[measure]}, by depth: means, and bands of 95 %", plot_sites(sites, measure=measure))
        for measure in ("drift_probe", "effective_rank")
    )
    return replace(part, pictures=tuple(pictures))


def _only(frame: "pd.DataFrame", records: Sequence[RunRecord]) -> "pd.DataFrame":
    """The rows of some runs: other cards' lie in the same folder.

    Raises:
        ClnormError: a run has none.
    """
    wanted = {record.run for record in records}
    if lacking := sorted(wanted - set(frame["run"])):
        what = "no longer keeps what the card is drawn from"
        raise ClnormError(what, where=lacking[0], hint="delete its folder, and give the same command again")
    return frame[frame["run"].isin(wanted)]


def _pass_over(error: ClnormError) -> None:
    """What cannot be read is no run of this card, whose records were read."""
