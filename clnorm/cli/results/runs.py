"""`clnorm runs`, `clnorm show` and `clnorm compare`: what runs there are, and what is in one or two of them."""

import argparse

from clnorm.cli.flags import Verbs
from clnorm.cli.output import naming_unreadable


def add_runs(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    runs = verbs.add_parser("runs", parents=[common], help="the runs in a folder, finished or not")
    runs.add_argument("folder", nargs="?", default="runs", help="folder of run folders (default: runs)")
    runs.add_argument("--where", action="append", default=[], metavar="KEY=VALUE", help="show only these runs")
    runs.add_argument(
        "--sort", default="folder", metavar="COLUMN", help="such as accuracy, changed, cost.seconds (default: folder)"
    )
    runs.set_defaults(verb=_runs)

    show = verbs.add_parser("show", parents=[common], help="one run: matrix, metrics, classes and configuration")
    show.add_argument("run", help="folder of a run")
    show.set_defaults(verb=_show)

    compare = verbs.add_parser("compare", parents=[common], help="two runs: keys in which they differ, and metrics")
    compare.add_argument("first", help="folder of a run")
    compare.add_argument("second", help="folder of another run")
    compare.set_defaults(verb=_compare)


def _runs(options: argparse.Namespace) -> None:
    from clnorm.cli.show.runs import print_runs
    from clnorm.results.load import load_results
    from clnorm.results.overview import list_runs, sort_runs
    from clnorm.results.selection import select

    with naming_unreadable() as unreadable:
        loaded = load_results(options.folder, columns=["config", "cost", "folder"], on_unreadable=unreadable.append)
        print_runs(sort_runs(list_runs(select(loaded, options.where)), options.sort))


def _show(options: argparse.Namespace) -> None:
    from clnorm.cli.show.runs import print_run
    from clnorm.results.inspect import inspect_run

    print_run(inspect_run(options.run))


def _compare(options: argparse.Namespace) -> None:
    from clnorm.cli.show.runs import print_comparison
    from clnorm.results.inspect import compare_runs

    print_comparison(compare_runs(options.first, options.second))
