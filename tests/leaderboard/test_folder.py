"""The folder of a site: the same bytes for the same records, replaced as a whole, and never one of something else."""

import os
import shutil
from pathlib import Path

import pytest

from benchmarks.made import keep_run
from clnorm.cli.main import main
from clnorm.leaderboard.folder import MARKER
from clnorm.leaderboard.site import build_site


def test_the_same_records_give_the_same_bytes_wherever_they_lie(records, tmp_path):
    next(records.glob("part/*-bn-*-s0-*/predictions.parquet")).unlink()
    build_site(records, tmp_path / "one")
    shutil.move(records, tmp_path / "elsewhere")
    for file in (tmp_path / "elsewhere").rglob("*"):
        os.utime(file, (0, 0))
    build_site(tmp_path / "elsewhere", tmp_path / "two")
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two


def test_a_site_is_replaced_as_a_whole(records, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    build_site(records, site)  # an empty folder is taken
    before = {path.name for path in site.iterdir()}
    for run in records.glob("part/*-cn-*"):
        shutil.rmtree(run)
    keep_run(records, strategy="joint")
    build_site(records, site)
    after = {path.name for path in site.iterdir()}
    assert len(after) == len(before) + 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["records", "site"]
    assert {*(site / MARKER).read_text().splitlines()[1:]} == after - {MARKER}


@pytest.mark.parametrize("own", [".git", "CNAME", "notes.txt"])
def test_what_was_not_made_here_is_never_deleted(records, tmp_path, own, capsys):
    site = tmp_path / "site"
    (site / own).mkdir(parents=True)
    command = ["leaderboard", str(records), "--out", str(site)]
    assert main(command) == 2
    assert f"it holds {own}" in capsys.readouterr().err
    (site / own).rmdir()
    assert main(command) == 0
    (site / own).mkdir()
    assert main(command) == 2
    assert f"holds {own}, which clnorm leaderboard has not made and would delete" in capsys.readouterr().err
    assert (site / own).is_dir()


@pytest.mark.parametrize("marker", ["", "somebody's own\nnotes.txt\n"])
def test_a_file_that_only_has_the_markers_name_is_no_marker(records, tmp_path, marker):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / MARKER).write_text(marker)
    assert main(["leaderboard", str(records), "--out", str(tmp_path / "site")]) == 2


@pytest.mark.parametrize("out", ["file", "nowhere/site", "records"])
def test_places_that_no_site_can_have(records, tmp_path, out):
    (tmp_path / "file").touch()
    assert main(["leaderboard", str(records), "--out", str(tmp_path / out)]) == 2
    assert len(list((tmp_path / "records/part").iterdir())) == 9


def test_a_failure_leaves_the_site_as_it_was(records, tmp_path, monkeypatch):
    site = tmp_path / "site"
    build_site(records, site)
    before = {path.name: path.read_bytes() for path in site.iterdir()}
    keep_run(records, strategy="joint")

    def fail(self, target):
        if self.name.startswith(".site.") and not self.name.endswith(".old"):
            raise OSError(28, "No space left on device")
        return os.rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    assert main(["leaderboard", str(records), "--out", str(site)]) == 1
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in site.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["records", "site"]


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_a_folder_without_runs(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    assert main(["leaderboard", folder, "--out", "site"]) == 2
    assert not (tmp_path / "site").exists()
