"""What tests of reports share: a folder with runs of all kinds, its page, and a browser."""

import json
import re
import shutil

import pytest

from clnorm.report.page import create_report, render_report
from tests.report.made import damage, explain, find_run, leave_unfinished, make_grid


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Two norms under two strategies with three seeds; one run more is unfinished, one unreadable, a file damaged."""
    root = tmp_path_factory.mktemp("desk") / "many"
    make_grid(root)
    make_grid(root, norms=("gn",), strategies=("replay",), seeds=(0, 1))
    leave_unfinished(root, "gn-replay-s1")
    damage(find_run(root, "gn-replay-s0") / "record.json")
    damage(find_run(root, "bn-naive-s2") / "predictions.parquet")
    explain(find_run(root, "bn-replay-s0"))
    return root


@pytest.fixture(scope="session")
def report(folder):
    return create_report(folder)


@pytest.fixture(scope="session")
def html(report):
    return render_report(report)


@pytest.fixture(scope="session")
def read_data():
    """What a page tells its script."""

    def read(page):
        (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
        return json.loads(text)

    return read


@pytest.fixture(scope="module")
def browser():
    """Chromium; whatever uses it is marked `browser`. Of a module: it keeps an event loop while it is there."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = shutil.which("chromium")
        assert path, "CLNORM_REQUIRE_BROWSER=1 asks for Chromium; install it with: make browser"
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()
