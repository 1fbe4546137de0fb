"""The paper that something of the catalogue comes from, as an entry of BibTeX."""

from collections.abc import Iterable
from dataclasses import dataclass

HEADER = "% The works cited in a table of clnorm."
"""The first line of a file of entries, by which it is known again."""
_VENUE = {"inproceedings": "booktitle", "article": "journal"}


@dataclass(frozen=True)
class Reference:
    """A paper.

    Args:
        key: what `\\cite` names it by; it stays as it is once a version has it.
        authors: as BibTeX writes them: `Family, Given and Family, Given`, or `and others` for the rest of them.
        title: its title.
        venue: the proceedings, the journal, or `arXiv preprint arXiv:NUMBER`.
        year: of publication.
        kind: of BibTeX's entry: `inproceedings`, or `article`.
    """

    key: str
    authors: str
    title: str
    venue: str
    year: int
    kind: str = "inproceedings"

    def to_bibtex(self) -> str:
        """The entry, its title in braces of its own, which keep its capitals."""
        title = self.title.replace("&", r"\&")
        fields = {"author": self.authors, "title": f"{{{title}}}", _VENUE[self.kind]: self.venue}
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
        return "\n".join([f"@{self.kind}{{{self.key},", *lines, f"  year = {{{self.year}}}", "}"]) + "\n"


def to_bibliography(references: Iterable[Reference]) -> str:
    """The entries of a .bib file by their keys, each once, below a line that says what they are for."""
    entries = {reference.key: reference.to_bibtex() for reference in references}
    return "\n".join([f"{HEADER}\n", *(entries[key] for key in sorted(entries))])
