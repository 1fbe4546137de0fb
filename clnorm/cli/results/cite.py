"""`clnorm cite`."""

import argparse

from clnorm.cli.flags import Verbs, add_where, split_names
from clnorm.cli.output import naming_unreadable, print_text


def add_cite(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    cite = verbs.add_parser(
        "cite", parents=[common], help="what a paper with a table of finished runs must cite, as BibTeX"
    )
    cite.add_argument("folder", help="folder of run folders")
    cite.add_argument(
        "--metrics",
        default="accuracy,forgetting",
        help="those of the table, separated by commas (default: %(default)s)",
    )
    add_where(cite)
    cite.set_defaults(verb=_cite)


def _cite(options: argparse.Namespace) -> None:
    from clnorm.citations.cited import list_cited
    from clnorm.citations.write import write_bibtex
    from clnorm.results.load import load_results
    from clnorm.results.selection import select

    with naming_unreadable() as unreadable:
        loaded = load_results(options.folder, columns=["config", "versions"], on_unreadable=unreadable.append)
        results = select(loaded, options.where)
        cited = list_cited(results, metrics=split_names(options.metrics))
        print_text(write_bibtex(cited, runs=results["run"].nunique()))
