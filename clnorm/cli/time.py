"""`clnorm time`."""

import argparse

from clnorm.cli.flags import FLAGS, Verbs, add_configuration, merge_flags
from clnorm.cli.output import print_json


def add_time(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    time = verbs.add_parser("time", parents=[common], help="time the ways to execute a model on this machine")
    add_configuration(time)
    time.add_argument("--json", action="store_true", help="print JSON")
    time.set_defaults(verb=_time)


def _time(options: argparse.Namespace) -> None:
    from clnorm.config.load import load_config

    given = merge_flags(options, FLAGS)
    config = load_config(options.config, given, allow_plugins=options.allow_plugin)
    from clnorm.console import ConsoleReporter
    from clnorm.execution.timing import KEYS, time_config

    with ConsoleReporter() as reporter:
        timing = time_config(config, fixed=[key for key in KEYS if f"train.{key}" in given], reporter=reporter)
    if options.json:
        print_json(timing.to_dict())
    else:
        from clnorm.cli.show.timing import print_timing

        print_timing(timing)
