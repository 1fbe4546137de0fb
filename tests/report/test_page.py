"""The page itself: whole, escaped, the same for the same records, and without anything from elsewhere."""

import base64
import hashlib
import os
import re
import shutil
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from clnorm.cli.main import main
from clnorm.figures.registry import FIGURES
from clnorm.report.page import create_report, render_report
from clnorm.results.record import read_record
from tests.audit.test_html import Reader
from tests.report.made import EVIL, find_run, make_grid, rewrite

ROOT = Path(__file__).parents[2]
SHOWN = r'</script><img src=x onerror="document.title=1">&\x1b[2J\u202eb\udcff'


def test_the_same_records_give_the_same_page_wherever_and_whenever(tmp_path):
    make_grid(tmp_path / "many", strategies=("naive",), norms=("cn",))
    first = render_report(create_report(tmp_path / "many"))
    shutil.copytree(tmp_path / "many", tmp_path / "elsewhere" / "many")
    for file in (tmp_path / "elsewhere").rglob("*"):
        os.utime(file, (1e9, 1e9))
    assert render_report(create_report(tmp_path / "elsewhere" / "many")) == first
    assert str(tmp_path) not in first


def test_names_of_records_are_text_and_visible(tmp_path, read_data):
    make_grid(tmp_path, strategies=("naive",), norms=("cn",), seeds=(0,))
    (path,) = tmp_path.iterdir()
    names = dict.fromkeys(("dataset", "protocol", "backbone", "norm", "strategy"), EVIL[:-1])
    evil = {
        "config": {EVIL[:-1]: EVIL[:-1]},
        "versions": {EVIL[:-1]: EVIL[:-1]},
        "classes": [f"{EVIL[:-1]}{i}" for i in range(6)],
    }
    rewrite(path, names=names, run=EVIL[:-1], **evil)
    (tmp_path / EVIL.replace("/", "")).mkdir()
    (tmp_path / EVIL.replace("/", "") / "log.jsonl").write_text("")
    page = render_report(create_report(tmp_path))
    page.encode()
    assert not set("\x1b\u202e\udcff") & set(page)
    read = Reader(page)
    tags = [tag for tag, _ in read.tags]
    assert tags.count("script") == 2
    assert all(
        attributes["src"].startswith("data:image/svg+xml;base64,") for tag, attributes in read.tags if tag == "img"
    )
    (run,) = read_data(page)["runs"]
    assert run["norm"] == run["run"] == SHOWN[:-6]
    assert SHOWN.replace("/", "") in read.text, "the folder that cannot be read"


def test_the_policy_allows_the_style_and_the_script_of_the_page_alone(html):
    page = Reader(html)
    (policy,) = [a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    for tag in ("style", "script"):
        ((text),) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    assert not [a for _, a in page.tags if "style" in a or any(name.startswith("on") for name in a)]
    sources = [value for _, a in page.tags for key, value in a.items() if key in ("src", "href")]
    assert all(value.startswith(("data:", "#")) for value in sources)
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|fetch\(|XMLHttp", script)


def test_figures_are_pictures_or_have_a_reason(html, report):
    page = Reader(html)
    (drawings,) = report.drawings
    pictures = {a["alt"].partition(":")[0]: a["src"] for tag, a in page.tags if tag == "img"}
    assert pictures.keys() == {drawing.name for drawing in drawings if drawing.pages}
    for source in pictures.values():
        ElementTree.fromstring(base64.b64decode(source.partition(",")[2]))
    undrawn = {drawing.name: drawing.reason for drawing in drawings if not drawing.pages}
    assert pictures.keys() | undrawn.keys() == {*FIGURES}
    for reason in undrawn.values():
        assert reason in page.text
    assert "the runs have 3 orders of their classes; choose one with --where seed=0" in undrawn["confusion"]
    assert "bn with replay has no finished run with seed" not in undrawn.get("accuracy", "")


def test_a_norm_that_lacks_a_seed_is_left_out_of_figures_and_named(tmp_path, capsys):
    """The others are drawn as if it were not there."""
    make_grid(tmp_path / "a", norms=("cn", "bn"), strategies=("naive", "replay"))
    make_grid(tmp_path / "b", norms=("cn", "bn"), strategies=("naive", "replay"))
    shutil.rmtree(find_run(tmp_path / "a", "bn-replay-s1"))
    for seed in (0, 1, 2):
        shutil.rmtree(find_run(tmp_path / "b", f"bn-replay-s{seed}"))
    (lacking,), (without,) = (create_report(tmp_path / name).drawings for name in "ab")
    drawn = {drawing.name for drawing in lacking if drawing.pages}
    assert drawn >= {"accuracy", "forgetting", "loss", "matrix", "tradeoff"}
    for one, other in zip(lacking, without, strict=True):
        if one.name in drawn - {"sites"}:  # which only the first seed keeps
            assert one.incomplete == ("bn with replay",)
            assert one.pages == other.pages, one.name
    assert not any(drawing.incomplete for drawing in without)
    out = tmp_path / "report.html"
    assert main(["report", str(tmp_path / "a"), "--out", str(out)]) == 0
    assert "since others have seeds that they lack: bn with replay" in capsys.readouterr().err
    assert Reader(out.read_text()).text.count("; without bn with replay, which lack a seed that others have") >= 5


def test_where_no_norm_has_all_seeds_the_reason_says_so(tmp_path):
    make_grid(tmp_path, norms=("cn",), strategies=("naive",), seeds=(0, 1))
    make_grid(tmp_path, norms=("bn",), strategies=("naive",), seeds=(1, 2))
    ((accuracy, *_),) = create_report(tmp_path).drawings
    assert accuracy.pages == ()
    assert "has no finished run with seed" in accuracy.reason


def test_a_figure_of_many_panels_has_its_pages(tmp_path):
    """Two norms under ten strategies are twenty matrices, of which sixteen fit a page."""
    make_grid(tmp_path, seeds=(0,))
    for norm in ("cn", "bn"):
        for number in range(8):
            folder = tmp_path / f"{norm}-{number}"
            shutil.copytree(find_run(tmp_path, f"-{norm}-naive-s0"), folder)
            record = read_record(folder / "record.json")
            rewrite(folder, run=folder.name, names={**record.names, "strategy": f"mine{number}"})
    page = Reader(render_report(create_report(tmp_path)))
    named = [a["alt"] for tag, a in page.tags if tag == "img" and a["alt"].startswith("matrix")]
    assert named == [f"matrix ({number} of 2): the accuracy matrix as a heat map" for number in (1, 2)]
    assert "matrix (2 of 2): the accuracy matrix as a heat map" in page.text.replace("\n", "")
    assert "accuracy: accuracy on all experiences" in page.text.replace("\n", "")


def test_the_command_writes_the_page_and_names_what_is_not_in_it(folder, tmp_path, capsys):
    out = tmp_path / "report.html"
    out.write_text("old")
    assert main(["report", str(folder), "--out", str(out)]) == 1
    printed = capsys.readouterr()
    assert printed.out == f"wrote {out}: 13 runs, 12 finished\n"
    assert f"not finished, and in no mean: {find_run(folder, 'gn-replay-s1').name}" in printed.err
    assert "not drawn of " in printed.err
    assert "error: 1 run is left out, because it cannot be read: " in printed.err
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_damaged_file_of_a_run_is_an_error_too(folder, tmp_path, capsys):
    arguments = ["report", str(folder), "--out", str(tmp_path / "a.html"), "--where", "norm=bn"]
    copy = tmp_path / "bn"
    for path in folder.glob("*-bn-*"):
        shutil.copytree(path, copy / path.name)
    assert main([*arguments[:1], str(copy), *arguments[2:]]) == 1
    assert "error: 1 file is left out, because it cannot be read: " in capsys.readouterr().err


def test_whole_folders_leave_with_0(tmp_path, capsys):
    make_grid(tmp_path / "runs", strategies=("naive",), norms=("cn",))
    assert main(["report", str(tmp_path / "runs"), "--out", str(tmp_path / "a.html")]) == 0
    assert capsys.readouterr().out == f"wrote {tmp_path / 'a.html'}: 3 runs, 3 finished\n"


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("absent/a.html", "there is no such folder"),
        (".", "is a folder"),
        ("", "is a folder"),
        ("record.json", "--out: 'record.json' is no name of a page; legal: .htm, .html"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_read(tmp_path, out, message, capsys):
    assert main(["report", str(tmp_path / "absent"), "--out", str(tmp_path / out)]) == 2
    assert message in capsys.readouterr().err


def test_a_report_needs_no_torch(folder, tmp_path, packages_loaded):
    path = tmp_path / "one"
    shutil.copytree(find_run(folder, "cn-naive-s0"), path)
    loaded = packages_loaded("report", str(path), "--out", str(tmp_path / "a.html"))
    assert not loaded & {"avalanche", "timm", "torch", "torchcodec", "torchvision"}


def test_the_parts_of_the_page_go_with_the_package():
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    for package in ("pages", "report", "audit"):
        folder = ROOT / "clnorm" / package
        packed = {path for pattern in data[f"clnorm.{package}"] for path in folder.glob(pattern)}
        assert packed == {path for path in folder.rglob("*") if path.suffix in (".html", ".css", ".js")}
