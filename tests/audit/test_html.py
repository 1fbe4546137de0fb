"""The page: whole, escaped, without anything from elsewhere; and the terminal's table."""

import math
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from clnorm.audit.charts import draw_bars, draw_heat, draw_histograms, draw_intervals
from clnorm.audit.html import render_html, write_html
from clnorm.audit.verdicts import AuditReport, Figure, Grid, Mark, Pair, Section, Verdict
from clnorm.cli.show.audit import print_audit
from clnorm.errors import ClnormError, UserError

EVIL = '<script>alert("x")</script>&\'[red]'
VOID = {"meta", "link", "br", "img", "rect", "line", "circle", "polygon", "polyline"}


def make_report(mark=Mark.WARNING):
    section = Section(
        name="counts",
        title=f"Counts {EVIL}",
        verdict=Verdict(mark, f"found {EVIL}", f"rule {EVIL}"),
        method=f"method {EVIL}",
        values={"n": 1},
        grids=(Grid(f"caption {EVIL}", (f"column {EVIL}", "n"), ((EVIL, 0.12345), ("b", math.nan), ("c", 12345))),),
        figures=(Figure(f"figure {EVIL}", draw_bars([EVIL], {"train": np.array([3])})),),
        pairs=(Pair((EVIL, "b.avi"), (EVIL, "c"), 0.987, (b"\x89PNG", b"\x89PNG")),),
    )
    return AuditReport(f"folder:{EVIL}", f"/data/{EVIL}", "2026-01-31", "even", 0, 3, 16, 112, "f" * 64, (section,))


class Reader(HTMLParser):
    """The tags of a page, checked to be closed in order, and its text."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_names_are_escaped_everywhere():
    page = Reader(render_html(make_report()))
    assert not [tag for tag, _ in page.tags if tag == "script"]
    assert page.text.count(EVIL) >= 10
    assert [a["alt"] for tag, a in page.tags if tag == "img"] == [f"middle frame of {EVIL}", "middle frame of b.avi"]


def test_the_page_takes_nothing_from_elsewhere_and_is_accessible():
    html = render_html(make_report())
    page = Reader(html)
    sources = [value for _, a in page.tags for key, value in a.items() if key in ("src", "href")]
    assert all(value.startswith(("data:image/png;base64,", "#")) for value in sources)
    assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3\.org/2000/svg)", html)
    assert [tag for tag, _ in page.tags].count("caption") == [tag for tag, _ in page.tags].count("table")
    assert all("scope" in a for tag, a in page.tags if tag == "th")
    assert [a["aria-label"] for _, a in page.tags if a.get("role") == "img"] == [f"figure {EVIL}"]
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_control_characters_are_escapes_on_the_page_and_in_the_terminal(monkeypatch, capsys):
    name = "a\x1b[2J\u202eb\n\udcff\x00"
    monkeypatch.setattr(sys.modules[__name__], "EVIL", name)
    report = make_report()
    page = render_html(report)
    page.encode()
    print_audit(report)
    for shown in (page, capsys.readouterr().out):
        assert not set("\x1b\u202e\udcff\x00") & set(shown)
        assert r"a\x1b[2J\u202eb\n\udcff\x00" in shown


def test_the_title_has_the_folder_and_the_date():
    report = replace(make_report(), dataset="hmdb51", root="/data/hmdb51")
    assert "<title>Audit of hmdb51 in /data/hmdb51, 2026-01-31</title>" in (page := render_html(report))
    assert "Audit of hmdb51\n/data/hmdb51, 2026-01-31" in Reader(page).text
    made = Reader(render_html(replace(report, root=None))).text
    assert "Audit of hmdb51, 2026-01-31" in made
    assert "None" not in made


def test_on_a_phone_verdicts_and_pairs_are_blocks_and_only_long_cells_are_broken():
    long = "videos/brush_hair/" + "x" * 80
    section = replace(make_report().sections[0], grids=(Grid("g", ("a", "b"), ((long, "short"), ("short", long))),))
    page = render_html(replace(make_report(), sections=(section,)))
    tags = Reader(page).tags
    assert sum("stacked" in a.get("class", "").split() for tag, a in tags if tag == "table") == 2
    assert [a.get("class") for tag, a in tags if tag in ("td", "th") and a.get("class") == "long"] == ["long"] * 2
    rules = page.partition("@media (max-width: 40rem) {")[2]
    assert ".stacked tr { display: flex;" in rules
    for svg in (a["style"] for tag, a in tags if tag == "svg" and "max-width" in a.get("style", "")):
        most, least = (float(re.search(rf"{side}-width:([0-9.]+)px", svg)[1]) for side in ("max", "min"))
        assert least == pytest.approx(0.8 * most, abs=0.1), "text is not made smaller than that"


def test_a_caption_is_no_wider_than_what_scrolls_below_it_and_names_are_broken_on_a_phone():
    page = render_html(make_report())
    assert ".scroll { overflow-x: auto; container-type: inline-size;" in page
    assert ".scroll caption { width: max-content; max-width: 100cqi; }" in page, "100vw has the scroll bar in it"
    rules = page.partition("@media (max-width: 40rem) {")[2].partition("@media print")[0]
    assert re.search(r"\.scroll tbody th[^{]*\{ white-space: normal; overflow-wrap: anywhere; \}", rules)


def test_the_counts_of_bars_stand_before_them_within_a_narrow_page():
    drawing = draw_bars(["brush_hair", "cartwheel"], {"train": np.array([300, 2]), "test": np.array([12, 0])})
    places = {text: float(x) for x, text in re.findall(r'<text x="([0-9.]+)"[^>]*>([^<]*)</text>', drawing)}
    bars = [float(x) for x in re.findall(r'<rect x="([0-9.]+)" y="(?!4")', drawing)]
    assert places["brush_hair"] < places["300 + 12"] == places["2 + 0"] < min(bars)
    assert 0.8 * places["300 + 12"] < 360 - 2 * 16, "a page of 360 px shows drawings at 0.8 of their size or more"


def test_a_long_name_is_cut_in_drawings_alone():
    drawing = draw_bars(["x" * 100], {"train": np.array([3])})
    assert f">{'x' * 35}…<" in drawing
    width = float(re.search(r'viewBox="0 0 ([0-9.]+)', drawing)[1])
    assert width < 900


@pytest.mark.parametrize(("mark", "sign"), [(Mark.OK, "✓"), (Mark.NOTE, "i"), (Mark.WARNING, "!"), (Mark.UNKNOWN, "?")])
def test_marks_are_signs_and_words(mark, sign):
    html = render_html(make_report(mark))
    assert html.count(f"{sign}</b>{mark}</span>") == 2  # in the table of verdicts and in the section


def test_numbers_have_three_digits():
    text = Reader(render_html(make_report())).text
    for word in ("0.123", "--", "12,345", "0.987"):
        assert word in text
    assert "0.1234" not in text


def test_the_file_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "audit.html"
    path.write_text("old")
    monkeypatch.setattr("clnorm.files.os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(ClnormError, match="No space left"):
        write_html(make_report(), path)
    assert path.read_text() == "old"
    monkeypatch.undo()
    write_html(make_report(), path)
    assert path.read_text(encoding="utf-8") == render_html(make_report())
    assert [entry.name for entry in tmp_path.iterdir()] == ["audit.html"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(UserError, match="there is no such folder"):
        write_html(make_report(), tmp_path / "absent" / "a.html")
    with pytest.raises(UserError, match="is a folder"):
        write_html(make_report(), tmp_path)


def test_drawings_are_xml_and_have_every_name_and_number():
    names = [EVIL, "walk"]
    heat = draw_heat(names, ["brightness"], np.array([[-0.5], [np.nan]]))
    drawings = {
        draw_bars(names, {"train": np.array([3, 7]), "test": np.array([1, 0])}): [EVIL, "3 + 1", "7 + 0"],
        draw_histograms({EVIL: {"train": np.array([1.0, 2.0]), "test": np.array([1.5])}}): [EVIL, "1", "2"],
        draw_histograms({"flat": {"all": np.array([3, 3])}}): ["flat", "3"],
        heat: [EVIL, "-0.50", "--"],
        draw_intervals([(EVIL, 0.5, 0.4, 0.6)], chance=0.1): [EVIL, "50.0 %"],
    }
    for drawing, words in drawings.items():
        texts = [element.text for element in ElementTree.fromstring(drawing).iter() if element.tag.endswith("text")]
        assert set(words) <= set(texts)


def test_a_histogram_has_the_height_of_its_shares():
    drawing = draw_histograms({"x": {"train": np.array([0.0] * 3 + [24.0])}})
    polygon = next(e for e in ElementTree.fromstring(drawing).iter() if e.tag.endswith("polygon"))
    heights = [float(point.split(",")[1]) for point in polygon.attrib["points"].split()]
    bottom = heights[0]
    assert bottom - heights[1] == pytest.approx(3 * (bottom - heights[-2]), abs=0.3)


def test_the_terminal_shows_verdicts_without_markup(capsys):
    print_audit(make_report())
    out = capsys.readouterr().out
    assert "[red]" in out
    assert "warning" in out
    assert "1 warning" in out


def test_the_template_goes_with_the_package():
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert "report.html" in project["tool"]["setuptools"]["package-data"]["clnorm.audit"]
