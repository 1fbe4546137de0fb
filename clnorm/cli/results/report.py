"""`clnorm report`."""

import argparse
from pathlib import Path

from clnorm.cli.flags import Verbs, add_where
from clnorm.cli.output import print_note, print_text, tell_unreadable
from clnorm.errors import ClnormError


def add_report(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    report = verbs.add_parser("report", parents=[common], help="all runs of a folder as one HTML page")
    report.add_argument("folder", help="folder of run folders")
    report.add_argument("--out", metavar="FILE", required=True, help="HTML file to write")
    add_where(report)
    report.set_defaults(verb=_report)


def _report(options: argparse.Namespace) -> None:
    from clnorm.report.page import write_report

    report = write_report(options.folder, Path(options.out).expanduser(), where=options.where)
    runs = report.collection.runs
    unfinished = [run.id for run in runs if not run.finished]
    print_text(f"wrote {options.out}: {len(runs)} runs, {len(runs) - len(unfinished)} finished")
    if unfinished:
        print_note(f"not finished, and in no mean: {', '.join(unfinished)}")
    for setting, drawings in zip(report.settings, report.drawings, strict=True):
        if setting.reason:
            print_note(f"no means of {setting.title}: {setting.reason}")
        incomplete = dict.fromkeys(name for drawing in drawings for name in drawing.incomplete)
        if incomplete:
            named = ", ".join(incomplete)
            print_note(f"not in figures of {setting.title}, since others have seeds that they lack: {named}")
        if undrawn := [drawing.name for drawing in drawings if not drawing.pages]:
            print_note(f"not drawn of {setting.title}: {', '.join(undrawn)}; the page says why")
    collection = report.collection
    for problems, kind in ((collection.unreadable, "run"), (collection.damaged, "file")):
        if problems:
            raise ClnormError(tell_unreadable(problems, kind))
