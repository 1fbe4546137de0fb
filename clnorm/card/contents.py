"""The sections of a card from what was found: numbers as they are shown, each with its n, its interval and its unit."""

import math
from collections.abc import Mapping, Sequence

from clnorm.card.comparison import SITES, Comparison
from clnorm.card.cost import TRAINING, Cost
from clnorm.card.folding import CLIPS, Folding
from clnorm.card.identities import MOMENTS, OTHERS, TOLERANCE, Identity, folds
from clnorm.card.parts import NONE, Part, Table, plus_minus
from clnorm.conformance.report import ConformanceReport
from clnorm.evaluation.metrics import METRICS
from clnorm.evaluation.stats import FEWEST, Interval, MedianInterval
from clnorm.results.percent import percent

_INTERVAL = "mean over {n} seeds ± half the 95 % Student-t interval"


def describe_contract(report: ConformanceReport) -> Part:
    """Each check with its rule and what came of it."""
    rows = [(each.check, str(each.status), each.rule, each.detail) for each in report.findings]
    caption = f"The checks of clnorm norms check, with {report.num_channels} channels, on fixed numbers"
    told = f"Failed: {', '.join(report.failed)}." if report.failed else "No check failed."
    table = Table(caption, ("check", "result", "rule", "what came of it"), tuple(rows))
    return Part(
        "contract",
        "Contract",
        (told,),
        (table,),
        made="one run of each check, the same each time but for the time that cost tells",
    )


def describe_cost(costs: Sequence[Cost], made: str) -> Part:
    """Times, ratios and memory, a table for each shape."""
    tables, rounds = [], costs[0].seconds.n
    for shape in dict.fromkeys(cost.shape for cost in costs):
        own = [cost for cost in costs if cost.shape == shape]
        others = list(own[0].ratios)
        rows = [
            (
                cost.norm,
                cost.timed,
                _median(cost.seconds, scale=1000),
                *(NONE if cost.norm == other else _median(cost.ratios[other]) for other in others),
                f"{cost.memory:.2f}" if cost.timed == TRAINING else "",
            )
            for cost in own
        ]
        sizes = " x ".join(map(str, shape))
        caption = f"Input {sizes} (samples x positions x channels), float32: median [95 % interval] of {rounds} rounds"
        heads = ("norm", "pass", "ms", *(f"over {other}" for other in others), "memory")
        tables.append(Table(caption, heads, tuple(rows)))
    text = (
        "All norms take turns in one process, and a ratio is made of two times of one round. The interval of the "
        "median is that between order statistics (Thompson 1936). Memory is the most that forward and backward held "
        "at a time, over the size of the input: one count, which is the same each time.",
    )
    return Part("cost", "Cost", text, tuple(tables), made=made)


def describe_identities(identities: Sequence[Identity], folding: Folding) -> Part:
    """What the norm is equal to, and what becomes of it in an exported model."""
    rows = [
        (moment, each.describe(), f"{each.difference:.0e}")
        for moment in MOMENTS
        for each in identities
        if each.moment == moment
    ]
    rows = rows or [("any", f"none of {', '.join(OTHERS)}", NONE)]
    caption = f"Equal outputs on 2 inputs of 8 x 5 positions in float64, up to {TOLERANCE:g} of the largest output"
    table = Table(caption, ("when", "it gives what this gives", "largest difference"), tuple(rows))
    can = "In evaluation it is a fixed scale and shift of each channel, which the linear layer behind it can absorb."
    cannot = (
        "In evaluation it depends on the input by more than a fixed scale and shift of each channel, and cannot fold."
    )
    export = (
        f"clnorm export of {folding.backbone}, {folding.sites} norm sites: {folding.summary}. Logits of {CLIPS} random "
        f"clips then differ by at most {folding.difference:.1e}, where they reach {folding.largest:.2g}."
    )
    text = (
        f"Held against {', '.join(OTHERS)} at their defaults, in a run whose parameters stay where they start.",
        can if folds(list(identities)) else cannot,
        export,
    )
    made = "drawn numbers and drawn weights, from fixed seeds; the same each time"
    return Part("identities", "Identities and folding", text, (table,), made=made)


def describe_comparisons(comparisons: Sequence[Comparison], made: str) -> Part:
    """Accuracy and forgetting with paired differences, a table for each strategy."""
    tables, seeds = [], next(iter(comparisons[0].intervals.values())).n
    for strategy in dict.fromkeys(each.strategy for each in comparisons):
        rows = [
            row
            for each in comparisons
            if each.strategy == strategy
            for row in _comparison_rows(each, tested=seeds >= FEWEST)
        ]
        caption = (
            f"{strategy}, in %: {_INTERVAL.format(n=seeds)}; paired differences of this norm less the other, in points"
        )
        tables.append(Table(caption, ("metric", "norm", "value", "difference", "p"), tuple(rows)))
    count = sum(len(each.differences) for each in comparisons)
    tested = (
        f"p is of the two-sided paired t-test over {seeds} seeds, Holm-corrected over {count} differences of this card"
        if seeds >= FEWEST
        else f"with {seeds} seeds nothing is tested"
    )
    shown = (METRICS[key] for key in dict.fromkeys(each.metric for each in comparisons))
    definitions = "; ".join(f"{metric.title}: {metric.formula} ({metric.source})" for metric in shown)
    text = (f"{definitions}.", f"Runs of one seed have the same class order, clips and batches; {tested}.")
    return Part("accuracy", "Accuracy and forgetting", text, tuple(tables), made=made)


def _comparison_rows(comparison: Comparison, *, tested: bool) -> list[tuple[str, ...]]:
    title, rows = METRICS[comparison.metric].title, list[tuple[str, ...]]()
    for norm, interval in comparison.intervals.items():
        value, difference, p = _share(interval), NONE, NONE
        if found := comparison.differences.get(norm):
            difference = _share(Interval(found.mean, found.half_width, found.n), sign="+")
            p = _p(comparison.p_holm[norm]) if tested else NONE
        rows.append((title, norm, value, difference, p))
    return rows


def describe_sites(
    found: Mapping[str, Mapping[tuple[str, str], Interval | None]], *, sites: int, seeds: int, made: str
) -> Part:
    """Drift and plasticity: of each measure, `summarize_sites`, with a table for each strategy."""
    places = list(next(iter(found.values())))
    norms = list(dict.fromkeys(norm for _, norm in places))
    tables = []
    for strategy in dict.fromkeys(strategy for strategy, _ in places):
        rows = [
            (title, *(_plain(found[measure].get((strategy, norm))) for norm in norms))
            for measure, title in SITES.items()
            if measure in found
        ]
        caption = f"{strategy}: mean over {sites} norm sites, {_INTERVAL.format(n=seeds)}"
        tables.append(Table(caption, ("measure", *norms), tuple(rows)))
    text = (
        "Drift is the mean over experiences from the second on of how far a site's statistics moved in one, in units "
        "of their spread; the other measures are those after the last experience. Definitions: the guide on "
        f"forgetting. A norm without running statistics has no drift of them, {NONE}.",
    )
    return Part("sites", "Drift and plasticity", text, tuple(tables), made=made)


def glance(
    report: ConformanceReport,
    costs: Sequence[Cost],
    identities: Sequence[Identity],
    folding: Folding,
    comparisons: Sequence[Comparison],
) -> dict[str, str]:
    """What is most asked for."""
    training = [cost for cost in costs if cost.timed == TRAINING and cost.norm == costs[0].norm]
    ratios = [
        f"{_median(value)} times {other}" for other, value in training[-1].ratios.items() if other != costs[0].norm
    ]
    equal = "; ".join(f"{each.describe()} ({each.moment})" for each in identities)
    place = f"at {' x '.join(map(str, training[-1].shape))} (95 %, n = {training[-1].seconds.n} rounds)"
    found = {
        "contract": report.summary().partition(": ")[2] + (f"; {', '.join(report.failed)}" if report.failed else ""),
        "time to train": f"{', '.join(ratios)}, {place}" if ratios else NONE,
        "equal to": equal or NONE,
        "in deployment": folding.summary,
    }
    for each in comparisons:
        own = next(iter(each.intervals.values()))
        against = [
            f"{_share(Interval(value.mean, value.half_width, value.n), sign='+')} to {other}"
            for other, value in each.differences.items()
        ]
        found[f"{METRICS[each.metric].title}, {each.strategy}"] = (
            f"{', '.join([f'{_share(own)} %', *against])} (95 %, n = {own.n} seeds)"
        )
    return found


def _median(interval: MedianInterval, *, scale: float = 1) -> str:
    low, median, high = (_number(scale * value) for value in (interval.low, interval.median, interval.high))
    return f"{median} [{low}, {high}]"


def _number(value: float) -> str:
    """Three digits, without a power of ten where the number is large."""
    return NONE if math.isnan(value) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _share(interval: Interval, *, sign: str = "") -> str:
    half = NONE if math.isnan(interval.half_width) else percent(interval.half_width)
    return plus_minus(percent(interval.mean, sign=sign), half)


def _plain(interval: Interval | None) -> str:
    if interval is None:
        return NONE
    if math.isinf(interval.mean):
        return "∞"
    half = NONE if math.isnan(interval.half_width) else f"{interval.half_width:.2g}"
    return plus_minus(f"{interval.mean:.3g}", half)


def _p(value: float) -> str:
    if math.isnan(value):
        return NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
