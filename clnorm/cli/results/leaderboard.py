"""`clnorm submit` and `clnorm leaderboard`: from runs that somebody gives to a site that ranks norms."""

import argparse
from typing import TYPE_CHECKING

from clnorm.cli.flags import FLAGS, Verbs, add_allow_plugin, add_set, merge_flags
from clnorm.cli.output import print_json, print_text
from clnorm.errors import ClnormError, UserError

if TYPE_CHECKING:
    from clnorm.submission.findings import SubmissionReport

_MOST = 3  # runs that are named where something is wrong with them


def add_leaderboard(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    submit = verbs.add_parser("submit", parents=[common], help="check runs that somebody submits, without running them")
    submit.add_argument("--check", metavar="FOLDER", required=True, help="folder of the run folders to be submitted")
    submit.add_argument("--json", action="store_true", help="print JSON")
    submit.add_argument(
        "--rerun", metavar="RUN", help="make this run of the folder again, elsewhere, and compare it bit for bit"
    )
    submit.add_argument("--data-root", help=f"for --rerun: {FLAGS['data-root']}")
    add_allow_plugin(submit)
    add_set(submit)
    submit.set_defaults(verb=_submit)

    board = verbs.add_parser(
        "leaderboard", parents=[common], help="norms ranked as a static site, from runs whose predictions are kept"
    )
    board.add_argument("folder", help="folder of run folders, at any depth")
    board.add_argument("--out", metavar="SITE", required=True, help="folder of the site, replaced as a whole")
    board.add_argument("--published", metavar="FILE", help="CSV file of reported numbers, shown beside and not ranked")
    board.set_defaults(verb=_leaderboard)


def _submit(options: argparse.Namespace) -> None:
    from clnorm.cli.show.submission import write_report
    from clnorm.submission.check import check_submission

    if options.rerun is None:
        for flag in ("data_root", "allow_plugin", "set"):
            if getattr(options, flag):
                where = f"--{flag.replace('_', '-')}"
                raise UserError("does nothing without --rerun", where=where, hint="leave it out, or add --rerun RUN")
    report = check_submission(options.check) if options.rerun is None else _check_with_rerun(options)
    if options.json:
        print_json(report.to_dict())
    else:
        print_text(write_report(report))
    if wrong := report.wrong:
        more = f" and {len(wrong) - _MOST} more" if len(wrong) > _MOST else ""
        raise ClnormError(f"something is wrong with {', '.join(wrong[:_MOST])}{more}")


def _check_with_rerun(options: argparse.Namespace) -> "SubmissionReport":
    from clnorm.console import ConsoleReporter
    from clnorm.submission.rerun import check_with_rerun

    given = merge_flags(options, ("data-root",))
    with ConsoleReporter() as reporter:
        return check_with_rerun(
            options.check, options.rerun, overrides=given, allow_plugins=options.allow_plugin, reporter=reporter
        )


def _leaderboard(options: argparse.Namespace) -> None:
    from clnorm.leaderboard.site import build_site

    site = build_site(options.folder, options.out, published=options.published)
    counts = f"{site.boards} board{'s' * (site.boards != 1)}, {site.counted} run{'s' * (site.counted != 1)}"
    print_text(f"wrote {options.out}/index.html: {counts}; {site.left_out} not counted")
