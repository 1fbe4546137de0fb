"""The page in a browser: what is shown, sorted, filtered and compared, by mouse, keyboard and address."""

import json
import re

import pytest

from clnorm.evaluation.stats import paired_difference
from clnorm.report.page import create_report, render_report
from clnorm.results.load import load_results
from clnorm.results.percent import percent
from clnorm.results.record import read_record
from tests.report.made import EVIL, find_run, make_grid, rewrite


@pytest.fixture(scope="module")
def site(html, tmp_path_factory):
    """The address of the page."""
    file = tmp_path_factory.mktemp("site") / "report.html"
    file.write_text(html, encoding="utf-8")
    return file.as_uri()


@pytest.fixture
def visit(browser, site):
    """Opens the page at a fragment; at the end nothing may have gone wrong or have been asked of a network."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    said, asked = [], []

    def visit(fragment="", address=site):
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address + fragment)
        return page

    yield visit
    context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


@pytest.fixture(scope="module")
def results(folder):
    return load_results(folder, on_unreadable=lambda _: None, columns=["folder"])


def column(page, heading):
    """The texts of a column of the table of runs."""
    names = [text.strip(" ▲▼") for text in page.locator("#runs thead th").all_inner_texts()]
    return page.locator(f"#runs tbody tr > :nth-child({names.index(heading) + 1})").all_inner_texts()


def cells(page, caption):
    """The rows of a table below its head."""
    rows = page.locator(
        "table:not([hidden] *)", has=page.locator("caption", has_text=re.compile(f"^{re.escape(caption)}"))
    )
    return [row.locator("th, td").all_inner_texts() for row in rows.first.locator("tbody tr").all()]


def press_heading(page, name):
    page.locator("#runs thead button", has_text=re.compile(rf"^{name}")).click()


def test_a_heading_sorts_the_best_first_and_again_the_other_way(visit, results):
    page = visit()
    values = results[results["metric"] == "accuracy"]["value"].sort_values(ascending=False)
    best = [percent(value) for value in values]
    press_heading(page, "ACC")
    assert column(page, "ACC") == [*best, "--"], "a run without a value stands last"
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    press_heading(page, "ACC")
    assert column(page, "ACC") == [*reversed(best), "--"]
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    press_heading(page, "forgetting")
    shown = [float(text) for text in column(page, "forgetting") if text != "--"]
    assert shown == sorted(shown), "of forgetting the least is the best"
    assert page.evaluate("location.hash") == "#sort=forgetting"


def test_headings_sort_by_keyboard_and_keep_the_focus(visit):
    page = visit()
    page.locator("#runs thead button", has_text="seed").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert column(page, "seed") == sorted(column(page, "seed"), reverse=True)
    assert page.evaluate("document.activeElement.dataset.sort") == "seed"


def test_filters_are_of_names_and_words_and_stand_in_the_address(visit):
    page = visit()
    assert page.locator("#count").inner_text() == "13 of 13 runs; metrics in %"
    page.locator("#filter-strategy").select_option("replay")
    page.locator("#filter-text").fill("seed=1 CN")
    assert column(page, "norm") == ["cn"]
    assert column(page, "strategy") == ["replay"]
    assert page.locator("#count").inner_text() == "1 of 13 runs; metrics in %"
    assert page.evaluate("location.hash") == "#strategy=replay&text=seed%3D1%20CN"
    page.locator("#filter-text").fill("no such word")
    assert page.locator("#runs tbody tr").count() == 0
    assert page.locator("#runs").inner_text().endswith("press clear for all runs.")
    assert "No run matches" in page.locator("#runs").inner_text()
    page.locator("#clear").click()
    assert page.locator("#runs tbody tr").count() == 13
    page.locator("header a", has_text="1 unfinished").click()
    assert column(page, "status") == ["1 of 3 experiences"]


def test_the_words_that_the_filter_suggests_find_runs_and_so_does_a_key_that_all_have(visit, folder):
    page = visit()
    hint = page.locator("#filter-text").get_attribute("placeholder")
    page.locator("#filter-text").fill(hint.removeprefix("words, such as "))
    assert 0 < page.locator("#runs tbody tr").count() < 13
    lr = read_record(find_run(folder, "cn-replay-s2") / "record.json").config["train"]["lr"]
    page.locator("#filter-text").fill(f"train.lr={lr} cn")
    assert set(column(page, "norm")) == {"cn"}
    page.locator("#filter-text").fill("train.lr=77")
    assert page.locator("#runs tbody tr").count() == 0


def test_one_seed_has_no_interval_and_none_is_spoken_of(visit, tmp_path):
    make_grid(tmp_path / "runs", seeds=(0,))
    file = tmp_path / "one.html"
    file.write_text(render_report(create_report(tmp_path / "runs")), encoding="utf-8")
    page = visit(address=file.as_uri())
    captions = page.locator(".means caption").all_inner_texts()
    assert captions == ["ACC in %, of one seed", "forgetting in %, of one seed"]


def test_an_address_shows_what_it_says_and_back_leads_back(visit, folder):
    name = find_run(folder, "cn-replay-s2").name
    page = visit("#norm=cn&sort=-accuracy&strategy=replay")
    assert column(page, "norm") == ["cn"] * 3
    assert page.locator("#filter-norm").input_value() == "cn"
    page.locator("#runs a", has_text="cn").first.click()
    page.wait_for_selector("#view-title")
    assert page.evaluate("document.activeElement.id") == "view-title"
    page.go_back()
    page.wait_for_selector("#runs table", state="visible")
    assert page.locator("#view").is_hidden()
    assert column(page, "norm") == ["cn"] * 3
    page.goto(page.url.partition("#")[0] + f"#run={name}")
    assert page.locator("#view-title").inner_text() == "cn \u00d7 replay, seed 2"
    assert page.title().startswith("cn \u00d7 replay, seed 2")
    assert page.locator("#overview").is_hidden()


@pytest.mark.parametrize(
    ("fragment", "told"),
    [
        ("#run=absent", "There is no run absent"),
        ("#compare=absent,other", "There is no run absent, other"),
        ("#norms=cn", "of two norms"),
        ("#norms=cn,absent", "No means of absent"),
        ("#run=%E0%A4%A", "not understood at run=%E0%A4%A"),
    ],
)
def test_an_address_that_means_nothing_says_so(visit, fragment, told):
    assert told in visit(fragment).locator("#view").inner_text()


def test_a_run_is_shown_with_the_numbers_of_its_record(visit, folder):
    path = find_run(folder, "bn-replay-s0")
    record = read_record(path / "record.json")
    page = visit(f"#run={path.name}")
    matrix = cells(page, "Accuracy in % on each experience")
    assert [row[1:] for row in matrix] == [["" if v is None else percent(v) for v in row] for row in record.matrix]
    metrics = {row[0]: row[1] for row in cells(page, "Metrics")}
    assert metrics["ACC"] == percent(record.metrics["accuracy"])
    assert [row[0] for row in cells(page, "Classes")] == [record.classes[k] for e in record.experiences for k in e]
    changed = {row[0]: row[1:] for row in cells(page, "Keys that differ from the defaults")}
    assert changed["train.epochs"] == ["2", "10"]
    assert cells(page, "Plasticity at the norm sites, after experience 1 → 3")[0][0] == "blocks.0.norm0"
    assert [row[0] for row in cells(page, "Where its forgetting lives")] == ["1", "2", "mean"]
    assert page.locator(".curve polyline").count() == 3
    folded = page.locator("summary").all_inner_texts()
    assert {"execution", "versions", "cost", "data"} <= set(folded)
    assert any(re.fullmatch(r"All \d+ keys", text) for text in folded)


def test_a_run_lacks_nothing_that_show_prints_of_it(visit, folder, capsys):
    from clnorm.cli.main import main

    path = find_run(folder, "bn-replay-s0")
    page = visit(f"#run={path.name}")
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    shown = re.sub(r"\s+", " ", page.locator("#view").inner_text())
    assert main(["show", str(path)]) == 0
    printed = capsys.readouterr().out.replace("record.json", "")
    numbers = set(re.findall(r"(?<![\w.])-?\d+\.\d+(?!\w)", printed)) - {"1.0"}
    assert numbers
    assert {number for number in numbers if number not in shown} <= set(re.findall(r"time: (\S+)", printed))


def test_an_unfinished_run_says_how_far_it_is(visit, folder):
    text = visit(f"#run={find_run(folder, 'gn-replay-s1').name}").locator("#view").inner_text()
    assert "Not finished: 1 of 3 experiences" in text


def test_two_runs_are_chosen_and_compared(visit, folder):
    first, second = (read_record(find_run(folder, name) / "record.json") for name in ("cn-naive-s0", "bn-replay-s0"))
    page = visit()
    for record in (first, second):
        page.locator(f'input[aria-label="compare {record.run}"]').check()
    page.locator("#chosen a").click()
    page.wait_for_selector("#view-title")
    assert page.evaluate("location.hash") == f"#compare={first.run},{second.run}"
    rows = {row[0]: row[1:] for row in cells(page, "Metrics in %")}
    a, b = first.metrics["accuracy"], second.metrics["accuracy"]
    assert rows["ACC"] == [percent(a), percent(b), percent(b - a, sign="+")]
    assert [row[0] for row in cells(page, "Keys in which they differ")] == ["norm", "strategy"]
    page.go_back()
    page.wait_for_selector("#chosen a")
    assert page.locator("#runs input:checked").count() == 2


def test_the_learning_curves_of_two_runs_have_one_scale(visit, tmp_path):
    make_grid(tmp_path / "runs", norms=("cn",), strategies=("naive",), seeds=(0, 1))
    for seed, scale in ((0, 1.9), (1, 2.1)):
        log = find_run(tmp_path / "runs", f"s{seed}") / "log.jsonl"
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        log.write_text("".join(json.dumps({**line, "loss": scale}) + "\n" for line in lines))
    report = create_report(tmp_path / "runs")
    file = tmp_path / "two.html"
    file.write_text(render_report(report), encoding="utf-8")
    page = visit("#compare=" + ",".join(run.id for run in report.collection.runs), file.as_uri())
    page.wait_for_selector("#view-title")
    scales = [curve.locator('text[text-anchor="end"]').all_text_contents() for curve in page.locator(".curve").all()]
    assert scales == [["0", "2.5", "5"]] * 2


def test_two_norms_are_compared_over_pairs_of_seeds(visit, results):
    page = visit()
    page.locator("form.pair select").nth(0).select_option("bn")
    page.locator("form.pair select").nth(1).select_option("cn")
    page.locator("form.pair button").click()
    page.wait_for_selector("#view-title")
    rows = {row[0]: row[1:] for row in cells(page, "ACC in %")}
    chosen = results[(results["metric"] == "accuracy") & (results["strategy"] == "replay")]
    values = {norm: dict(zip(own["seed"], own["value"], strict=True)) for norm, own in chosen.groupby("norm")}
    wanted = paired_difference(values["cn"], values["bn"])
    told = page.locator("#view").inner_text()
    assert "Neither interval is corrected for several comparisons; the p of that table's star is (Holm)." in told
    assert rows["replay"][2:] == [f"{percent(wanted.mean, sign='+')} ± {percent(wanted.half_width)}", "3"]
    (key, bn, cn) = cells(page, "Keys in which their runs differ")[0]
    assert key == "norm"
    assert bn.startswith("bn:")
    assert cn.startswith("cn:")


def test_a_mean_leads_to_its_runs(visit, results):
    page = visit("#metric=forgetting&also=none")
    (own,) = (
        rows["value"].mean()
        for (norm, strategy, metric), rows in results.groupby(["norm", "strategy", "metric"])
        if (norm, strategy, metric) == ("cn", "replay", "forgetting")
    )
    cell = page.locator('.mean a[aria-label$="the runs of cn under replay"]')
    assert cell.inner_text().startswith(percent(own))
    cell.click()
    assert column(page, "norm") == ["cn"] * 3
    assert column(page, "strategy") == ["replay"] * 3
    assert page.locator("#metric").input_value() == "forgetting"


def test_numbers_are_rounded_as_everywhere_else(visit, tmp_path):
    make_grid(tmp_path / "runs", norms=("cn",), strategies=("naive",), seeds=(0,))
    (path,) = (tmp_path / "runs").iterdir()
    tricky = [0.6655, 0.0005, -0.0005, 0.00049999999999, -0.0004, 0.99949999999999, 0.9995, 1.0, 0.1 + 0.2, 1 / 3, 0.07]
    kept = read_record(path / "record.json").metrics
    metrics = dict(zip(kept, tricky, strict=False))
    rewrite(path, metrics={**metrics, "unknown:metric": 0.12345})
    file = tmp_path / "a.html"
    file.write_text(render_report(create_report(tmp_path / "runs")), encoding="utf-8")
    page = visit(f"#run={path.name}", file.as_uri())
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    shown = [row[1] for caption in ("Metrics", "More metrics") for row in cells(page, caption)]
    assert sorted(shown) == sorted(map(percent, [*tricky, 0.12345]))


def test_names_of_records_are_shown_as_text(visit, tmp_path):
    make_grid(tmp_path / "runs", norms=("cn",), strategies=("naive",), seeds=(0, 1, 2))
    name = EVIL.replace("/", "").replace("\udcff", "")
    for path in sorted((tmp_path / "runs").iterdir()):
        record = read_record(path / "record.json")
        names = {**record.names, "norm": name, "strategy": f"{name},{name}"}
        rewrite(
            path, names=names, classes=[f"{name}{label}" for label in range(6)], config={**record.config, name: name}
        )
        path.rename(path.with_name(f"{path.name[-8:]}{name}%2C,&="))
    file = tmp_path / "a.html"
    file.write_text(render_report(create_report(tmp_path / "runs")), encoding="utf-8")
    page = visit("", file.as_uri())
    shown = r'<script><img src=x onerror="document.title=1">&\x1b[2J\u202eb'
    assert column(page, "norm") == [shown] * 3
    page.locator("#filter-norm").select_option(shown)
    assert page.locator("#runs tbody tr").count() == 3
    page.locator("#runs a").first.click()
    assert page.locator("#view-title").inner_text()[:-1] == f"{shown} \u00d7 {shown},{shown}, seed "
    assert cells(page, "Classes")[0][0].startswith(shown)
    page.locator("form.pair button").click()
    page.wait_for_selector("#view-title:text('side by side')")
    assert page.locator("img[src=x], script").count() == 2
    assert page.title().endswith("Runs in runs")
