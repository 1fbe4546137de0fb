"""`clnorm sweep`."""

import argparse

from clnorm.cli.flags import FLAGS, Verbs, add_allow_plugin, add_flags, merge_flags
from clnorm.cli.output import check_fits, print_text


def add_sweep(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    sweep = verbs.add_parser("sweep", parents=[common], help="run a grid of configurations, skipping what is finished")
    sweep.add_argument("file", help="YAML file with the keys `config` and `grid`")
    add_flags(sweep)
    add_allow_plugin(sweep)
    sweep.add_argument("--dry-run", action="store_true", help="print the runs, check what needs no video, and stop")
    sweep.set_defaults(verb=_sweep)


def _sweep(options: argparse.Namespace) -> None:
    from clnorm.launch.sweep import name_cells, read_sweep, sweep

    configs = read_sweep(options.file, merge_flags(options, FLAGS), allow_plugins=options.allow_plugin)
    if options.dry_run:
        print_text("\n".join(name_cells(configs)))
        check_fits(configs)
        return
    from clnorm.console import ConsoleReporter

    with ConsoleReporter() as reporter:
        sweep(configs, reporter=reporter)
        count = "1 run is" if len(configs) == 1 else f"{len(configs)} runs are"
        reporter.note(f"{count} finished; see: clnorm table {configs[0].out}")
