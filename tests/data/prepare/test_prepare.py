"""`clnorm data prepare`: from archives, folders and mirrors to what the readers read, whatever happens on the way."""

import errno
import hashlib
import shutil
import zipfile
from pathlib import Path

import pytest

from clnorm.cli.main import main
from clnorm.data.datasets import hmdb51, ucf101
from clnorm.data.datasets.published import HMDB51, UCF101
from clnorm.data.prepare import official as preparing
from clnorm.data.prepare import origins as sources

TAGS = "f_cm_np1_le_bad"
CLIPS = {
    label: {f"a#b!(1)_{label}_{TAGS}_0.avi": 1, f"c&d[2];_{label}_{TAGS}_0.avi": 2, f"é_{label}_{TAGS}_1.avi": 0}
    for label in ("brush_hair", "dive")
}


def clip_bytes(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest() * 50


def split_texts() -> dict[str, bytes]:
    return {
        f"{label}_test_split{split}.txt": "".join(f"{clip} {flag} \n" for clip, flag in clips.items()).encode()
        for label, clips in CLIPS.items()
        for split in (1, 2, 3)
    }


@pytest.fixture
def archives(tmp_path, make_rar, monkeypatch) -> Path:
    """A folder with the two archives of a small HMDB51, which are the official ones for as long as the test lasts."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    inner = {
        f"{label}.rar": make_rar({f"{label}/{clip}": clip_bytes(clip) for clip in clips})
        for label, clips in CLIPS.items()
    }
    (folder / "hmdb51_org.rar").write_bytes(make_rar(inner))
    lists = {f"testTrainMulti_7030_splits/{name}": text for name, text in split_texts().items()}
    (folder / "test_train_splits.rar").write_bytes(make_rar(lists))
    true_md5, published = sources.md5_of, {folder / archive.file: archive.md5 for archive in HMDB51.archives}
    monkeypatch.setattr(sources, "md5_of", lambda path: published.get(path) or true_md5(path))
    return folder


def run(capsys, *arguments: object, code: int = 0) -> str:
    assert main(["data", "prepare", *map(str, arguments)]) == code
    output = capsys.readouterr()
    return output.err if code else output.out + output.err


def written(root: Path) -> dict[str, bytes]:
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def expected() -> dict[str, bytes]:
    videos = {f"videos/{label}/{clip}": clip_bytes(clip) for label, clips in CLIPS.items() for clip in clips}
    return videos | {f"splits/{name}": text for name, text in split_texts().items()}


def test_the_official_archives(archives, tmp_path, capsys):
    text = run(capsys, "hmdb51", tmp_path / "out", "--from", archives)
    assert written(tmp_path / "out") == expected()
    assert "6 clips of 2 classes, 2 for training, 2 for testing, 2 unused" in text
    assert "accepted" not in text
    assert len(hmdb51.read(tmp_path / "out", train_plus=True).train_ids) == 4


def test_archives_in_the_root_itself_are_found(archives, tmp_path, capsys):
    run(capsys, "hmdb51", archives)
    assert {name: data for name, data in written(archives).items() if not name.endswith(".rar")} == expected()


def test_an_archive_that_is_not_official_is_taken_by_its_md5_only(archives, tmp_path, make_rar, capsys):
    other = tmp_path / "hmdb51_org.rar"
    other.write_bytes(
        make_rar({f"{label}.rar": make_rar({c: clip_bytes(c) for c in own}) for label, own in CLIPS.items()})
    )
    md5 = hashlib.md5(other.read_bytes()).hexdigest()
    arguments = ["hmdb51", tmp_path / "out", "--from", other, "--from", archives / "test_train_splits.rar"]
    message = run(capsys, *arguments, code=2)
    assert f"{other}: this is not an official archive: its md5 is {md5}; legal: " in message
    assert f"--accept {md5}" in message
    assert written(tmp_path / "out") == {}
    text = run(capsys, *arguments, "--accept", md5.upper())
    assert f"not an official archive, accepted by its md5 ({md5})" in text
    assert written(tmp_path / "out") == expected()


def test_an_interruption_is_continued(archives, tmp_path, capsys, monkeypatch):
    """Interrupted in the second class, whose half is not there; the first one is not extracted again."""
    extracted, extract = [], preparing.shutil.copyfileobj

    def interrupt(source, target):
        extracted.append(target.name)
        if len(extracted) == 6:  # an inner archive and three clips, then an inner archive and a clip
            target.write(b"half")
            raise KeyboardInterrupt
        extract(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(preparing.shutil, "copyfileobj", interrupt)
        assert main(["data", "prepare", "hmdb51", str(tmp_path / "out"), "--from", str(archives)]) == 130
    left = written(tmp_path / "out")
    assert left == {name: data for name, data in expected().items() if not name.startswith("videos/dive/")}
    (tmp_path / "out" / "videos" / ".dive.partial").mkdir()  # left by a kill
    first = tmp_path / "out" / "videos" / "brush_hair"
    before = first.stat().st_mtime_ns
    assert "1 of 2 classes are there already" in run(capsys, "hmdb51", tmp_path / "out", "--from", archives)
    assert written(tmp_path / "out") == expected()
    assert first.stat().st_mtime_ns == before


def test_a_folder_of_class_folders_and_a_mirrors_names(archives, tmp_path, capsys):
    mirror = tmp_path / "mirror"
    for label, clips in CLIPS.items():
        (mirror / "HMDB51" / label).mkdir(parents=True)
        for clip in clips:
            renamed = clip.replace("#", "@").replace("&", "@")
            (mirror / "HMDB51" / label / renamed).write_bytes(clip_bytes(clip))
        (mirror / "HMDB51" / label / "Thumbs.db").touch()
    for name, text in split_texts().items():
        (mirror / name).write_bytes(text)
    run(capsys, "hmdb51", tmp_path / "out", "--from", mirror)
    assert written(tmp_path / "out") == expected()
    assert run(capsys, "hmdb51", mirror / "out", "--from", mirror, code=2).startswith(f"error: --from: {mirror} holds")


@pytest.mark.parametrize("entry", ["../evil.avi", "/tmp/evil.avi", "brush_hair/../../evil.avi"])
def test_an_entry_with_dots_leaves_nothing_anywhere(archives, tmp_path, make_rar, capsys, entry):
    inner = make_rar({f"brush_hair/{next(iter(CLIPS['brush_hair']))}": b"x", entry: b"evil"})
    (archives / "hmdb51_org.rar").write_bytes(make_rar({"brush_hair.rar": inner}))
    message = run(capsys, "hmdb51", tmp_path / "out", "--from", archives, code=2)
    assert f"hmdb51_org.rar: brush_hair.rar: the entry '{entry}' leads out of the archive" in message
    assert not list(tmp_path.rglob("evil*"))
    assert not (tmp_path / "out").exists()


def test_a_damaged_inner_archive(archives, tmp_path, make_rar, capsys):
    inner = make_rar({f"dive/{clip}": clip_bytes(clip) for clip in CLIPS["dive"]})
    good = make_rar({f"brush_hair/{clip}": clip_bytes(clip) for clip in CLIPS["brush_hair"]})
    broken = inner[:200] + b"?" + inner[201:]
    (archives / "hmdb51_org.rar").write_bytes(make_rar({"brush_hair.rar": good, "dive.rar": broken}))
    message = run(capsys, "hmdb51", tmp_path / "out", "--from", archives, code=1)
    assert "hmdb51_org.rar: dive.rar: the archive is damaged" in message
    assert sorted(path.name for path in (tmp_path / "out" / "videos").iterdir()) == ["brush_hair"]


@pytest.mark.parametrize("when", ["before", "while writing"])
def test_a_full_disk(archives, tmp_path, capsys, monkeypatch, when):
    if when == "before":
        usage = shutil.disk_usage(tmp_path)._replace(free=10)
        monkeypatch.setattr(preparing.shutil, "disk_usage", lambda path: usage)
    else:

        def fill(source, target):
            target.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(preparing.shutil, "copyfileobj", fill)
    message = run(capsys, "hmdb51", tmp_path / "out", "--from", archives, code=1)
    assert "cannot be written: " in message
    assert "free some room, then give the same command again" in message
    assert not (tmp_path / "out").exists()


def test_what_is_no_archive(tmp_path, capsys):
    for name, content, said in (("e.rar", b"", "it is empty"), ("t.rar", b"<html>", "it is no RAR and no ZIP archive")):
        (tmp_path / name).write_bytes(content)
        md5 = hashlib.md5(content).hexdigest()
        arguments = ["hmdb51", tmp_path / "out", "--from", tmp_path / name, "--accept", md5]
        assert said in run(capsys, *arguments, code=2)
    assert "No such file" in run(capsys, "hmdb51", tmp_path / "out", "--from", tmp_path / "no.rar", code=2)


def test_a_class_that_no_list_names_and_a_clip_that_is_there_twice(archives, tmp_path, capsys):
    for folder in ("x/dance", "a/dive", "b/dive"):
        (archives / folder).mkdir(parents=True)
    (archives / "x" / "dance" / "a.avi").touch()
    message = run(capsys, "hmdb51", tmp_path / "out", "--from", archives, code=2)
    assert "'x/dance/a.avi' belongs to the class 'dance', which no list names" in message
    (archives / "x" / "dance" / "a.avi").rename(archives / "a.mp4")
    message = run(capsys, "hmdb51", tmp_path / "out", "--from", archives, code=2)
    assert "'a.mp4' lies in no class folder; legal: brush_hair, dive; rename or remove it" in message
    (archives / "a.mp4").unlink()
    (archives / "a" / "dive" / "a.avi").write_bytes(b"one")
    (archives / "b" / "dive" / "a.avi").write_bytes(b"two")
    assert "the clip 'a.avi' is there twice" in run(capsys, "hmdb51", tmp_path / "out", "--from", archives, code=2)


def test_a_link_that_leads_nowhere_is_named(archives, tmp_path, capsys):
    clips = archives / "dive"
    clips.mkdir()
    for name in ("b.avi", "c.avi"):
        (clips / name).write_bytes(b"x")
    (clips / "a.avi").symlink_to("/gone/a.avi")
    said = f"error: {clips}/a.avi: this link to '/gone/a.avi' leads nowhere; remove it"
    assert run(capsys, "hmdb51", tmp_path / "out", "--from", archives, code=2).startswith(said)
    assert run(capsys, "folder", archives, code=2).startswith(said)
    assert not (archives / "clips.csv").exists()


def test_an_inner_archive_without_a_clip_is_no_finished_class(archives, tmp_path, make_rar, capsys):
    inner = make_rar({"brush_hair/Thumbs.db": b"x"})
    (archives / "hmdb51_org.rar").write_bytes(make_rar({"brush_hair.rar": inner}))
    message = run(capsys, "hmdb51", tmp_path / "out", "--from", archives, code=2)
    assert "hmdb51_org.rar: brush_hair.rar: there is no clip in it" in message
    assert not (tmp_path / "out").exists()


def test_nothing_to_prepare_from(tmp_path, capsys):
    message = run(capsys, "hmdb51", tmp_path / "out", code=2)
    assert "there is nothing to prepare from; legal: hmdb51_org.rar and test_train_splits.rar" in message
    assert "--download" in message
    assert not (tmp_path / "out").exists()
    assert "'synthetic' needs no preparing" in run(capsys, "synthetic", tmp_path / "out", code=2)


def test_without_lists_they_are_asked_for(archives, tmp_path, capsys):
    (archives / "test_train_splits.rar").unlink()
    message = run(capsys, "hmdb51", tmp_path / "out", "--from", archives, code=2)
    assert "there is no split file <class>_test_split1.txt" in message


def test_ucf101_from_its_archives(tmp_path, make_rar, capsys):
    clips = {f"v_{label}_g0{group}_c01.avi": label for label in ("Archery", "YoYo") for group in (1, 2)}
    entries = {f"UCF-101/{label}/{clip}": clip_bytes(clip) for clip, label in clips.items()}
    (tmp_path / UCF101.archives[0].file).write_bytes(make_rar(entries))
    lists = {"classInd.txt": "1 Archery\n2 YoYo\n", "trainlist01.txt": "", "testlist01.txt": ""}
    for clip, label in clips.items():
        number = 1 + ["Archery", "YoYo"].index(label)
        train = "_g01_" in clip
        lists["trainlist01.txt" if train else "testlist01.txt"] += f"{label}/{clip}" + (
            f" {number}\n" if train else "\n"
        )
    with zipfile.ZipFile(tmp_path / UCF101.archives[1].file, "w") as archive:
        for name, text in lists.items():
            archive.writestr(f"ucfTrainTestlist/{name}", text)
    given = [word for archive in UCF101.archives for word in ("--from", tmp_path / archive.file)]
    text = run(capsys, "ucf101", tmp_path / "out", *given)
    assert "no official md5 is known to compare with" in text
    table = ucf101.read(tmp_path / "out")
    assert table.classes == ("Archery", "YoYo")
    assert {path.name: path.read_bytes() for path in table.paths()} == {clip: clip_bytes(clip) for clip in clips}


def test_copies_in_another_container_keep_their_own(archives, tmp_path, capsys):
    mirror = tmp_path / "mirror"
    for label, clips in CLIPS.items():
        (mirror / label).mkdir(parents=True)
        for clip, suffix in zip(clips, (".mp4", ".MKV", ".avi.webm"), strict=True):
            renamed = clip.replace("#", "@").replace("&", "@").replace(".avi", suffix)
            (mirror / label / renamed).write_bytes(clip_bytes(clip))
    for name, text in split_texts().items():
        (mirror / name).write_bytes(text)
    text = run(capsys, "hmdb51", tmp_path / "out", "--from", mirror)
    assert "2 with .MKV for .avi, 2 with .mp4 for .avi, 2 with .webm for .avi; copies in another container" in text
    suffixes = {"a": ".mp4", "c": ".MKV", "é": ".webm"}
    kept = {
        name.replace(".avi", suffixes[name.rpartition("/")[2][0]]) if name.startswith("videos/") else name: data
        for name, data in expected().items()
    }
    assert written(tmp_path / "out") == kept
    clip = next((mirror / "dive").glob("*.mp4"))
    shutil.copy(clip, clip.with_suffix(".mov"))
    message = run(capsys, "hmdb51", tmp_path / "other", "--from", mirror, code=2)
    assert f"2 clips ('{clip.stem}.mov', '{clip.name}') of one name but for the suffix" in message
    assert not (tmp_path / "other" / "videos" / "dive").exists()
