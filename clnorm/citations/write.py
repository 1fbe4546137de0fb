"""What is cited as a .bib file, with the sentence that cites it."""

from collections.abc import Sequence
from itertools import groupby

from clnorm.catalogue.reference import to_bibliography
from clnorm.citations.cited import Cited
from clnorm.console import visible
from clnorm.tables.dialects import LATEX

_HEADINGS = {
    "norm": "norms",
    "strategy": "strategies",
    "dataset": "data",
    "protocol": "protocols",
    "backbone": "backbones",
    "mix": "mixing of clips",
    "imbalance method": "against unequal classes",
    "fine-tuning": "class-balanced fine-tuning",
    "metric": "metrics",
}


def write_sentence(cited: Sequence[Cited]) -> str:
    r"""One line of LaTeX: `Norms: BN~\cite{...}, CN~\cite{...}; strategies: ...`; what has no paper is named, too."""
    parts = []
    for kind, group in groupby(cited, key=lambda each: each.kind):
        names = ", ".join(f"{each.latex}{LATEX.cite(each.papers)}" for each in group)
        parts.append(f"{_HEADINGS.get(kind, kind)}: {names}")
    text = "; ".join(parts).replace("@", r"\symbol{64}")  # it stands in a .bib file, where @ begins an entry
    return f"{text[:1].upper()}{text[1:]}."


def write_bibtex(cited: Sequence[Cited], *, runs: int) -> str:
    """A .bib file: the sentence and what has no paper as comments, and an entry for each paper.

    Args:
        cited: of `list_cited`.
        runs: how many runs they are made of.

    Returns:
        The text, ending in a newline.
    """
    lacking = [_write_comment(f"  {each.kind} {each.name}: {each.reason}") for each in cited if not each.papers]
    comments = [
        f"What a table of {runs} run{'s' * (runs != 1)} of clnorm cites, and a line that cites it:",
        write_sentence(cited),
        *(["Without a paper:", *lacking] if lacking else []),
    ]
    return to_bibliography((paper for each in cited for paper in each.papers), comments=comments)


def _write_comment(text: str) -> str:
    """A line as a .bib file may have it outside of entries: BibTeX begins an entry at each @, also behind a %."""
    return visible(text).replace("@", r"\x40")
