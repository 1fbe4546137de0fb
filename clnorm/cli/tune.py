"""`clnorm tune`: a search of hyper-parameters, the same trials for every norm."""

import argparse
import shlex
import sys
from functools import partial

from clnorm.catalogue import LAUNCHERS
from clnorm.cli.flags import FLAGS, Verbs, add_allow_plugin, add_estimate, add_flags, merge_flags
from clnorm.cli.output import check_fits
from clnorm.cli.show.estimate import is_affordable
from clnorm.cli.sweep import add_launcher, add_retries, print_preview


def add_tune(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    tune = verbs.add_parser(
        "tune",
        parents=[common],
        help="search hyper-parameters on the first experiences, the same trials for every norm",
        description="Writes tuned.yaml and trials.csv into the results folder; clnorm sweep --tuned takes the former.",
    )
    tune.add_argument(
        "--search", metavar="FILE", required=True, help="YAML file with the keys `search`, `grid` and `config`"
    )
    add_flags(tune)
    add_allow_plugin(tune)
    add_launcher(tune)
    add_retries(tune)
    tune.add_argument(
        "--dry-run",
        action="store_true",
        help="print the trials and what would be started, check what needs no video, and stop",
    )
    add_estimate(tune)
    tune.set_defaults(verb=_tune)


def _tune(options: argparse.Namespace) -> None:
    from clnorm.tuning.axis import draw_points
    from clnorm.tuning.search import list_trials
    from clnorm.tuning.search_file import read_search

    engine = LAUNCHERS.parse(options.launcher, where="--launcher")
    search = read_search(options.search, merge_flags(options, FLAGS), allow_plugins=options.allow_plugin)
    trials = list_trials(search, draw_points(search.axes, search.trials, seed=search.sampler_seed))
    configs = [trial.config for trial in trials]
    if options.dry_run:
        print_preview(configs, str(engine), retries=options.retries)
        return
    check_fits(configs)
    from clnorm.cli.show.sweep import show_status
    from clnorm.cli.show.tuning import print_tuning
    from clnorm.config.tuned import TUNED_FILE
    from clnorm.console import ConsoleReporter, LiveView
    from clnorm.tuning.tune import tune

    out = configs[0].out
    with ConsoleReporter() as reporter, LiveView(sys.stderr) as view:
        if not is_affordable(options, configs, reporter):
            return
        tuning = tune(
            search,
            trials,
            launcher=str(engine),
            retries=options.retries,
            reporter=reporter,
            show=partial(show_status, view),
        )
        if tuning is None:
            watch = f"clnorm watch {shlex.quote(str(out))}"
            reporter.note(f"Runs are left; when they are finished ({watch}), give the same command again")
    if tuning is not None:
        print_tuning(tuning, path=shlex.quote(f"{out}/{TUNED_FILE}"))
