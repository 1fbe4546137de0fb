"""`clnorm submit` and `clnorm leaderboard`: from runs that somebody gives to a site that ranks norms."""

import argparse

from clnorm.cli.flags import Verbs
from clnorm.cli.output import print_json, print_text
from clnorm.errors import ClnormError


def add_leaderboard(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    submit = verbs.add_parser("submit", parents=[common], help="check runs that somebody submits, without running them")
    submit.add_argument("--check", metavar="FOLDER", required=True, help="folder of the run folders to be submitted")
    submit.add_argument("--json", action="store_true", help="print JSON")
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
    from clnorm.submission.findings import State

    reports = check_submission(options.check)
    if options.json:
        print_json([report.to_dict() for report in reports])
    else:
        print_text(write_report(reports))
    if wrong := [report.name for report in reports if report.state is State.WRONG]:
        raise ClnormError(f"something is wrong with {', '.join(wrong[:3])}{' and more' if len(wrong) > 3 else ''}")


def _leaderboard(options: argparse.Namespace) -> None:
    from clnorm.leaderboard.site import build_site

    site = build_site(options.folder, options.out, published=options.published)
    counts = f"{site.boards} board{'s' * (site.boards != 1)}, {site.counted} run{'s' * (site.counted != 1)}"
    print_text(f"wrote {options.out}/index.html: {counts}; {site.left_out} not counted")
