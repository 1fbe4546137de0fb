"""Wide means: in parts that fit on paper, and on a screen with a shadow where they go on."""

from io import BytesIO
from itertools import pairwise

import pytest
from PIL import Image

from clnorm.report.page import create_report, render_report
from tests.report.made import make_grid

STRATEGIES = (
    "naive",
    "replay",
    "er_ace",
    "der",
    "derpp",
    "agem",
    "icarl",
    "ewc",
    "si",
    "mas",
    "lwf",
    "l2_init",
    "joint",
)
BOXES = """selector => [...document.querySelectorAll(selector)].filter(each => each.checkVisibility()).map(each => {
    const {left, right, top, bottom} = each.getBoundingClientRect(); return [left, right, top, bottom] })"""


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """The address of a page of two norms under many strategies."""
    root = tmp_path_factory.mktemp("wide")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmarks.report.STRATEGIES", dict.fromkeys(STRATEGIES, 0.5))
        make_grid(root / "runs", strategies=STRATEGIES, seeds=(0, 1))
    file = root / "report.html"
    file.write_text(render_report(create_report(root / "runs")), encoding="utf-8")
    return file.as_uri()


# A4 has 794 x 1123 pixels of CSS, less margins of 1 cm.
@pytest.mark.parametrize("width", [718, 1047])
def test_on_paper_all_means_are_within_the_page_and_nothing_overlaps(browser, wide, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(wide)
    page.emulate_media(media="print")
    boxes = page.evaluate(BOXES, ".means table")
    assert len(boxes) == 6, "three parts of each metric"
    assert all(0 <= left < right <= width for left, right, _, _ in boxes)
    tops = sorted((top, bottom) for _, _, top, bottom in boxes)
    assert all(before[1] <= after[0] for before, after in pairwise(tops))
    for part in page.locator(".means table").all():
        if part.is_visible():
            cells = part.evaluate(f"table => ({BOXES})('#' + (table.id = 'looked-at') + ' tbody tr:first-child > *')")
            part.evaluate("table => table.removeAttribute('id')")
            assert all(one[1] <= other[0] + 0.5 for one, other in pairwise(cells))
    headings = [text for text in page.locator(".means thead th:visible").all_inner_texts() if text != "norm"]
    assert headings == list(STRATEGIES) * 2
    shown = page.locator(".means td:visible").all_inner_texts()
    page.emulate_media(media="screen")
    assert sorted(shown) == sorted(page.locator(".means td:visible").all_inner_texts())
    page.close()


def test_on_a_screen_there_is_one_table_of_each_metric(browser, wide):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(wide)
    assert page.locator(".means table:visible").count() == 2
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_table_that_scrolls_has_a_shadow_where_it_goes_on(browser, wide, scheme):
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    page.goto(wide)
    box = page.locator(".means .scroll:visible").first

    def edges():
        picture = Image.open(BytesIO(box.screenshot())).convert("L")
        line = picture.crop((0, 3, picture.width, 4))  # above all that is written
        return [line.getpixel((x, 0)) - line.getpixel((picture.width // 2, 0)) for x in (1, picture.width - 2)]

    assert edges() == [0, pytest.approx(edges()[1])]
    assert abs(edges()[1]) > 5
    box.evaluate("box => box.scrollTo(box.scrollWidth, 0)")
    assert abs(edges()[0]) > 5
    assert edges()[1] == 0
    page.set_viewport_size({"width": 3000, "height": 900})
    assert edges() == [0, 0]
    page.close()


def test_two_narrow_metrics_stand_side_by_side(browser, site_of_two):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(site_of_two)
    first, second = page.evaluate(BOXES, ".means table")
    assert first[2] == second[2]
    assert first[1] <= second[0]
    page.set_viewport_size({"width": 500, "height": 900})
    first, second = page.evaluate(BOXES, ".means table")
    assert first[3] <= second[2]
    page.close()


@pytest.fixture(scope="module")
def site_of_two(html, tmp_path_factory):
    """The address of a page of two strategies."""
    file = tmp_path_factory.mktemp("narrow") / "report.html"
    file.write_text(html, encoding="utf-8")
    return file.as_uri()
