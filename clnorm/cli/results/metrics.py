"""`clnorm metrics list` and `clnorm metrics add`: what is computed of runs, also after they have ended."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from clnorm.cli.output import print_note, print_text
from clnorm.errors import ClnormError, UserError
from clnorm.results.percent import percent

if TYPE_CHECKING:
    from clnorm.results.measure import Addition

_MOST = 10  # runs that are named where something fails in them


def add_metrics(metrics: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    verbs = metrics.add_subparsers(required=True, metavar="list|add")
    names = verbs.add_parser("list", parents=[common], help="every metric: formula, source, and what it needs of a run")
    names.set_defaults(verb=_list_metrics)

    add = verbs.add_parser(
        "add", parents=[common], help="compute a metric from what finished runs keep, into their records"
    )
    add.add_argument("metric", help="a name of clnorm list metrics, or your own, such as mymetric:worst_class")
    add.add_argument("runs", nargs="+", help="folders of runs, or folders that hold them")
    add.set_defaults(verb=_add_metric)


def _list_metrics(options: argparse.Namespace) -> None:
    from clnorm.cli.listing import list_names

    print_text(list_names("metrics"))


def _add_metric(options: argparse.Namespace) -> None:
    from clnorm.evaluation.metrics import find_metric
    from clnorm.results.measure import UnfinishedError, add_metric

    metric, problems = find_metric(options.metric), list[ClnormError]()
    folders = _find_runs(options.runs, problems)
    added: list[Addition] = []
    for folder in folders:
        try:
            added.append(add_metric(metric, folder))
        except UnfinishedError as error:
            print_text(f"{folder}: left out: {error.what}")
        except ClnormError as error:
            problems.append(error)
        else:
            print_text(f"{folder}: {_describe(added[-1])}")
    without = sum(bool(addition.reason) for addition in added)
    written = sum(addition.written for addition in added)
    count = "1 run" if len(added) == 1 else f"{len(added)} runs"
    print_text(f"{metric.key}: {count}, {written} written, {without} without a number")
    if problems:
        for problem in problems[:_MOST]:
            print_note(f"left out: {problem}")
        if len(problems) > _MOST:
            print_note(f"left out: {len(problems) - _MOST} more")
        raise ClnormError("1 run is left out" if len(problems) == 1 else f"{len(problems)} runs are left out")


def _find_runs(given: Iterable[str], problems: list[ClnormError]) -> list[Path]:
    """The finished runs in folders, each once; what cannot be looked into is added to `problems`.

    Raises:
        UserError: a folder is not there, holds no run, or is an unfinished run itself.
    """
    from clnorm.results.find import find_records
    from clnorm.results.inspect import read_run
    from clnorm.results.measure import check_finished

    found: dict[Path, Path] = {}
    for name in given:
        root = Path(name)
        if not root.is_dir():
            raise UserError("there is no such folder", where=name, hint="give folders of runs")
        if (root / "record.json").exists():
            check_finished(read_run(root), root)
        before = len(problems)
        files = find_records(root, problems.append)
        if not files and len(problems) == before:
            raise UserError("holds no run", where=name, hint="give folders of runs, or a folder that holds them")
        found |= {file.parent.resolve(): file.parent for file in files}
    return list(found.values())


def _describe(addition: "Addition") -> str:
    """What became of it, in words."""
    was = "" if addition.before is None else f"{percent(addition.before)} %"
    if addition.value is None:
        kept = f"; its record keeps {was}" if was else ""
        return f"no number: {addition.reason}{kept}"
    value = f"{percent(addition.value)} %"
    if not addition.written:
        return f"{value}, as its record says"
    return f"{value}, written in place of {was}" if was else f"{value}, written"
