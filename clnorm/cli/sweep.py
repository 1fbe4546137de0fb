"""`clnorm sweep`."""

import argparse

from clnorm.cli.flags import FLAGS, Verbs, add_allow_plugin, add_set, merge_flags
from clnorm.cli.output import print_text


def add_sweep(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    sweep = verbs.add_parser("sweep", parents=[common], help="run a grid of configurations, skipping what is finished")
    sweep.add_argument("file", help="YAML file with the keys `config` and `grid`")
    sweep.add_argument("--data-root", help=FLAGS["data-root"])
    sweep.add_argument("--out", help=FLAGS["out"])
    add_set(sweep)
    add_allow_plugin(sweep)
    sweep.add_argument("--dry-run", action="store_true", help="print the runs and stop")
    sweep.set_defaults(verb=_sweep)


def _sweep(options: argparse.Namespace) -> None:
    from clnorm.launch.sweep import read_sweep, sweep

    configs = read_sweep(options.file, merge_flags(options, FLAGS), allow_plugins=options.allow_plugin)
    if options.dry_run:
        print_text("\n".join(f"{c.norm.short} {c.strategy.short} seed={c.seed}" for c in configs))
        return
    from clnorm.console import ConsoleReporter

    with ConsoleReporter() as reporter:
        sweep(configs, reporter=reporter)
        reporter.note(f"{len(configs)} runs are finished; see: clnorm table {configs[0].out}")
