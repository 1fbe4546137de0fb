"""A protocol that does not fit is found before any video is made or decoded, by dry runs too."""

import pytest

import clnorm
from clnorm.cli.main import main
from clnorm.data.store.store import ClipStore
from clnorm.errors import UserError

TCD = "tcd:base=26,step=5"


@pytest.fixture
def videos(tmp_path):
    """Six classes of files that are no videos: only their names may be read."""
    for label in "abcdef":
        (tmp_path / "videos" / label).mkdir(parents=True)
        for take in range(4):
            (tmp_path / "videos" / label / f"{label}{take}.avi").write_bytes(b"no video")
    return tmp_path / "videos"


@pytest.fixture
def _decodes_nothing(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("videos are read")

    monkeypatch.setattr(ClipStore, "open", refuse)
    monkeypatch.setattr("clnorm.data.synthetic.reader.read", refuse)


@pytest.mark.usefixtures("_decodes_nothing")
@pytest.mark.parametrize("dataset", ["synthetic:classes=21", "folder"])
def test_a_run_finds_it_before_the_first_frame(dataset, tiny, videos):
    config = tiny(dataset=dataset, protocol=TCD, data__root=str(videos) if dataset == "folder" else None)
    with pytest.raises(UserError, match=r"protocol: 26 \+ k x 5 classes never make (21|6)"):
        clnorm.run(config)


@pytest.mark.usefixtures("_decodes_nothing")
def test_dry_runs_find_it_too(videos, tmp_path, capsys):
    given = ["--set", "dataset=folder", "--data-root", str(videos)]
    for protocol, code in ((TCD, 2), ("even:experiences=7", 2), ("even:experiences=6", 0)):
        assert main(["run", *given, "--set", f"protocol={protocol}", "--dry-run"]) == code
        assert ("protocol: " in capsys.readouterr().err) == bool(code)
    grid = tmp_path / "grid.yaml"
    grid.write_text("grid: {protocol: ['even:experiences=2', 'even:experiences=7'], seed: [0, 1]}\n")
    assert main(["sweep", str(grid), *given, "--dry-run"]) == 2
    assert "7 experiences cannot be made of 6 classes" in capsys.readouterr().err
    assert main(["run", "--dataset", "synthetic:classes=21", "--set", f"protocol={TCD}", "--dry-run"]) == 2


def test_a_dry_run_says_what_it_could_not_check(tmp_path, capsys):
    assert main(["run", "--dataset", "folder", "--data-root", str(tmp_path / "nowhere"), "--dry-run"]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith("The protocol is not checked against the clips, which cannot be listed: ")
    assert "nowhere" in captured.err
    assert "dataset: folder" in captured.out


def test_a_class_without_test_clips_is_found_by_a_dry_run(videos, capsys):
    (videos / "clips.csv").write_text("path,label,split\na/a0.avi,a,train\na/a1.avi,a,test\nb/b0.avi,b,train\n")
    given = ["--dataset", "folder", "--data-root", str(videos), "--set", "protocol=even:experiences=1"]
    assert main(["run", *given, "--dry-run"]) == 2
    assert "no test clips for: b" in capsys.readouterr().err
