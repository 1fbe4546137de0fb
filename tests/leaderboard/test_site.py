"""The site: what counts and what does not, the pages, and the folder that they replace."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.made import keep_run
from clnorm.cli.main import main
from clnorm.leaderboard.entries import read_entries
from clnorm.leaderboard.site import build_site
from clnorm.results.folder import RunFolder, read_frame, write_frame
from clnorm.results.published import COLUMNS
from clnorm.results.record import read_record
from tests.audit.test_html import EVIL, Reader

REFERENCE = Path(__file__).parents[2] / "tests/results/earlier"


def run_of(records, norm="bn", seed=0):
    (found,) = records.glob(f"part/*-{norm}-naive-s{seed}-*")
    return found


def rewrite(run, **changes):
    RunFolder(run).write("record.json", replace(read_record(run / "record.json"), **changes).to_json())


def reasons(records):
    return {each.place: each.reason for each in read_entries(records)[1]}


def pages(site):
    return {path.name: path.read_text(encoding="utf-8") for path in site.iterdir() if path.suffix == ".html"}


def test_what_follows_from_its_predictions_counts(records):
    entries, left_out = read_entries(records)
    assert (len(entries), left_out) == (9, [])
    for entry in entries:
        record = read_record(records / entry.place / "record.json")
        assert entry.values["accuracy"] == record.metrics["accuracy"]
        assert entry.unchecked == ""


def forge_matrix(run):
    rewrite(run, matrix=[[1.0, None], [1.0, 1.0]])


def forge_metric(run):
    rewrite(run, metrics={**read_record(run / "record.json").metrics, "accuracy": 0.99})


def forge_name(run):
    rewrite(run, names={**read_record(run / "record.json").names, "norm": "gn"})


def forge_setting(run):
    rewrite(run, setting="00000000")


def lose_predictions(run):
    (run / "predictions.parquet").unlink()


def take_anothers(run):
    (other,) = run.parent.glob("*-cn-naive-s1-*")
    shutil.copy(other / "predictions.parquet", run)


def cut_record(run):
    (run / "record.json").write_text((run / "record.json").read_text()[:-100])


def lead_elsewhere(run):
    (run / "predictions.parquet").unlink()
    (run / "predictions.parquet").symlink_to("/dev/zero")


def label_otherwise(run):
    rewrite(run, label="oracle")


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (forge_matrix, "record.json: matrix[1, 1] is 1.0, and "),
        (forge_metric, "record.json: metrics.accuracy is 0.99, and what the run keeps gives "),
        (forge_name, "record.json: names.norm is gn, and bn in the configuration"),
        (forge_setting, "record.json: setting is 00000000, and the configuration's is "),
        (lose_predictions, "predictions.parquet: is not there"),
        (take_anothers, ""),
        (cut_record, "record.json: is no record of a run"),
        (lead_elsewhere, "predictions.parquet: is no regular file"),
        (label_otherwise, "record.json: label is 'oracle'"),
    ],
)
def test_what_does_not_is_listed_with_the_reason(records, tmp_path, forge, said):
    run = run_of(records)
    forge(run)
    ((place, reason),) = reasons(records).items()
    assert place == f"part/{run.name}"
    assert reason.startswith(said)
    assert str(tmp_path) not in reason
    site = build_site(records, tmp_path / "site")
    assert (site.counted, site.left_out) == (8, 1)
    assert run.name in pages(tmp_path / "site")["not-counted.html"]
    assert not any(run.name in text for name, text in pages(tmp_path / "site").items() if name != "not-counted.html")


def hostile_tuning(run):
    """Of a plug-in, whose configuration cannot be compared; its page would tell how it was tuned."""
    record = read_record(run / "record.json")
    config, names = {**record.config, "norm": "mine:Norm"}, {**record.names, "norm": "mine:Norm"}
    rewrite(run, config=config, names=names, tuning={"search": 5})


def step_that_is_none(run):
    frame = read_frame(run / "predictions.parquet", hint="")
    frame.loc[0, "after"] = 10**15  # a matrix with as many rows fits no memory
    write_frame(run / "predictions.parquet", frame)


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (hostile_tuning, "record.json: is no record of a run (tuning.digest is None, not str)"),
        (step_that_is_none, "predictions.parquet: has predictions"),
    ],
)
def test_one_record_cannot_spoil_the_site(records, tmp_path, forge, said):
    run = run_of(records)
    forge(run)
    assert reasons(records)[f"part/{run.name}"].startswith(said)
    assert build_site(records, tmp_path / "site").counted == 8


def test_a_plugin_counts_and_says_what_was_not_checked(records, tmp_path):
    run = run_of(records)
    record = read_record(run / "record.json")
    config, names = {**record.config, "norm": "mine:Norm"}, {**record.names, "norm": "mine:Norm"}
    rewrite(run, config=config, names=names)
    build_site(records, tmp_path / "site")
    (name,) = [name for name in pages(tmp_path / "site") if name.startswith("board-")]
    text = pages(tmp_path / "site")[name]
    assert f'{run.name} <span class="tag">in part unchecked</span>' in text
    assert text.count("id: norm is a plug-in, which a check never imports") == 1


def test_of_two_runs_in_one_place_the_first_counts(records):
    run = run_of(records)
    shutil.copytree(run, records / "z" / run.name)
    assert reasons(records) == {f"z/{run.name}": f"the same norm, strategy and seed stand already in part/{run.name}"}


def test_an_unfinished_run_does_not_count(records):
    run = run_of(records)
    rewrite(run, status="unfinished")
    assert "not finished" in reasons(records)[f"part/{run.name}"]


def test_the_reference_results_keep_no_predictions_and_do_not_count(tmp_path, capsys):
    assert main(["leaderboard", str(REFERENCE), "--out", str(tmp_path / "site")]) == 0
    assert capsys.readouterr().out == f"wrote {tmp_path}/site/index.html: 0 boards, 0 runs; 9 not counted\n"
    assert pages(tmp_path / "site")["not-counted.html"].count("predictions.parquet: is not there") == 9


def test_the_page_says_what_is_known(records, tmp_path):
    build_site(records, tmp_path / "site")
    (name,) = [name for name in pages(tmp_path / "site") if name.startswith("board-")]
    text = " ".join(re.sub(r"<[^>]*>", " ", pages(tmp_path / "site")[name]).split())
    assert "recomputed here from each run's predictions; no run was made again. Mean ± half of" in text
    assert "over seeds 0, 1, 2, in %; ranked by ACC" in text
    assert "by paired t-tests corrected over all 3 pairs of norms, in both directions." in text
    assert not any("eproduced" in each for each in pages(tmp_path / "site").values())
    assert "1 CN a 100.0 ± 0.0" in text
    assert "2\u20133 BN b" in text
    assert "2\u20133 LN b" in text
    assert text.index("2\u20133 BN") < text.index("2\u20133 LN")
    index = Reader(pages(tmp_path / "site")["index.html"])
    assert [a["href"] for tag, a in index.tags if tag == "a" and a["href"].startswith("board-")] == [name]
    assert "Naive CN 3 3 9" in " ".join(re.sub(r"<[^>]*>", " ", pages(tmp_path / "site")["index.html"]).split())


def test_where_none_is_told_apart_it_says_by_how_many_comparisons(records, tmp_path):
    for run in records.glob("part/*-cn-naive-*"):
        shutil.rmtree(run)
    build_site(records, tmp_path / "site")
    (name,) = [name for name in pages(tmp_path / "site") if name.startswith("board-")]
    assert (
        "told from the others in ACC, in the one pair of norms: each may have any rank."
        in pages(tmp_path / "site")[name]
    )
    assert "none can be told from the others, over all pairs" in pages(tmp_path / "site")["index.html"]


def write_csv(file, *rows):
    file.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
    return file


def test_reported_numbers_stand_beside_and_are_not_ranked(records, tmp_path):
    rows = [
        f'"{EVIL.replace(chr(34), chr(34) * 2)}",2021,synthetic,even,3,ViT,none,none,accuracy,99.9,a paper,yes',
        "TCD,2021,hmdb51,tcd-5x5,3,TSM,ImageNet,5 a class,accuracy,45.3,another paper,no",
    ]
    file = write_csv(tmp_path / "published.csv", *rows)
    build_site(records, tmp_path / "site", published=file)
    found = pages(tmp_path / "site")
    (name,) = [name for name in found if name.startswith("board-")]
    ranked, _, reported = found[name].partition("Reported, not measured here")
    assert "99.9" not in ranked
    assert "99.9" in reported
    assert "45.3" not in found[name]
    assert "TCD" in found["reported.html"]
    assert found["reported.html"].count('<span class="tag">reported</span>') == 2
    assert found["reported.html"].count('<span class="tag">second hand</span>') == 1
    assert EVIL in Reader(found["reported.html"]).text


@pytest.mark.parametrize("place", ["names", "classes", "run folder"])
def test_names_are_escaped_everywhere(tmp_path, place):
    """A plug-in's name is shown as it stands in its record; what a folder is called, as it is called."""
    records, evil = tmp_path / "records", "<script>alert(1)</script>\x1b[2J"
    run = keep_run(records, norm="bn")
    if place == "run folder":
        run.rename(run.with_name(evil.replace("/", "")))
    else:
        record = read_record(run / "record.json")
        changed = {"names": {**record.names, "strategy": evil}} if place == "names" else {"classes": [evil] * 4}
        rewrite(run, **changed)
    build_site(records, tmp_path / "site")
    for text in pages(tmp_path / "site").values():
        assert not [tag for tag, _ in Reader(text).tags if tag == "script"]
        assert "\x1b" not in text


def test_pages_take_nothing_from_elsewhere_and_are_accessible(records, tmp_path):
    lose_predictions(run_of(records))
    build_site(records, tmp_path / "site", published=write_csv(tmp_path / "p.csv"))
    there = {path.name for path in (tmp_path / "site").iterdir()}
    for text in pages(tmp_path / "site").values():
        page = Reader(text)
        links = [value for _, a in page.tags for key, value in a.items() if key in ("src", "href")]
        assert {link for link in links if link != "data:,"} <= there
        assert "http" not in text
        assert all("scope" in a for tag, a in page.tags if tag == "th")
        assert [tag for tag, _ in page.tags].count("h1") == 1
        assert all("aria-label" in a for _, a in page.tags if a.get("role") in ("region", "img"))
    assert "url(" not in (tmp_path / "site/style.css").read_text()


def test_metrics_that_are_not_shown_need_nothing(records):
    """A run counts by what the board shows: a metric of a file that was left out is for the check of a submission."""
    run = run_of(records)
    rewrite(run, metrics={**read_record(run / "record.json").metrics, "minimum_accuracy": 0.9})
    assert reasons(records) == {}


def test_a_table_that_fits_no_memory_is_not_read(records, monkeypatch):
    import pandas as pd

    monkeypatch.setattr("clnorm.submission.submitted._MOST_VALUES", 1000)
    run = run_of(records)
    write_frame(run / "predictions.parquet", pd.DataFrame({"after": [0] * 2000}))
    assert reasons(records)[f"part/{run.name}"] == "predictions.parquet: holds 2,000 values"


@pytest.mark.slow
def test_it_loads_no_torch(records, tmp_path, packages_loaded):
    loaded = packages_loaded("leaderboard", str(records), "--out", str(tmp_path / "site"))
    assert "jinja2" in loaded
    assert not {"torch", "avalanche", "matplotlib"} & loaded
