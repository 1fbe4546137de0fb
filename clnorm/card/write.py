"""A card's file, in the format that its name ends with."""

from pathlib import Path

from clnorm.card.parts import Card
from clnorm.errors import UserError
from clnorm.files import replace_file
from clnorm.pages.page import check_place

FORMATS = (".html", ".pdf")


def check_out(path: Path) -> None:
    """Refuse a file that could not be written in the end.

    Raises:
        UserError: its name ends with no format, its folder does not exist, or it is a folder itself.
    """
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"{str(path)!r} ends with no format", where="--out", legal=FORMATS, given=path.suffix)
    check_place(path)


def write_card(card: Card, path: Path) -> None:
    """Write the card, whole or not at all.

    Raises:
        UserError: as `check_out`.
        ClnormError: it cannot be written.
    """
    check_out(path)
    if path.suffix.lower() == ".pdf":
        from clnorm.card.pdf import render_pdf

        content = render_pdf(card)
    else:
        from clnorm.card.html import render_html

        content = render_html(card).encode()
    replace_file(path, lambda file: file.write(content))
