"""The command line: verbs to library calls. It imports nothing heavy; each verb loads what it needs."""

import argparse
import errno
import os
import re
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from clnorm.cli.cache import add_cache
from clnorm.cli.card import add_card
from clnorm.cli.clean import add_clean
from clnorm.cli.completion import add_completion
from clnorm.cli.data import add_data
from clnorm.cli.doctor import add_doctor
from clnorm.cli.inference import add_inference
from clnorm.cli.listing import add_listing
from clnorm.cli.norms import add_norms
from clnorm.cli.output import print_note
from clnorm.cli.parsing import Parser
from clnorm.cli.protocol import add_protocol
from clnorm.cli.results.cite import add_cite
from clnorm.cli.results.explain import add_explain
from clnorm.cli.results.leaderboard import add_leaderboard
from clnorm.cli.results.metrics import add_metrics
from clnorm.cli.results.plot import add_plot
from clnorm.cli.results.report import add_report
from clnorm.cli.results.runs import add_runs
from clnorm.cli.results.table import add_table
from clnorm.cli.run import add_run
from clnorm.cli.sweep import add_sweep
from clnorm.cli.time import add_time
from clnorm.cli.tune import add_tune
from clnorm.environment import explain_missing
from clnorm.errors import ClnormError, SeveralMistakesError, UserError
from clnorm.ranks import read_place

_PATIENCE = 20  # seconds in which the first of several processes tells what all find; then torchrun ends the others
_INTERRUPTED_RUN = "interrupted; the same command given again goes on from the last state that was kept"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0, 1 for a failure, 2 for a mistake of the user's, 75 for runs that were stopped and go on when
        the command is given again, 130 when interrupted elsewhere.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    debug = "--debug" in given
    if sys.stdout is None:  # closed by whoever started this, who wants to see nothing
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the process ends
    if not sys.flags.safe_path and "" not in sys.path:
        sys.path.insert(0, "")  # the current folder, where a user's own modules lie, as `python -m` does
    command = "clnorm"
    try:
        options = _parser().parse_args(given)
        command = options.command
        _check_alone(options)
        options.verb(options)
    except KeyboardInterrupt:
        return _fail(
            _INTERRUPTED_RUN if {"card", "run", "sweep", "tune", "worker"} & {*given} else "interrupted", code=130
        )
    except BrokenPipeError:
        # The reader of stdout left, as `head` does; nothing more can be written there.
        _drop_stdout()
        return 0
    except ClnormError as error:
        found = error.errors if isinstance(error, SeveralMistakesError) else [error]
        return _fail(*map(str, found), code=error.exit_code, debug=debug)
    except Exception as error:  # noqa: BLE001 - whatever it is, the user gets a line
        text, code = _describe(error, command)
        return _fail(text, code=code, debug=debug)
    return 0


def _parser() -> argparse.ArgumentParser:
    from clnorm import __version__

    common = argparse.ArgumentParser(add_help=False)
    # Without a default of its own, so that `clnorm --debug run` and `clnorm run --debug` are the same.
    common.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
    )
    parser: argparse.ArgumentParser = Parser(
        prog="clnorm", description="Continual learning on video, with normalization as the variable.", parents=[common]
    )
    parser.add_argument("--version", action="version", version=f"clnorm {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    add_run(verbs, common)
    add_time(verbs, common)
    add_sweep(verbs, common)
    add_tune(verbs, common)
    add_table(verbs, common)
    add_cite(verbs, common)
    add_plot(verbs, common)
    add_report(verbs, common)
    add_leaderboard(verbs, common)
    add_card(verbs, common)
    add_runs(verbs, common)
    add_explain(verbs, common)
    add_inference(verbs, common)
    add_data(verbs.add_parser("data", help="prepare, check or audit a dataset"), common)
    add_metrics(verbs.add_parser("metrics", help="list metrics, or add one to finished runs"), common)
    add_protocol(verbs.add_parser("protocol", help="show a protocol's stream, or how alike classes are"), common)
    add_norms(verbs.add_parser("norms", help="check a norm's contract, or audit a swap in a backbone"), common)

    add_listing(verbs, common)
    add_cache(verbs, common)
    add_clean(verbs, common)
    add_doctor(verbs, common)
    add_completion(verbs, common, parser)
    return parser


def _check_alone(options: argparse.Namespace) -> None:
    """Refuse what each of several processes would do for itself.

    Raises:
        UserError: another command than one that processes share.
    """
    if not getattr(options, "shared", False) and (place := read_place()).size > 1:
        what = f"{place.size} processes were started for a command of one process"
        raise UserError(what, where="torchrun", legal="clnorm run", hint="give the command without torchrun")


def _describe(error: Exception, command: str) -> tuple[str, int]:
    """The message and the exit code of an error that no part of clnorm raised on purpose."""
    if isinstance(error, ModuleNotFoundError) and (lack := explain_missing(error.name or "", where=command)):
        return str(lack), lack.exit_code
    if isinstance(error, OSError) and error.filename is not None:
        # Such as a name that is too long, which no single reader of files needs to know of.
        if error.errno == errno.ENAMETOOLONG:
            return f"{error.filename}: {error.strerror}; give a shorter name", 2
        return f"{error.filename}: {error.strerror or error}", 1
    return f"{type(error).__name__}: {error}; add --debug for the traceback", 1


def _drop_stdout() -> None:
    """Let what cannot be written to stdout go nowhere, also what Python writes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(*texts: str, code: int, debug: bool = False) -> int:
    with suppress(UserError):  # which is what is told here, then
        place = read_place()
        if not place.first:
            time.sleep(_PATIENCE)
        if place.size > 1:
            texts = tuple(f"process {place.rank + 1} of {place.size}: {text}" for text in texts)
    try:
        sys.stdout.flush()
    except OSError:
        _drop_stdout()
    if debug:
        for line in traceback.format_exc().split("\n"):
            print_note(line)
    for text in texts:
        print_note("error: " + re.sub(r"[ \t\r\n]+", " ", text.strip()))
    return code
