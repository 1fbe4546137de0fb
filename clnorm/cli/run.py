"""`clnorm run`."""

import argparse
from pathlib import Path

from clnorm.cli.flags import FLAGS, Verbs, add_configuration, add_estimate, merge_flags
from clnorm.cli.output import check_fits, print_text
from clnorm.cli.show.estimate import is_affordable
from clnorm.errors import UserError
from clnorm.ranks import read_place


def add_run(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    run = verbs.add_parser("run", parents=[common], help="train and evaluate one configuration")
    add_configuration(run)
    run.add_argument("--from-run", metavar="RUN", help="take over the first experiences of this run; see --experience")
    run.add_argument(
        "--experience", type=int, metavar="K", help="with --from-run: the first one that is trained anew (default: 2)"
    )
    run.add_argument(
        "--dry-run", action="store_true", help="print the resolved configuration, check what needs no video, and stop"
    )
    add_estimate(run)
    run.set_defaults(verb=_run, shared=True)


def _run(options: argparse.Namespace) -> None:
    from clnorm.config.load import load_config

    given = merge_flags(options, FLAGS)
    for key, value in (("begin.run", options.from_run), ("begin.experience", options.experience)):
        if value is not None:
            given[key] = value
    config = load_config(options.config, given, allow_plugins=options.allow_plugin)
    first = _read_processes(options)
    if options.dry_run and not first:
        return
    if options.dry_run:
        print_text(config.to_yaml())
        check_fits([config])
        return
    from clnorm.cli.show.run import print_summary
    from clnorm.console import ConsoleReporter
    from clnorm.experiment import run

    if not first:
        run(config)
        return
    with ConsoleReporter() as reporter:
        if not is_affordable(options, [config], reporter):
            return
        record = run(config, reporter=reporter)
    print_summary(record, path=str(Path(config.out).expanduser() / record.run / "record.json"))


def _read_processes(options: argparse.Namespace) -> bool:
    """Whether this process is the one that prints, of those that torchrun has started.

    Raises:
        UserError: an estimate, which one process makes.
    """
    place = read_place()
    if place.size > 1 and (options.estimate or options.max_hours is not None):
        what = "an estimate is made by one process"
        raise UserError(what, where="--estimate and --max-hours", hint="give the command without torchrun")
    return place.first
