"""`clnorm data audit` on real video files, from the shell and back."""

import datetime
import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from clnorm.cli.main import main

SECTIONS = ["counts", "files", "appearance", "motion", "leakage", "duplicates", "probe", "drift"]
SMALL = ["--set", "data.frames=4", "--set", "data.image_size=28"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two classes, one with an evil name, six sources each; a test clip of `dive` is a training clip once more."""
    from torchcodec.encoders import VideoEncoder

    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    (root / "splits").mkdir()
    for name in ("dive", "<script>"):
        folder = root / "videos" / name
        folder.mkdir(parents=True)
        lines = []
        for k in range(6):
            blocks = rng.integers(40, 200, (6, 3, 7, 7))
            frames = torch.from_numpy(np.kron(blocks, np.ones((8, 8), dtype=np.int64)).astype(np.uint8))
            clip = f"film{k}_{name}_f_cm_np1_le_bad_0.avi"
            VideoEncoder(frames, frame_rate=30).to_file(folder / clip, codec="mpeg4", extra_options={"b": "4000000"})
            lines.append(f"{clip} {1 if k < 4 else 2} ")
        (root / "splits" / f"{name}_test_split1.txt").write_text("\n".join(lines))
    first, last = (root / "videos" / "dive" / f"film{k}_dive_f_cm_np1_le_bad_0.avi" for k in (0, 5))
    last.write_bytes(first.read_bytes())
    return root


def audit(root, *arguments):
    return main(["data", "audit", "hmdb51", "--data-root", str(root), *SMALL, *arguments])


@pytest.fixture(autouse=True)
def one_day(monkeypatch):
    """A day that does not end within a test."""

    class Day(datetime.date):
        @classmethod
        def today(cls):
            return cls(2026, 1, 31)

    monkeypatch.setattr("clnorm.audit.audit.date", Day)


@pytest.mark.slow
def test_the_terminal_the_page_and_json_say_the_same(root, tmp_path, capsys):
    page = tmp_path / "a.html"
    assert audit(root, "--protocol", "even:experiences=2", "--seed", "3", "--out", str(page)) == 0
    captured = capsys.readouterr()
    assert "measuring: 12 clips" in captured.err
    assert f"report: {page}" in captured.err
    assert "Near-duplicates across training and test" in captured.out
    assert audit(root, "--protocol", "even:experiences=2", "--seed", "3", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert [section["name"] for section in report["sections"]] == SECTIONS
    assert (report["root"], report["date"]) == (str(root), "2026-01-31")
    assert (report["seed"], report["frames"], report["size"], report["clips"]) == (3, 4, 28, 12)
    (duplicates,) = (section for section in report["sections"] if section["name"] == "duplicates")
    assert duplicates["mark"] == "warning"
    pairs = [(row["train"], row["test"]) for row in duplicates["values"]["within"]]
    assert pairs == [tuple(f"videos/dive/film{k}_dive_f_cm_np1_le_bad_0.avi" for k in (0, 5))]
    html = page.read_text()
    assert "&lt;script&gt;" in html
    assert "<script" not in html
    for section in report["sections"]:
        assert section["mark"] in html


def test_the_same_command_gives_the_same_page(root, tmp_path):
    pages = [tmp_path / name for name in ("a.html", "b.html")]
    for page in pages:
        assert audit(root, "--out", str(page)) == 0
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_a_protocol_that_does_not_fit_is_said_in_its_section(root, capsys):
    assert audit(root, "--protocol", "even:experiences=5", "--json") == 0
    drift = json.loads(capsys.readouterr().out)["sections"][-1]
    assert drift["mark"] == "cannot tell"
    assert "5 experiences cannot be made of 2 classes" in drift["text"]


def test_bad_clips_stop_it_or_are_named(root, tmp_path, capsys):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    spoilt = copy / "videos" / "dive" / "film1_dive_f_cm_np1_le_bad_0.avi"
    spoilt.write_text("no video")
    assert audit(copy) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "film1_dive" in captured.err
    assert "data.skip_bad=true" in captured.err
    assert audit(copy, "--set", "data.skip_bad=true", "--json") == 0
    files = json.loads(capsys.readouterr().out)["sections"][1]
    assert files["mark"] == "warning"
    assert list(files["values"]["bad"]) == ["videos/dive/film1_dive_f_cm_np1_le_bad_0.avi"]


@pytest.mark.slow
def test_a_synthetic_dataset_has_no_warning(capsys):
    arguments = ["synthetic:classes=4,train=8,test=4", "--protocol", "even:experiences=2", "--json"]
    assert main(["data", "audit", *arguments, *SMALL]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [s["text"] for s in report["sections"] if s["mark"] == "warning"] == []
    assert main(["data", "audit", "synthetic:classes=4,train=8,test=4,imbalance=4", "--json", *SMALL]) == 0
    assert json.loads(capsys.readouterr().out)["sections"][0]["mark"] == "warning"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["hmdb52"], ["unknown dataset 'hmdb52'", "did you mean 'hmdb51'?"]),
        (["hmdb51"], ["--data-root"]),
        (["synthetic", "--protocol", "evn"], ["did you mean 'even'?"]),
        (["synthetic", "--set", "seed=1", "--seed", "2"], ["'seed' is given twice"]),
        (["synthetic", "--set", "data.frame=1"], ["did you mean 'data.frames'?"]),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(arguments, words, capsys):
    assert main(["data", "audit", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    for word in words:
        assert word in captured.err


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from clnorm.cli.main import main\n"
        "try: main(['data', 'audit', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'pandas', 'scipy', 'numpy', 'torchcodec', 'rich', 'jinja2', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
