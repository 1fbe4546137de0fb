"""The dataset's folder: a position or `--data-root`, the same in every verb of `data`."""

from pathlib import Path

import pytest

from clnorm.cli.main import main
from clnorm.config.config import Config


@pytest.fixture
def root(tmp_path) -> Path:
    """A folder of clips that are no videos, which need not be opened here."""
    for label in ("dive", "wave"):
        (tmp_path / "my videos" / label).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "my videos" / label / f"s{number}_0.mp4").write_bytes(b"x")
    return tmp_path / "my videos"


@pytest.fixture
def seen(monkeypatch) -> list[str | None]:
    """The folders that the three verbs were given, in place of what they do."""
    import clnorm.audit.audit
    import clnorm.data.check.check
    import clnorm.data.prepare.any_folder

    found: list[str | None] = []

    def remember(root: object) -> None:
        found.append(None if root is None else str(root))
        raise KeyboardInterrupt  # which the command line ends with 130

    def audit(config: Config, *, reporter: object) -> None:
        remember(config.data.root)

    monkeypatch.setattr(clnorm.audit.audit, "audit_dataset", audit)
    monkeypatch.setattr(clnorm.data.check.check, "check_dataset", lambda dataset, root: remember(root))
    monkeypatch.setattr(clnorm.data.prepare.any_folder, "prepare_folder", lambda root, **_: remember(root))
    return found


@pytest.mark.parametrize("verb", ["prepare", "check", "audit"])
def test_a_position_and_the_flag_are_the_same(verb, root, seen, capsys):
    flag = ["--json"] if verb != "prepare" else ["--debug"]
    ways = [
        ["folder", str(root)],
        ["folder", "--data-root", str(root)],
        ["--data-root", str(root), "folder"],
        [f"--data-root={root}", "folder"],
        ["folder", str(root), "--data-root", str(root)],
        ["folder", str(root), "--data-root", f"{root}/"],
        ["folder", *flag, str(root)],
        [*flag, "folder", str(root)],
        ["folder", "--data-root", str(root), *flag, str(root)],
    ]
    for way in ways:
        assert main(["data", verb, *way]) == 130, way
        capsys.readouterr()
    assert [Path(found) for found in seen] == [root] * len(ways)


@pytest.mark.parametrize("verb", ["prepare", "check", "audit"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["folder", "a", "--data-root", "b"],
            "--data-root: 'a' and 'b' are two folders; give the dataset's folder once",
        ),
        (["folder", "--data-root", "b", "a"], "--data-root: 'a' and 'b' are two folders"),
        (["folder", "--data-root", ""], "--data-root: '' is no folder"),
        (["folder", ""], "'' is no root"),
        (["folder", "a", "b"], "'b' is one word too many"),
        (["folder", "--data-root"], "expected one argument"),
        (["folder", "--root", "a"], "unknown flag --root; "),
        (["--data-root", "a"], "the following arguments are required: dataset"),
    ],
)
def test_what_is_no_one_folder(verb, words, said, seen, capsys):
    assert main(["data", verb, *words]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert (captured.out, captured.err.count("\n"), seen) == ("", 1, [])


def test_home_is_found_either_way(root, seen, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(root.parent))
    for words in (["~/my videos"], ["--data-root", "~/my videos"], ["~/my videos", "--data-root", str(root)]):
        assert main(["data", "check", "folder", *words]) == 130
    assert seen == [str(root)] * 3
    capsys.readouterr()


def test_prepare_needs_one(capsys):
    assert main(["data", "prepare", "folder"]) == 2
    said = "clnorm data prepare: no folder is given to prepare; pass --data-root FOLDER\n"
    assert capsys.readouterr().err.endswith(said)


def test_audit_refuses_it_beside_the_key(root, seen, capsys):
    assert main(["data", "audit", "folder", str(root), "--set", f"data.root={root}"]) == 2
    assert "'data.root' is given twice" in capsys.readouterr().err
    assert seen == []
