"""A card as HTML and PDF: whole, self-contained, and harmless whatever names are in it."""

import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from clnorm.card.html import render_html
from clnorm.card.parts import Card, Part, Table
from clnorm.card.pdf import _COLUMNS, _divide, _tabulate, _write, render_pdf
from clnorm.card.write import check_out, write_card
from clnorm.errors import UserError

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """The elements of a page, which must be closed in their order, and its text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.found, self.text = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_hostile_names_are_text(hostile):
    text = render_html(hostile)
    page = Page(text)
    assert not [tag for tag, _ in page.found if tag in ("script", "iframe", "link", "object", "svg")]
    assert not [name for _, attributes in page.found for name in attributes if name.startswith("on")]
    assert "<script>alert(1)</script>\\x1b[2J\\u202e &amp; $x_1$" in "".join(page.text)
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_nothing_comes_from_elsewhere(hostile):
    text = render_html(hostile)
    page = Page(text)
    addresses = [value for _, attributes in page.found for name, value in attributes.items() if name in ("src", "href")]
    assert addresses
    assert all(address.startswith(("data:image/svg+xml;base64,", "#")) for address in addresses)
    (policy,) = [a["content"] for tag, a in page.found if tag == "meta" and "http-equiv" in a]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert not re.search(r"url\(|@import|https?:", text)
    assert all(attributes.get("alt") for tag, attributes in page.found if tag == "img")


def test_links_lead_to_sections_and_a_failure_is_marked(hostile):
    page = Page(render_html(hostile))
    ids = {attributes["id"] for _, attributes in page.found if "id" in attributes}
    assert {a["href"].removeprefix("#") for tag, a in page.found if tag == "a"} <= ids
    assert [a["class"] for tag, a in page.found if tag == "td" and "failed" in a["class"]] == ["short failed"]


def test_a_pdf_is_the_same_each_time_and_takes_any_name(hostile):
    content = render_pdf(hostile)
    assert content.startswith(b"%PDF-")
    assert content == render_pdf(hostile)
    assert b"/CreationDate" not in content


def test_letters_that_the_type_lacks_are_escapes():
    assert next(_write(Card("\u4e2d\u6587 ü", "", {}, (), {}))).text == "\\u4e2d\\u6587 ü"


def test_tables_of_a_pdf_are_as_wide_as_a_sheet_and_lose_nothing():
    cells = ("name", " ".join(["word"] * 60), "x" * 200)
    table = Table("caption", ("a", "b", "c"), (cells, ("second", "short", "end")))
    lines = [line.text for line in _tabulate(table)]
    assert max(map(len, lines)) <= _COLUMNS
    together = "".join(lines)
    assert together.count("word") == 60
    assert together.count("x") == 200
    assert "second" in together


def test_a_long_card_has_several_sheets_and_no_heading_alone_at_the_end_of_one():
    table = Table("caption", ("a", "b"), tuple((str(number), "value") for number in range(30)))
    parts = tuple(Part(f"p{number}", f"Section {number}", ("text",), (table,), made="m") for number in range(12))
    lines = list(_write(Card("cn", "title", {"a": "b"}, parts, {})))
    sheets = _divide(lines)
    assert len(sheets) > 3
    assert [line.text for sheet in sheets for line in sheet if line.text] == [line.text for line in lines if line.text]
    assert not any(sheet[-1].is_first for sheet in sheets)
    assert all(sum(line.height for line in sheet) < 11 for sheet in sheets)


@pytest.mark.parametrize("name", ["card.html", "card.PDF"])
def test_a_file_is_written_in_the_format_of_its_name(hostile, tmp_path, name):
    write_card(hostile, tmp_path / name)
    start = (tmp_path / name).read_bytes()[:15]
    assert start.startswith(b"%PDF" if name.endswith("PDF") else b"<!doctype html>")


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_made(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"'card.doc' ends with no format.*legal: .html, .pdf"):
        check_out(Path("card.doc"))
    with pytest.raises(UserError, match="there is no such folder"):
        check_out(tmp_path / "no" / "card.html")
    (tmp_path / "card.html").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        check_out(tmp_path / "card.html")
    os.mkfifo(tmp_path / "pipe.html")
    with pytest.raises(UserError, match=r"pipe.html: is no regular file, and is not replaced"):
        check_out(tmp_path / "pipe.html")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(UserError, match=r"cannot be written; choose another --out"):
        check_out(tmp_path / "other.html")
