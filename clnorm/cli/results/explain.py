"""`clnorm explain`."""

import argparse

from clnorm.cli.flags import FLAGS, Verbs, add_allow_plugin
from clnorm.cli.output import print_json


def add_explain(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    explain = verbs.add_parser(
        "explain", parents=[common], help="what of a run's forgetting is statistics, head and features"
    )
    explain.add_argument("runs", nargs="+", metavar="run", help="folder of a finished run with a kept model")
    explain.add_argument("--data-root", metavar="ROOT", help=f"{FLAGS['data-root']} (default: where the run had them)")
    explain.add_argument("--json", action="store_true", help="print JSON, with shares from -1 to 1")
    add_allow_plugin(explain)
    explain.set_defaults(verb=_explain)


def _explain(options: argparse.Namespace) -> None:
    from clnorm.cli.show.explanation import print_explanations
    from clnorm.console import ConsoleReporter
    from clnorm.explain.explain import explain
    from clnorm.explain.subject import find_kept

    for run in options.runs:  # what one of them gets wrong is said before any takes its time
        find_kept(run)
    with ConsoleReporter() as reporter:
        given = {"data_root": options.data_root, "allow_plugins": options.allow_plugin, "reporter": reporter}
        explanations = [explain(run, **given) for run in options.runs]
    if options.json:
        from dataclasses import asdict

        print_json([{**asdict(each), "totals": each.totals()} for each in explanations])
    else:
        print_explanations(explanations)
