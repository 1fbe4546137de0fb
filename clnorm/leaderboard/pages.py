"""The pages of a leaderboard: plain HTML with one sheet of styles, without a script, every name escaped and visible."""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from clnorm import __version__
from clnorm.catalogue import BACKBONES, DATASETS, NORMS, PROTOCOLS, STRATEGIES
from clnorm.catalogue.titles import write_title
from clnorm.evaluation.metrics import METRICS
from clnorm.evaluation.ranks import Rank
from clnorm.evaluation.stats import FEWEST, Interval
from clnorm.leaderboard.boards import Board, Row
from clnorm.leaderboard.entries import SHOWN, LeftOut
from clnorm.leaderboard.scale import Scale, make_scale
from clnorm.leaderboard.settings import describe_setting, list_keys
from clnorm.pages.page import create_environment, read_part
from clnorm.results.percent import percent
from clnorm.results.published import Published
from clnorm.results.record import NOTES, label_norm

STYLE = "style.css"
LEFT_OUT, REPORTED = "not-counted.html", "reported.html"
_MISSING = "--"


def render_site(
    boards: Sequence[Board], left_out: Sequence[LeftOut], published: Sequence[Published] | None
) -> dict[str, str]:
    """The text of each file by name; the same bytes for the same runs.

    Args:
        boards: in the order in which they are listed.
        left_out: runs that do not count.
        published: reported numbers; None where there is no file of them.
    """
    environment = _create_environment()
    shared = {
        "version": __version__,
        "style": STYLE,
        "metrics": [METRICS[name] for name in SHOWN],
        "fewest": FEWEST,
        "pages": {"left_out": LEFT_OUT, "reported": REPORTED if published is not None else None},
        "count": sum(board.count for board in boards),
        "left_out": left_out,
    }

    def render(template: str, **values: Any) -> str:
        return environment.get_template(template).render(**shared, **values)

    groups = [(setting, list(own)) for setting, own in groupby(boards, key=lambda board: board.setting)]
    settings = {board.setting: describe_setting(board.first.record) for board in boards}
    files = {
        STYLE: read_part("clnorm.pages", "style.css") + read_part("clnorm.leaderboard", "style.css"),
        "index.html": render("index.html", boards=boards, groups=groups, settings=settings),
        LEFT_OUT: render("not-counted.html"),
    }
    for board in boards:
        beside = [each for each in published or () if _is_of(each, board)]
        scale = make_scale([row.intervals[SHOWN[0]] for row in board.rows if row.intervals])
        files[board.page] = render(
            "board.html",
            board=board,
            setting=settings[board.setting],
            keys=list_keys(board.first.record),
            scale=scale,
            notes=_list_notes(board),
            published=beside,
        )
    if published is not None:
        files[REPORTED] = render("reported.html", published=published)
    return files


def _create_environment() -> Environment:
    environment = create_environment("clnorm.leaderboard")
    titles = {"dataset": DATASETS, "protocol": PROTOCOLS, "backbone": BACKBONES, "strategy": STRATEGIES}
    environment.filters |= {f"{kind}_title": _titler(registry) for kind, registry in titles.items()}
    environment.filters |= {
        "norm_title": _title_norm,
        "interval": _write_interval,
        "ranks": _write_ranks,
        "share": _write_share,
        "seeds": _write_numbers,
        "bar": _draw_bar,
        "metric_title": lambda name: METRICS[name].title if name in METRICS else name,
    }
    return environment


def _titler(registry: Any) -> Any:
    return lambda name: write_title(registry, name)


def _title_norm(row: Row) -> str:
    """The name of a row's norm in papers, with its label."""
    record = next(iter(row.entries.values())).record
    return label_norm(write_title(NORMS, record.names["norm"]), record.label)


def _write_interval(interval: Interval) -> str:
    """A mean and the half width of its interval, in per cent."""
    if math.isnan(interval.mean):
        return _MISSING
    half = "" if math.isnan(interval.half_width) else f" ± {percent(interval.half_width)}"
    return f"{percent(interval.mean)}{half}"


def _write_share(value: float) -> str:
    return _MISSING if math.isnan(value) else percent(value)


def _write_ranks(rank: Rank) -> str:
    """The ranks that a norm may truly have."""
    return str(rank.best) if rank.best == rank.worst else f"{rank.best}\u2013{rank.worst}"


def _write_numbers(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers)) or "none"


def _draw_bar(interval: Interval, scale: Scale) -> Markup:
    """A mean as a dot on its interval as a line; numbers alone, which need no escape."""
    x, low, high = (scale.place(value) for value in (interval.mean, *scale.ends(interval)))
    line = f'<line x1="{low:.1f}" x2="{high:.1f}" y1="8" y2="8"/>' if high > low else ""
    dot = f'<circle cx="{x:.1f}" cy="8" r="4"/>'
    view = f'viewBox="0 0 {scale.WIDTH} 16" aria-hidden="true"'
    return Markup(f'<svg class="bar" {view}>{line}{dot}</svg>')  # noqa: S704 - made of numbers


def _list_notes(board: Board) -> Mapping[str, str]:
    """What the labels on a board mean."""
    entries = [entry for row in (*board.rows, *board.incomplete) for entry in row.entries.values()]
    return {label: NOTES[label] for label in sorted({entry.record.label for entry in entries} - {""})}


def _is_of(published: Published, board: Board) -> bool:
    """Whether a reported number is of a board's dataset and protocol, whatever its options are."""
    names = board.first.record.names
    return all(
        getattr(published, kind) in (names[kind], names[kind].partition(":")[0]) for kind in ("dataset", "protocol")
    )
