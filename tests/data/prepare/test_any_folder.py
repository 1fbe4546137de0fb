"""`clnorm data prepare folder`: what it writes, what it says of sources, and videos that came after it."""

from pathlib import Path

import pytest

from clnorm.cli.main import main
from clnorm.data.datasets.folder import read
from clnorm.data.datasets.splits import leaking_groups

TAGS = "f_cm_np1_le_bad"
UNKNOWN = "sources unknown: each clip counts as a source of its own"


def run(capsys, *arguments: object, code: int = 0) -> str:
    assert main(["data", "prepare", *map(str, arguments)]) == code
    output = capsys.readouterr()
    return output.err if code else output.out + output.err


def write(root: Path, names: list[str]) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def films(pattern: str) -> list[str]:
    """Two classes, three films, two scenes of each."""
    return [pattern.format(c=c, film=film, k=k) for c in ("dive", "wave") for film in "abc" for k in (1, 2)]


def test_a_folder_of_ones_own(tmp_path, capsys):
    for label in ("dive", "été [1]"):
        (tmp_path / label).mkdir()
        for film in "abc":
            (tmp_path / label / f'{film}, "#"_1.mp4').write_bytes(b"x")
    (tmp_path / "dive" / "notes.txt").touch()
    text = run(capsys, "folder:group=prefix,test_share=0.4", tmp_path)
    assert "6 clips of 2 classes, 4 for training, 2 for testing" in text
    assert "1 file ('dive/notes.txt')" in text
    rows = (tmp_path / "clips.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == '"path","label","split","group","bytes"'
    assert len(rows) == 7
    before = (tmp_path / "clips.csv").read_bytes()
    for dataset in ("folder", "folder:group=prefix,test_share=0.4", "folder:group=prefix"):
        assert "clips.csv is there already and was checked" in run(capsys, dataset, tmp_path)
    assert (tmp_path / "clips.csv").read_bytes() == before
    (tmp_path / "dive" / 'a, "#"_1.mp4').write_bytes(b"xx")
    assert "not of the size in the list" in run(capsys, "folder", tmp_path, code=2)
    assert "leave out --from" in run(capsys, "folder", tmp_path, "--download", code=2)
    assert "imbalance is chosen for a run" in run(capsys, "folder:imbalance=2", tmp_path, code=2)
    (tmp_path / "dive" / 'a, "#"_1.mp4').write_bytes(b"x")
    for dataset in ("folder:group=folder", "folder:test_share=0.7"):
        assert "leave the option out, or mend or delete clips.csv" in run(capsys, dataset, tmp_path, code=2)
    assert (tmp_path / "clips.csv").read_bytes() == before


def test_the_next_command_can_be_pasted(tmp_path, capsys):
    root = tmp_path / "my videos"
    for film in "ab":
        (root / "dive").mkdir(parents=True, exist_ok=True)
        (root / "dive" / f"{film}.mp4").write_bytes(b"x")
    assert f"next: clnorm data check folder --data-root '{root}'\n" in run(capsys, "folder", root)


def test_the_next_command_has_the_options_that_a_list_of_ones_own_does_not_say(tmp_path, capsys):
    for name in ("a_1.mp4", "b_1.mp4"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "clips.csv").write_text("path,label\na_1.mp4,dive\nb_1.mp4,dive\n")
    assert "clnorm data check folder:group=prefix --data-root" in run(capsys, "folder:group=prefix", tmp_path)


def test_the_names_of_ucf101_and_hmdb51_tell_the_sources(tmp_path, capsys):
    ucf = [f"{c}/v_{c}_g{g:02}_c{k:02}.mp4" for c in ("Dive", "Wave") for g in range(1, 6) for k in (1, 2)]
    text = run(capsys, "folder", write(tmp_path / "ucf", ucf))
    assert "sources are read from the names, which are written as those of ucf101" in text
    assert UNKNOWN not in text
    table = read(tmp_path / "ucf")
    assert sorted(set(table.groups)) == [f"{c}_g{g:02}" for c in ("Dive", "Wave") for g in range(1, 6)]
    assert leaking_groups(table.frame) == []
    hmdb = [
        f"{c}/{film}_{c}_{TAGS}_{k}.avi" for c in ("dive", "brush_hair") for film in ("a_b", "c", "d") for k in (0, 1)
    ]
    moved = [name.replace("dive/", "Diving/") for name in hmdb]  # a class renamed, which the names do not follow
    for root, names in ((tmp_path / "hmdb", hmdb), (tmp_path / "moved", moved)):
        assert "written as those of hmdb51" in run(capsys, "folder", write(root, names))
        table = read(root)
        assert sorted(set(table.groups)) == ["a_b", "c", "d"]
        assert leaking_groups(table.frame) == []


def test_a_name_of_another_kind_among_them_makes_the_sources_unknown(tmp_path, capsys):
    ucf = [f"{c}/v_{c}_g{g:02}_c{k:02}.mp4" for c in ("Dive", "Wave") for g in range(1, 6) for k in (1, 2)]
    text = run(capsys, "folder", write(tmp_path, [*ucf, "Dive/odd.mp4"]))
    assert UNKNOWN in text
    assert "20 of 21 names, not all, are written as those of ucf101" in text
    assert "folder:group=prefix would tell 11 sources" in text
    (tmp_path / "clips.csv").unlink()
    said = "the name 'Dive/odd.mp4' is not written as those of ucf101"
    assert said in run(capsys, "folder:group=ucf101", tmp_path, code=2)
    assert not (tmp_path / "clips.csv").exists()


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{c}/{film}_{k}.mp4", "folder:group=prefix would tell 3 sources, such as 'a' of 4 clips, and "),
        ("{c}/{film}/{k}.mp4", "folder:group=folder would tell 3 sources, such as 'a' of 4 clips, and "),
        ("{c}/{film}-{k}.mp4", "a column 'group' in clips.csv would tell 3 sources, such as 'a' of 4 clips, and "),
        ("{c}/{film}{k}.mp4", "a column 'group' in clips.csv would tell 3 sources, such as 'a' of 4 clips, and "),
        ("{c}/{c}_{film}{k}.mp4", "no repeated beginning of names and no folder tells them"),
        ("{c}/{film}{k}x.mp4", "a column 'group' in clips.csv would tell 6 sources, such as 'a1x' of 2 clips"),
    ],
)
def test_where_no_source_is_known_what_may_tell_it_is_named(tmp_path, capsys, pattern, said):
    text = run(capsys, "folder", write(tmp_path, films(pattern)))
    assert UNKNOWN in text
    assert said in text
    assert f"to change that, delete {tmp_path}/clips.csv" in text
    assert UNKNOWN in run(capsys, "folder", tmp_path)
    main(["data", "check", "folder", "--data-root", str(tmp_path)])
    assert UNKNOWN in capsys.readouterr().out


def test_sources_that_are_known_in_part_are_counted(tmp_path, capsys):
    text = run(capsys, "folder:group=prefix", write(tmp_path, [*films("{c}/{film}_{k}.mp4"), "dive/plain.mp4"]))
    assert "1 clip ('dive/plain.mp4') of 13 are of no known source" in text
    # Each clip has a source of its own, as the list says: that is knowledge.
    (tmp_path / "clips.csv").write_text("path,label,group\ndive/a_1.mp4,dive,1\ndive/b_1.mp4,dive,2\n")
    main(["data", "check", "folder", "--data-root", str(tmp_path)])
    said = capsys.readouterr().out
    assert "sources unknown" not in said
    assert "no known source" not in said


def test_new_videos_are_named_and_nothing_is_written(tmp_path, capsys):
    run(capsys, "folder:group=prefix", write(tmp_path, films("{c}/{film}_{k}.mp4")))
    before = (tmp_path / "clips.csv").read_bytes()
    write(tmp_path, ["wave/d_1.mp4", "new class/e_1.mp4"])
    message = run(capsys, "folder:group=prefix", tmp_path, code=2)
    assert "2 clips ('new class/e_1.mp4', 'wave/d_1.mp4') on disk but not in clips.csv" in message
    assert "delete clips.csv and give the same command again" in message
    assert (tmp_path / "clips.csv").read_bytes() == before
