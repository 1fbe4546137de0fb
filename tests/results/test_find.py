"""Which runs lie below a folder, where folders are linked, shut or lack their record."""

import os
import shutil
from pathlib import Path

import pytest

from clnorm.cli.main import main
from clnorm.errors import ClnormError, UserError
from clnorm.results.find import find_records
from clnorm.results.inspect import read_run
from clnorm.results.load import load_results

RUN = next((Path(__file__).parents[2] / "tests" / "results" / "earlier").glob("*-naive-s0-*"))


@pytest.fixture
def runs(tmp_path):
    """A folder with one good run."""
    shutil.copytree(RUN, tmp_path / "runs" / "good")
    return tmp_path / "runs"


def problems_of(folder):
    found: list[ClnormError] = []
    records = find_records(folder, found.append)
    return [path.parent.name for path in records], {Path(error.where).name: error.what for error in found}


def test_links_are_followed_and_each_run_counts_once(runs, tmp_path):
    shutil.copytree(RUN, tmp_path / "elsewhere" / "far")
    (runs / "a_latest").symlink_to("good")
    (runs / "loop").symlink_to(runs)
    (runs / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(runs)
    assert problems_of(runs) == (["good", "far"], {})
    linked = tmp_path / "link"
    linked.symlink_to(runs)
    assert problems_of(linked) == (["good", "far"], {})


def test_a_run_without_a_record_is_named_and_other_folders_are_not(runs):
    for folder, file in (("killed", "log.jsonl"), ("plots", "figure.pdf")):
        (runs / folder).mkdir()
        (runs / folder / file).touch()
    (runs / "empty").mkdir()
    (runs / "config.yaml").touch()
    assert problems_of(runs) == (["good"], {"killed": "has files of a run and no record.json"})


def test_links_that_lead_nowhere_are_named(runs):
    (runs / "gone").symlink_to("/nowhere/run")
    (runs / "a").symlink_to("b")
    (runs / "b").symlink_to("a")
    assert problems_of(runs) == (["good"], dict.fromkeys(["gone", "a", "b"], "is a link that leads nowhere"))
    for name in ("gone", "a"):
        with pytest.raises(ClnormError, match=f"{name}: is a link that leads nowhere"):
            read_run(runs / name)


def test_a_folder_that_cannot_be_looked_into_is_named(runs, monkeypatch):
    shut = runs / "shut"
    shut.mkdir()
    scan = os.scandir

    def refuse(path):
        if Path(path) == shut:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert problems_of(runs) == (["good"], {"shut": "cannot be looked into (Permission denied)"})


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_record_that_is_no_file_is_an_error_and_not_waited_for(runs, make):
    (runs / "odd").mkdir()
    make(runs / "odd" / "record.json")
    with pytest.raises(ClnormError, match=r"odd/record\.json: cannot be read \(it is no regular file\)"):
        read_run(runs / "odd")
    with pytest.raises(ClnormError, match="no regular file"):
        load_results(runs)


def test_runs_and_table_show_the_rest_and_exit_with_1(runs, capsys):
    (runs / "killed").mkdir()
    (runs / "killed" / "state.pt").touch()
    (runs / "damaged").mkdir()
    (runs / "damaged" / "record.json").write_text("{")
    (runs / "gone").symlink_to("/nowhere")
    for command in ("runs", "table"):
        assert main([command, str(runs)]) == 1
        captured = capsys.readouterr()
        assert "naive" in captured.out
        assert "3 runs are left out, because they cannot be read: " in captured.err
        for name in ("killed", "damaged", "gone"):
            assert f"{runs / name}" in captured.err
    assert main(["compare", str(runs / "good"), str(runs / "killed")]) == 1
    assert "killed: has files of a run and no record.json" in capsys.readouterr().err


def test_a_folder_in_which_no_run_can_be_read_says_why(runs, capsys):
    (runs / "good" / "record.json").unlink()
    assert main(["runs", str(runs)]) == 1
    assert f"holds no run that can be read: {runs / 'good'}: has files of a run and no record.json" in (
        capsys.readouterr().err
    )
    shutil.rmtree(runs / "good")
    with pytest.raises(UserError, match="holds no run; make one"):
        load_results(runs)


def test_a_record_that_cannot_be_opened_is_not_to_be_deleted(runs, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ClnormError, match=r"record\.json: cannot be read \(Permission denied\)$"):
        read_run(runs / "good")
