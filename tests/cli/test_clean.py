"""Cleaning: what was not used for long is listed, and deleted only when that is asked for."""

import os
import time

import pytest
from filelock import FileLock

from clnorm.cli.main import main
from clnorm.results.folder import RunFolder

DAY = 86_400


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Old and new things in a cache."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("CLNORM_CACHE", str(folder))
    for name, days in {"stores/old": 40, "stores/new": 1, "stores/dead.part": 50, "synthetic/made": 31}.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "file").write_bytes(b"0" * 1_000_000)
        age(folder / name, days)
    (folder / "prefixes").mkdir()
    (folder / "prefixes" / "a.pt").write_bytes(b"0" * 2_000_000)
    age(folder / "prefixes" / "a.pt", 35)
    return folder


def age(path, days):
    os.utime(path, (time.time() - days * DAY,) * 2)


def left(cache):
    return sorted(str(path.relative_to(cache)) for path in cache.glob("*/*") if path.suffix != ".lock")


def test_nothing_is_deleted_unasked(cache, capsys):
    before = left(cache)
    assert main(["clean"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[:5] for line in out.splitlines()[1:3]] == [
        ["stores", "1.0", "MB", "50", "days"],
        ["stores", "1.0", "MB", "40", "days"],
    ]
    assert "4 of 5 not used for 30 days: 5.0 MB; --delete deletes that" in out
    assert str(cache / "stores" / "new") not in out
    assert left(cache) == before


def test_what_was_not_used_for_so_long_is_deleted(cache, capsys):
    assert main(["clean", "--delete", "--unused", "32"]) == 0
    assert capsys.readouterr().out == "deleted 3: 4.0 MB\n"
    assert left(cache) == ["stores/new", "synthetic/made"]


def test_one_kind_alone(cache, capsys):
    assert main(["clean", "--delete", "--unused", "0", "--kind", "prefixes"]) == 0
    assert capsys.readouterr().out == "deleted 1: 2.0 MB\n"
    assert main(["clean", "--kind", "store"]) == 2
    assert "did you mean 'stores'?" in capsys.readouterr().err


def test_what_a_process_makes_just_now_stays(cache, capsys):
    with FileLock(cache / "stores" / "dead.lock"):
        assert main(["clean", "--delete", "--kind", "stores"]) == 0
    assert capsys.readouterr().out == "deleted 1: 1.0 MB; 1 that are in use stay\n"
    assert "stores/dead.part" in left(cache)


def test_states_of_stopped_runs_are_listed_where_their_folder_is_given(cache, tmp_path, capsys):
    runs = {}
    for name, days in (("stopped", 60), ("recent", 2), ("held", 60)):
        runs[name] = RunFolder(tmp_path / "runs" / name)
        runs[name].path.mkdir(parents=True)
        for _ in range(2):
            runs[name].state.save({"done": 1})
        for file in runs[name].state.found():
            age(file, days)
    (tmp_path / "runs" / "stopped" / "record.json").write_text("{}")
    (tmp_path / "runs" / "state_dict.pt").touch()  # somebody else's
    assert main(["clean", "--kind", "states"]) == 2
    capsys.readouterr()
    with runs["held"].locked():
        assert main(["clean", str(tmp_path / "runs"), "--kind", "states", "--delete"]) == 0
    assert "deleted 1: " in capsys.readouterr().out
    assert not runs["stopped"].state.exist()
    assert (tmp_path / "runs" / "stopped" / "record.json").exists()
    assert runs["recent"].state.exist()
    assert runs["held"].state.exist()
    assert (tmp_path / "runs" / "state_dict.pt").exists()


def test_a_folder_that_is_not_there_is_refused(cache, tmp_path, capsys):
    assert main(["clean", str(tmp_path / "none")]) == 2
    assert "give the --out of your runs" in capsys.readouterr().err


def test_an_empty_cache_holds_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CLNORM_CACHE", str(tmp_path))
    assert main(["clean"]) == 0
    assert capsys.readouterr().out == "0 of 0 not used for 30 days: 0.0 MB\n"
