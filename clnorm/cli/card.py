"""`clnorm card`."""

import argparse
import sys
from functools import partial
from pathlib import Path

from clnorm.catalogue import LAUNCHERS
from clnorm.cli.flags import Verbs, add_estimate, add_set, merge_flags
from clnorm.cli.output import check_fits, print_text
from clnorm.cli.show.estimate import is_affordable
from clnorm.cli.sweep import add_launcher, add_retries


def add_card(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    card = verbs.add_parser(
        "card",
        parents=[common],
        help="a page about a norm: contract, cost, identities, accuracy, forgetting and drift beside bn, ln and cn",
        description="Makes the runs that it needs, which takes two idle cores about 20 minutes for 5 seeds; stopped, "
        "it goes on when the command is given again.",
    )
    card.add_argument("norm", help="a name such as cn:groups=8, or your own, such as mynorm:ScaleNorm")
    card.add_argument("--out", default="card.html", metavar="FILE", help=".html or .pdf (default: card.html)")
    card.add_argument("--runs", default="runs/cards", metavar="DIR", help="where its runs are (default: runs/cards)")
    card.add_argument("--seeds", type=int, default=5, metavar="N", help="runs of each kind, 2 or more (default: 5)")
    add_set(card)
    add_launcher(card)
    add_retries(card)
    add_estimate(card)
    card.set_defaults(verb=_card)


def _card(options: argparse.Namespace) -> None:
    from clnorm.card.runs import create_configs
    from clnorm.card.write import check_out, write_card
    from clnorm.cli.show.sweep import show_status
    from clnorm.console import ConsoleReporter, LiveView

    out, launcher = Path(options.out).expanduser(), str(LAUNCHERS.parse(options.launcher, where="--launcher"))
    check_out(out)
    configs = create_configs(options.norm, folder=options.runs, seeds=options.seeds, overrides=merge_flags(options, ()))
    check_fits(configs)
    with ConsoleReporter() as reporter, LiveView(sys.stderr) as view:
        if not is_affordable(options, configs, reporter):
            return
        from clnorm.card.card import make_card

        show = partial(show_status, view)
        card = make_card(configs, launcher=launcher, retries=options.retries, reporter=reporter, show=show)
    write_card(card, out)
    print_text(f"wrote {out}")
