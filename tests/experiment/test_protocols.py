"""Whole runs under protocols that do more than cut classes."""

from pathlib import Path

import pandas as pd
import pytest

import clnorm
from clnorm.config.identity import run_id
from clnorm.errors import UserError
from clnorm.results.inspect import inspect_run
from clnorm.results.load import load_results
from clnorm.tables.make import make_table
from tests.training.states.continued import results
from tests.training.states.kills import run_killed

SPECIAL = [
    "task-incremental:experiences=2",
    "domain-incremental:experiences=2,change=colour",
    "blurry:experiences=2,share=0.3",
]


def predictions_of(config, record):
    return pd.read_parquet(Path(config.out) / record.run / "predictions.parquet")


@pytest.mark.slow
@pytest.mark.parametrize("protocol", SPECIAL)
def test_killed_and_continued_equals_uninterrupted(tiny, tmp_path, monkeypatch, protocol):
    options = {"protocol": protocol, "strategy": "replay:per_class=2", "norm": "bn", "eval__unseen": True}
    whole = tiny(**options, out=str(tmp_path / "whole"))
    config = tiny(**options, out=str(tmp_path / "killed"))
    expected = clnorm.run(whole)
    run_killed(config, monkeypatch, after=1)
    record = clnorm.run(config)
    assert results(config, record) == results(whole, expected)


@pytest.mark.slow
def test_tasks_that_are_known_are_said_to_be(tiny):
    config = tiny(protocol=SPECIAL[0], norm="bn")
    record = clnorm.run(config)
    assert record.data["tasks"] == "known at test"
    predictions = predictions_of(config, record)
    owner = {label: index for index, group in enumerate(record.experiences) for label in group}
    assert (predictions["label"].map(owner) == predictions["predicted"].map(owner)).all()
    assert predictions["rank"].max() < 2
    text = make_table(load_results(config.out, columns=["config"]), format="markdown")
    assert "the experience of each clip is known, also at test" in " ".join(text.split())


@pytest.mark.slow
def test_domains_have_a_row_and_a_column_each(tiny):
    config = tiny(protocol=SPECIAL[1], norm="bn", eval__unseen=True)
    record = clnorm.run(config)
    predictions = predictions_of(config, record)
    assert record.experiences == [[0, 1, 2, 3]] * 2
    assert record.data["test_clips"] == [4, 4]
    assert [look["hue"] for look in record.data["looks"]] == [0, 0.25]
    for after, row in enumerate(record.matrix):
        for index, value in enumerate(row):
            rows = predictions[(predictions["after"] == after) & (predictions["experience"] == index)]
            assert len(rows) == 4
            assert value == pytest.approx((rows["predicted"] == rows["label"]).mean())
    assert inspect_run(Path(config.out) / record.run).classes["experience"].tolist() == [1] * 4
    frame = load_results(config.out, columns=["config"])
    assert set(frame["experiences"]) == {"4, the same 4"}
    text = " ".join(make_table(frame, format="markdown").split())
    assert "classes of the experiences 4, the same 4" in text
    assert "which differ in colour" in text


@pytest.mark.slow
def test_another_look_is_not_taken_for_the_beginning_of_this_one(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("CLNORM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    saved = {}
    for change in ("blur", "brightness", "brightness"):
        config = tiny(
            protocol=f"domain-incremental:experiences=3,change={change}",
            dataset="synthetic:classes=4,train=6,test=3",
            save__prefixes="all",
            out=str(tmp_path / f"{change}{len(saved)}"),
        )
        saved.setdefault(change, []).append(len(clnorm.run(config).reused))
    assert saved == {"blur": [0], "brightness": [0, 2]}


@pytest.mark.slow
def test_a_list_counts_by_its_content(tiny, tmp_path):
    one, two, other = (tmp_path / name for name in ("a.txt", "b.yaml", "c.txt"))
    names = clnorm.run(tiny(train__epochs=1)).classes
    one.write_text(f"{names[2]}\n{names[0]}, {names[3]}, {names[1]}\n")
    two.write_text(one.read_text())
    other.write_text(f"{names[0]}\n{names[2]}, {names[3]}, {names[1]}\n")
    ids = [run_id(tiny(protocol=f"list:file={path}")) for path in (one, two, other)]
    assert ids[0] == ids[1] != ids[2]
    record = clnorm.run(tiny(protocol=f"list:file={one}", train__epochs=1))
    assert record.experiences == [[2], [0, 3, 1]]
    with pytest.raises(UserError, match=r"protocol list: option 'file' .*gone.txt|cannot be read"):
        run_id(tiny(protocol=f"list:file={tmp_path / 'gone.txt'}"))


@pytest.mark.slow
def test_a_remainder_is_stated(tiny):
    from tests.training.states.continued import Notes

    notes = Notes()
    record = clnorm.run(tiny(protocol="vclimb:experiences=3", train__epochs=1), reporter=notes)
    said = "4 classes are not 3 equal experiences: they are 2 experiences of 1 and 1 experience of 2"
    assert record.data["note"] == said
    assert said in notes.texts
