"""The paper that something of the catalogue comes from, as an entry of BibTeX."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clnorm.errors import UserError

OF_TABLES = "The works cited in a table of clnorm."
"""The first comment of a file of entries for a table, by which it is known again."""
_ENTRY = re.compile(r"^@\w+\{(?P<key>[^,\n]+),\n.*?^\}\n", re.MULTILINE | re.DOTALL)
_VENUE = {"inproceedings": "booktitle", "article": "journal", "misc": "howpublished"}


@dataclass(frozen=True)
class Reference:
    """A paper, or a program.

    Args:
        key: what `\\cite` names it by; it stays as it is once a version has it.
        authors: as BibTeX writes them: `Family, Given and Family, Given`, or `and others` for the rest of them.
        title: its title.
        venue: the proceedings, the journal, or `arXiv preprint arXiv:NUMBER`; of a program where it is, if anywhere.
        year: of publication; None of a program that states none.
        kind: of BibTeX's entry: `inproceedings`, `article`, or `misc` of a program.
        note: what else is said of it, such as a program's version.
    """

    key: str
    authors: str
    title: str
    venue: str
    year: int | None
    kind: str = "inproceedings"
    note: str = ""

    def to_bibtex(self) -> str:
        """The entry, its title in braces of its own, which keep its capitals."""
        title = self.title.replace("&", r"\&")
        fields = {
            "author": self.authors,
            "title": f"{{{title}}}",
            _VENUE[self.kind]: self.venue,
            "year": "" if self.year is None else str(self.year),
            "note": self.note,
        }
        lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
        return f"@{self.kind}{{{self.key},\n" + ",\n".join(lines) + "\n}\n"


def to_bibliography(
    references: Iterable[Reference], *, comments: Sequence[str] = (OF_TABLES,), earlier: str = ""
) -> str:
    """The entries of a .bib file by their keys, each once, below comments that say what they are for.

    Args:
        references: what is cited.
        comments: lines without an @, at which BibTeX begins an entry wherever it stands.
        earlier: a file that this function wrote, whose other entries stay.

    Raises:
        UserError: `earlier` holds something else, which would be lost.
    """
    foreign = [line for line in _ENTRY.sub("", earlier).splitlines() if line and not line.startswith("% ")]
    if foreign:
        what = f"clnorm has not written {foreign[0]!r}, which would be lost"
        raise UserError(what, where="bibliography", hint="keep entries of your own in another file")
    entries = {found["key"]: found[0] for found in _ENTRY.finditer(earlier)}
    entries |= {reference.key: reference.to_bibtex() for reference in references}
    lines = "".join(f"% {comment}\n" for comment in comments)
    return "\n".join([lines, *(entries[key] for key in sorted(entries))])
