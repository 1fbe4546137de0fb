"""The command line: verbs to library calls. It imports nothing heavy; each verb loads what it needs."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from clnorm.cli.data import add_data
from clnorm.cli.flags import FLAGS, add_set, merge_flags
from clnorm.cli.inference import add_inference
from clnorm.cli.norms import add_norms
from clnorm.cli.output import print_text
from clnorm.errors import ClnormError

if TYPE_CHECKING:
    from clnorm.config import Config


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0, 1 for a failure, 2 for a mistake of the user's, 130 when interrupted.
    """
    options = _parser().parse_args(arguments)
    debug = getattr(options, "debug", False)
    try:
        options.verb(options)
    except KeyboardInterrupt:
        return _fail("interrupted; a run continues when the same command is given again", 130)
    except BrokenPipeError:
        # The reader of stdout left, as `head` does; nothing more can be written there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ClnormError as error:
        if debug:
            raise
        return _fail(str(error), error.exit_code)
    except Exception as error:
        if debug:
            raise
        return _fail(f"{type(error).__name__}: {error}; add --debug for the traceback", 1)
    return 0


def _parser() -> argparse.ArgumentParser:
    from clnorm import __version__

    common = argparse.ArgumentParser(add_help=False)
    # Without a default of its own, so that `clnorm --debug run` and `clnorm run --debug` are the same.
    common.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
    )
    parser = argparse.ArgumentParser(
        prog="clnorm", description="Continual learning on video, with normalization as the variable.", parents=[common]
    )
    parser.add_argument("--version", action="version", version=f"clnorm {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    run = verbs.add_parser("run", parents=[common], help="train and evaluate one configuration")
    run.add_argument("--config", metavar="FILE", help="YAML file of the configuration")
    for flag, text in FLAGS.items():
        run.add_argument(f"--{flag}", help=text)
    add_set(run)
    run.add_argument("--dry-run", action="store_true", help="print the resolved configuration and stop")
    run.set_defaults(verb=_run)

    sweep = verbs.add_parser("sweep", parents=[common], help="run a grid of configurations, skipping what is finished")
    sweep.add_argument("file", help="YAML file with the keys `config` and `grid`")
    sweep.add_argument("--data-root", help=FLAGS["data-root"])
    sweep.add_argument("--out", help=FLAGS["out"])
    add_set(sweep)
    sweep.add_argument("--dry-run", action="store_true", help="print the runs and stop")
    sweep.set_defaults(verb=_sweep)

    table = verbs.add_parser("table", parents=[common], help="norms x strategies as a table, from finished runs")
    table.add_argument("folder", help="folder of run folders")
    table.add_argument("--format", default="rich", help="rich, markdown, latex or csv")
    table.add_argument("--metrics", default="accuracy,forgetting", help="metrics, separated by commas")
    table.add_argument("--versus", metavar="NORM", help="add paired differences to this norm, such as bn")
    table.add_argument("--where", action="append", default=[], metavar="COLUMN=VALUE", help="take only these runs")
    table.set_defaults(verb=_table)

    add_inference(verbs, common)
    add_data(verbs.add_parser("data", help="prepare, check or audit a dataset"), common)
    add_norms(verbs.add_parser("norms", help="check a norm's contract, or audit a swap in a backbone"), common)

    names = verbs.add_parser("list", parents=[common], help="every legal name with its options")
    names.add_argument("what", help="norms, strategies, backbones, datasets, protocols, metrics or config")
    names.set_defaults(verb=_list)

    doctor = verbs.add_parser("doctor", parents=[common], help="check versions, FFmpeg, GPU, cache and disk")
    doctor.set_defaults(verb=_doctor)
    return parser


def _run(options: argparse.Namespace) -> None:
    from clnorm.config import load_config

    config = load_config(options.config, merge_flags(options, FLAGS))
    if options.dry_run:
        print_text(config.to_yaml())
        return
    _run_and_show(config)


def _run_and_show(config: "Config") -> None:
    from pathlib import Path

    from clnorm.console import ConsoleReporter
    from clnorm.experiment import run
    from clnorm.report.summary import print_summary

    with ConsoleReporter() as reporter:
        record = run(config, reporter=reporter)
    print_summary(record, path=str(Path(config.out).expanduser() / record.run / "record.json"))


def _sweep(options: argparse.Namespace) -> None:
    from clnorm.launch.sweep import read_sweep, sweep

    configs = read_sweep(options.file, merge_flags(options, FLAGS))
    if options.dry_run:
        print_text("\n".join(f"{c.norm.short} {c.strategy.short} seed={c.seed}" for c in configs))
        return
    from clnorm.console import ConsoleReporter

    with ConsoleReporter() as reporter:
        sweep(configs, reporter=reporter)
        reporter.note(f"{len(configs)} runs are finished; see: clnorm table {configs[0].out}")


def _table(options: argparse.Namespace) -> None:
    from rich.console import Console

    from clnorm.records import load_results
    from clnorm.report.tables import make_table, select

    results = select(load_results(options.folder), options.where)
    metrics = [name.strip() for name in options.metrics.split(",") if name.strip()]
    console = Console() if sys.stdout.isatty() else None
    print_text(make_table(results, metrics=metrics, format=options.format, versus=options.versus, console=console))


def _list(options: argparse.Namespace) -> None:
    from clnorm.listing import list_names

    print_text(list_names(options.what))


def _doctor(options: argparse.Namespace) -> None:
    from clnorm.doctor import examine

    text, failure = examine()
    print_text(text)
    if failure:
        raise failure


def _fail(text: str, code: int) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"error: {' '.join(text.split())}\n")
    return code
