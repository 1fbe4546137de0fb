"""`clnorm data prepare hmdb51 --download --mirror`: what it asks of a hub of the test's own, and what comes of it."""

import hashlib

import pytest

from clnorm.data.datasets.published import HMDB51, UCF101
from clnorm.data.prepare.origins import known_names
from tests.data.prepare.hub_server import BASE, CLIPS, REPO, REVISION, clip_bytes, expected, pack, written


def test_the_pins_are_a_commit_and_digests():
    assert HMDB51.mirror is not None
    assert len(bytes.fromhex(HMDB51.mirror.revision)) == 20
    assert [len(bytes.fromhex(repack.sha256)) for repack in HMDB51.mirror.files] == [32, 32]
    assert known_names(HMDB51) == [
        ["hmdb51_org.rar", "hmdb51_org.zip"],
        ["test_train_splits.rar", "test_train_splits.zip"],
    ]
    assert known_names(UCF101) == [[archive.file] for archive in UCF101.archives]


@pytest.mark.slow  # it may be the first to import the hub's library
def test_the_mirror_is_downloaded_once_checked_and_prepared(hub, run, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    text = run(tmp_path / "out", "--download", "--mirror")
    assert written(tmp_path / "out") == expected(hub)
    assert f"downloading from datasets/{REPO} at {REVISION} on {hub.endpoint}" in text
    assert f"known by its sha256 as that of {REPO}" in text
    assert "6 clips of 2 classes" in text
    assert {path for _, path, _ in hub.asked if "harness" not in path} == {
        f"{place}/{name}" for place in (BASE, "/storage") for name in hub.files
    }
    assert not any("authorization" in name.lower() for _, _, headers in hub.asked for name in headers)
    hub.asked.clear()
    assert "2 of 2 classes are there already" in run(tmp_path / "out", "--download", "--mirror")
    run(tmp_path / "out")
    assert hub.asked == []


def test_nothing_is_asked_without_download(hub, run, tmp_path):
    message = run(tmp_path / "out", "--mirror", code=2)
    assert "--mirror: this says from where --download takes the archives; add --download" in message
    assert "--download --mirror" in run(tmp_path / "out", code=2)
    (tmp_path / "a.zip").write_bytes(b"PK")
    message = run(tmp_path / "out", "--download", "--mirror", "--from", str(tmp_path / "a.zip"), code=2)
    assert "--from: the archives are given, and to be downloaded" in message
    message = run(tmp_path / "out", "--download", "--mirror", code=2, dataset="ucf101")
    assert "--mirror: no mirror of 'ucf101' is known; legal: hmdb51" in message
    assert hub.asked == []
    assert not (tmp_path / "out").exists()


def test_clips_that_are_there_twice(hub, run, tmp_path):
    """Taken once where they are the same byte by byte, refused where they are not."""
    twice = {f"again/{path}": clip_bytes(path) for path in CLIPS}
    clips = {path: clip_bytes(path) for path in CLIPS} | twice
    for changed in (False, True):
        if changed:
            clips["again/" + next(iter(CLIPS))] = clip_bytes("other")
        content = pack(clips)
        (tmp_path / "clips.zip").write_bytes(content)
        (tmp_path / "lists.zip").write_bytes(hub.files["test_train_splits.zip"])
        arguments = ["--from", str(tmp_path / "clips.zip"), "--from", str(tmp_path / "lists.zip")]
        arguments += ["--accept", hashlib.md5(content).hexdigest()]
        text = run(tmp_path / f"out{changed}", *arguments, code=2 if changed else 0)
        assert ("is there twice, with different content" in text) == changed
        assert ("6 clips are there more than once, byte by byte the same, and were taken once" in text) != changed
    assert {name for name in written(tmp_path / "outFalse") if "videos" in name} == {f"videos/{path}" for path in CLIPS}


def test_archives_of_the_mirror_are_found_by_name_and_known_by_their_sha256(hub, run, tmp_path):
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    for name, content in hub.files.items():
        (downloads / name).write_bytes(content)
    run(tmp_path / "out", "--from", str(downloads))
    assert set(written(tmp_path / "out")) == {name for name in expected(hub) if "archives" not in name}
    content = bytearray(hub.files["hmdb51_org.zip"])
    content[1000] ^= 1
    (downloads / "hmdb51_org.zip").write_bytes(content)
    message = run(tmp_path / "other", "--from", str(downloads), code=2)
    assert f"{downloads}/hmdb51_org.zip: this is not an official archive: its md5 is " in message
    assert hub.asked == []
