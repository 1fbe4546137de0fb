"""`clnorm data prepare`, `clnorm data check` and `clnorm data audit`."""

import argparse

from clnorm.cli.flags import FLAGS, add_set, merge_flags
from clnorm.cli.output import print_json


def add_data(data: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    verbs = data.add_subparsers(required=True, metavar="prepare|check|audit")
    _add_audit(verbs, common)


def _add_audit(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    audit = verbs.add_parser(
        "audit", parents=[common], help="class counts, looks, motion, leaks, duplicates and drift of a dataset"
    )
    audit.add_argument("dataset", help=FLAGS["dataset"])
    audit.add_argument("--data-root", help=FLAGS["data-root"])
    audit.add_argument("--protocol", help="how classes become experiences, such as even:experiences=7")
    audit.add_argument("--seed", help="seed of the class order and of what the audit draws")
    audit.add_argument("--out", metavar="FILE", help="HTML file to write the whole report to")
    audit.add_argument("--json", action="store_true", help="print JSON")
    add_set(audit)
    audit.set_defaults(verb=_audit)


def _audit(options: argparse.Namespace) -> None:
    from pathlib import Path

    from clnorm.audit.audit import IMAGE_SIZE, audit_dataset
    from clnorm.audit.html import write_html
    from clnorm.audit.terminal import print_audit
    from clnorm.config import load_config
    from clnorm.console import ConsoleReporter

    given = merge_flags(options, ("dataset", "data-root", "protocol", "seed"))
    config = load_config(None, {"data.image_size": IMAGE_SIZE, **given})
    with ConsoleReporter() as reporter:
        report = audit_dataset(config, reporter=reporter)
        if options.out is not None:
            path = Path(options.out).expanduser()
            write_html(report, path)
            reporter.note(f"report: {path}")
    if options.json:
        print_json(report.to_dict())
    else:
        print_audit(report)
