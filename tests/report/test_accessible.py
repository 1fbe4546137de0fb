"""The page for all: nothing serious that axe finds, light and dark, no scrolling sideways on a phone, and print."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from clnorm.report.page import create_report, render_report
from tests.report.made import find_run, make_grid


@pytest.fixture(scope="module")
def site(html, tmp_path_factory):
    file = tmp_path_factory.mktemp("site") / "report.html"
    file.write_text(html, encoding="utf-8")
    return file.as_uri()


@pytest.fixture(scope="module")
def views(folder):
    """Fragments of one view of each kind."""
    first, second, third = (find_run(folder, name).name for name in ("bn-replay-s0", "cn-naive-s1", "gn-replay-s1"))
    return ["", f"#run={first}", f"#run={third}", f"#compare={first},{second}", "#norms=bn,cn", "#run=absent"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, site, views, scheme):
    page = browser.new_page(color_scheme=scheme)
    found = {}
    for view in views:
        page.goto(site + view)
        page.reload()
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        for problem in Axe().run(page).response["violations"]:
            if problem["impact"] in ("serious", "critical"):
                found[view, problem["id"]] = [node["html"] for node in problem["nodes"]][:3]
    page.close()
    assert found == {}


@pytest.mark.parametrize("width", [390, 1280])
def test_no_view_is_wider_than_its_window(browser, site, views, width):
    page = browser.new_page(viewport={"width": width, "height": 844})
    wide = {}
    for view in views:
        page.goto(site + view)
        page.reload()
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        if (found := page.evaluate("document.documentElement.scrollWidth")) > width:
            wide[view] = found
    page.close()
    assert wide == {}


def test_what_scrolls_is_reached_by_the_keyboard(browser, site, views):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    for view in views:
        page.goto(site + view)
        page.reload()
        boxes = page.locator(".scroll").all()
        assert all(box.get_attribute("tabindex") == "0" for box in boxes)
        assert all(box.get_attribute("aria-label") or box.get_attribute("aria-labelledby") for box in boxes)
    page.close()


def test_print_is_dark_on_light_and_has_all_runs(browser, site):
    page = browser.new_page(color_scheme="dark")
    page.goto(site)
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("#filters").is_hidden()
    assert page.evaluate("getComputedStyle(document.getElementById('runs')).maxHeight") == "none"
    page.close()


def test_settings_have_sections_of_their_own_and_a_filter(browser, tmp_path):
    make_grid(tmp_path / "runs", strategies=("naive",))
    make_grid(tmp_path / "runs", strategies=("naive",), **{"train.lr": 0.004})
    file = tmp_path / "a.html"
    file.write_text(render_report(create_report(tmp_path / "runs")), encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())
    assert page.locator("#means h3").all_inner_texts() == [
        f"synthetic:classes=6,test=5 · even:experiences=3 · lsvit_nano · train.lr {rate}" for rate in ("0.002", "0.004")
    ]
    page.locator("#means h3 a").nth(1).click()
    assert page.locator("#means h3:visible").count() == 1
    assert page.locator("#runs tbody tr").count() == 6
    assert page.locator("#runs tbody tr", has_text="train.lr 0.004").count() == 6, "told apart in the table, too"
    page.locator("#filter-setting").select_option(label="all")
    assert page.locator("#means h3:visible").count() == 2
    assert page.locator("#runs tbody tr").count() == 12
    page.close()
