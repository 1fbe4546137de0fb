"""A run that is killed and continued is the uninterrupted one, bit for bit, whatever it draws."""

import json
import shutil
from pathlib import Path

import pytest

import clnorm
from clnorm.data.synthetic.reader import read
from clnorm.errors import ClnormError
from tests.training.states.continued import DRAWS, POLICIES, STORE, UNEQUAL, Notes, results
from tests.training.states.kills import run_killed

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("strategy", ["naive", "replay:per_class=2", "ewc:lam=10"])
def test_killed_and_continued_equals_uninterrupted(tiny, tmp_path, monkeypatch, strategy):
    options = {"norm": "cn", "strategy": strategy, "protocol": "even:experiences=4"}
    whole, config, notes = tiny(out=str(tmp_path / "whole"), **options), tiny(**options), Notes()
    expected = results(whole, clnorm.run(whole))
    run_killed(config, monkeypatch, after=2)
    assert clnorm.load_results(config.out)["status"].tolist() == ["unfinished"]
    record = clnorm.run(config, reporter=notes)
    assert "Continuing after the end of experience 2, of 4 experiences" in notes.texts
    assert results(config, record) == expected


def test_under_every_policy(tiny, tmp_path, monkeypatch):
    whole, config = tiny(**POLICIES, out=str(tmp_path / "whole")), tiny(**POLICIES)
    expected = results(whole, clnorm.run(whole))
    run_killed(config, monkeypatch, before=2)
    assert results(config, clnorm.run(config)) == expected


@pytest.mark.parametrize("case", DRAWS)
def test_with_all_that_draws(tiny, tmp_path, monkeypatch, case):
    options = {**UNEQUAL, **STORE, **DRAWS[case]}
    whole, config = tiny(**options, out=str(tmp_path / "whole")), tiny(**options)
    expected = results(whole, clnorm.run(whole))
    run_killed(config, monkeypatch, after=1)
    assert results(config, clnorm.run(config)) == expected


def test_a_kill_after_the_last_experience_loses_nothing(tiny, monkeypatch):
    config = tiny(strategy="replay:per_class=2")

    def killed(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("clnorm.results.folder.RunFolder.write_results", killed)
        with pytest.raises(KeyboardInterrupt):
            clnorm.run(config)
    assert clnorm.run(config).memory["clips"] == 8


def test_a_log_line_cut_short_does_not_stop_a_run_from_continuing(tiny, monkeypatch):
    config = tiny()
    run_killed(config, monkeypatch, before=1)
    (log,) = Path(config.out).glob("*/log.jsonl")
    log.write_text(log.read_text() + '{"experience": 1, "ep')
    record = clnorm.run(config)
    lines = (Path(config.out) / record.run / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["experience"] for line in lines] == [0, 0, 1, 1]


def test_a_run_does_not_go_on_with_other_clips_than_it_began_with(tiny, tmp_path, monkeypatch):
    table = read(None, **tiny().dataset.kwargs)
    root = tmp_path / "copy"
    shutil.copytree(table.root, root)
    config = tiny(dataset="hmdb51", data__root=str(root), train__epochs=1)
    run_killed(config, monkeypatch, before=1)
    file = root / table.frame["path"].iloc[table.train_ids[0]]
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ClnormError, match="hold something else now than when this run began"):
        clnorm.run(config)
    file.write_bytes(whole)
    assert clnorm.run(config).status == "finished"
