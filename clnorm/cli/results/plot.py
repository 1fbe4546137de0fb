"""`clnorm plot`."""

import argparse
from pathlib import Path

from clnorm.cli.flags import Verbs, add_names, add_where
from clnorm.cli.output import naming_unreadable, print_note, print_text
from clnorm.errors import UserError

_MOST = 5  # runs that are named where they are left out


def add_plot(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    plot = verbs.add_parser("plot", parents=[common], help="a figure for a paper, from finished runs")
    plot.add_argument("folder", help="folder of run folders")
    plot.add_argument("--figure", metavar="NAME", required=True, help="which; see: clnorm list figures")
    plot.add_argument("--out", metavar="FILE", required=True, help="file to write: .pdf, .svg or .png")
    plot.add_argument("--columns", type=int, default=2, help="a paper's columns that it spans: 1 or 2 (default: 2)")
    plot.add_argument("--page", type=int, metavar="N", help="which page of a figure that takes several")
    plot.add_argument(
        "--metric", metavar="NAME", help="for ranks and differences: the metric that decides (default: accuracy)"
    )
    plot.add_argument("--measure", metavar="NAME", help="for sites: what was measured (default: effective_rank)")
    add_where(plot)
    add_names(plot, "a norm or a strategy")
    plot.set_defaults(verb=_plot)


def _plot(options: argparse.Namespace) -> None:
    from clnorm.figures.panels import take_page
    from clnorm.figures.registry import FIGURES
    from clnorm.figures.style import check_format, save_figure
    from clnorm.results.selection import check_one_setting, select
    from clnorm.tables.names import parse_names

    if (kind := FIGURES.get(options.figure)) is None:
        hint = "see: clnorm list figures"
        what = f"there is no {options.figure!r}"
        raise UserError(what, where="--figure", legal=FIGURES, given=options.figure, hint=hint)
    chosen = {name: value for name in ("metric", "measure") if (value := getattr(options, name)) is not None}
    for name in chosen:
        if name != kind.option:
            raise UserError(f"{options.figure} is of no one {name}", where=f"--{name}", hint="leave it out")
    check_format(options.out)
    lacking: list[Path] = []
    with naming_unreadable() as unreadable:
        loaded = kind.load(options.folder, on_unreadable=unreadable.append, on_lacking=lacking.append)
        if lacking:
            named = ", ".join(path.name for path in lacking[:_MOST])
            more = f" and {len(lacking) - _MOST} more" if len(lacking) > _MOST else ""
            print_note(f"left out, since they do not keep what it is drawn from: {named}{more}")
        frame = select(loaded, options.where)
        if not kind.settings:
            check_one_setting(frame, where="plot")
        names = parse_names(options.name, frame)
        pages = kind.draw.pages(frame, columns=options.columns, names=names, **chosen)
        save_figure(take_page(pages, options.page), options.out)
        print_text(f"wrote {options.out}")
