"""`clnorm sweep`, `clnorm worker` and `clnorm watch`: many runs."""

import argparse
import re
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from clnorm.catalogue import LAUNCHERS
from clnorm.cli.flags import FLAGS, Verbs, add_allow_plugin, add_estimate, add_flags, merge_flags
from clnorm.cli.output import check_fits, print_json, print_text
from clnorm.cli.show.estimate import is_affordable
from clnorm.errors import UserError

if TYPE_CHECKING:
    from clnorm.config.config import Config

_INDICES = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")
_MOST = 1_000_000  # cells of a manifest


def add_sweep(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    sweep = verbs.add_parser("sweep", parents=[common], help="run a grid of configurations, skipping what is finished")
    sweep.add_argument("file", help="YAML file with the keys `config` and `grid`")
    add_flags(sweep)
    add_allow_plugin(sweep)
    add_launcher(sweep)
    add_retries(sweep)
    sweep.add_argument(
        "--dry-run",
        action="store_true",
        help="print the runs and what would be started, check what needs no video, and stop",
    )
    add_estimate(sweep)
    sweep.set_defaults(verb=_sweep)

    worker = verbs.add_parser(
        "worker",
        parents=[common],
        help="run cells of a sweep in this process",
        description="What every launcher runs; by hand it adds a process, or a machine, to a sweep.",
    )
    worker.add_argument("manifest", help="the sweep's JSON file, in .sweep of its results folder")
    worker.add_argument("--index", metavar="I[,J-K]", help="which cells, from 0, in this order (default: all)")
    worker.add_argument(
        "--prepare",
        action="store_true",
        help="decode the clips that the cells need, compile what they ask for, and stop",
    )
    add_allow_plugin(worker)
    add_retries(worker)
    worker.set_defaults(verb=_worker)

    watch = verbs.add_parser("watch", parents=[common], help="how far a sweep is, from any terminal or machine")
    watch.add_argument("folder", nargs="?", default="runs", help="the sweep's results folder (default: runs)")
    watch.add_argument("--json", action="store_true", help="print the present state as JSON")
    watch.set_defaults(verb=_watch)


def parse_indices(text: str) -> list[int]:
    """`0,4-7` as numbers, in their order.

    Raises:
        UserError: it is of another form.
    """
    if not _INDICES.fullmatch(text):
        raise UserError(f"{text!r} names no cells", where="--index", legal="numbers and ranges, such as 0,4-7")
    indices: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        span = range(int(first), int(last or first) + 1)
        if not span or span[-1] >= _MOST:
            raise UserError(f"{part!r} is no range of cells", where="--index", legal="such as 4-7")
        indices += span
    return indices


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """Add `--launcher`."""
    parser.add_argument(
        "--launcher",
        default="local",
        help="where runs are executed, such as local:processes=2 (default: local); see: clnorm list launchers",
    )


def add_retries(parser: argparse.ArgumentParser) -> None:
    """Add `--retries`."""
    parser.add_argument(
        "--retries", type=int, default=1, metavar="N", help="how often a failed run is tried again (default: 1)"
    )


def print_preview(configs: "Sequence[Config]", launcher: str, *, retries: int) -> None:
    """Print each run and what would be started, and check what needs no video."""
    from clnorm.launch.grid import name_cells
    from clnorm.launch.sweep import preview

    print_text("\n".join([*name_cells(configs), "", preview(configs, launcher, retries=retries)]))
    check_fits(configs)


def _sweep(options: argparse.Namespace) -> None:
    from clnorm.launch.grid import read_sweep

    engine = LAUNCHERS.parse(options.launcher, where="--launcher")
    configs = read_sweep(options.file, merge_flags(options, FLAGS), allow_plugins=options.allow_plugin)
    if options.dry_run:
        print_preview(configs, str(engine), retries=options.retries)
        return
    check_fits(configs)
    from clnorm.cli.show.sweep import show_status
    from clnorm.console import ConsoleReporter, LiveView
    from clnorm.launch.sweep import sweep

    with ConsoleReporter() as reporter, LiveView(sys.stderr) as view:
        if not is_affordable(options, configs, reporter):
            return
        records = sweep(
            configs, launcher=str(engine), retries=options.retries, reporter=reporter, show=partial(show_status, view)
        )
        out = shlex.quote(str(configs[0].out))
        if len(records) == len(configs):
            count = "1 run is" if len(configs) == 1 else f"{len(configs)} runs are"
            reporter.note(f"{count} finished; see: clnorm table {out}")
        else:
            reporter.note(f"{len(records)} of {len(configs)} runs are finished; to see the others: clnorm watch {out}")


def _worker(options: argparse.Namespace) -> None:
    from clnorm.console import ConsoleReporter
    from clnorm.launch.manifest import read_cells
    from clnorm.launch.prepare import prepare
    from clnorm.launch.worker import work

    indices = None if options.index is None else parse_indices(options.index)
    cells = read_cells(options.manifest, indices, allow_plugins=options.allow_plugin)
    with ConsoleReporter() as reporter:
        if options.prepare:
            prepare(cells, reporter=reporter)
            return
        work(cells, retries=options.retries, reporter=reporter)


def _watch(options: argparse.Namespace) -> None:
    import time

    from clnorm.cli.show.sweep import describe_status, show_status
    from clnorm.console import LiveView
    from clnorm.launch.status import Watch

    watch = Watch(options.folder)
    status = watch.look()
    if options.json:
        print_json(status.to_dict())
        return
    if not sys.stdout.isatty():
        print_text(describe_status(status))
        return
    with LiveView(sys.stdout) as view:
        show_status(view, status)
        while not status.is_over:
            time.sleep(1)
            status = watch.look()
            show_status(view, status)
