"""`clnorm data prepare hmdb51 --download --mirror`: from a server of the test's own that speaks as the hub does."""

import errno
import hashlib
import importlib.metadata
import io
import os
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from clnorm.cli.main import main
from clnorm.data.datasets.published import HMDB51, PUBLISHED, UCF101, Mirror, Repack
from clnorm.data.prepare import hub as module
from clnorm.data.prepare.origins import known_names
from tests.data.prepare.hub_server import REPO, REVISION, serve

CLIPS = {
    f"{label}/a#{number}_{label}_f_cm_np1_le_bad_{number}.avi": number
    for label in ("dive", "hit")
    for number in (0, 1, 2)
}
BASE = f"/datasets/{REPO}/resolve/{REVISION}"


def pack(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def clip_bytes(path: str) -> bytes:
    return hashlib.sha256(path.encode()).digest() * 2_000


def list_texts() -> dict[str, bytes]:
    lists = {}
    for split in (1, 2, 3):
        for path, flag in CLIPS.items():
            label, _, clip = path.partition("/")
            name = f"testTrainMulti_7030_splits/{label}_test_split{split}.txt"
            lists[name] = lists.get(name, b"") + f"{clip} {flag} \n".encode()
    return lists


@pytest.fixture
def hub(monkeypatch):
    """The server, with two archives that are the known ones of HMDB51's mirror for as long as the test lasts."""
    from huggingface_hub import constants

    files = {
        "hmdb51_org.zip": pack({path: clip_bytes(path) for path in CLIPS}),
        "test_train_splits.zip": pack(list_texts()),
    }
    with serve(files) as server:
        repacks = [Repack(name, len(content), hashlib.sha256(content).hexdigest()) for name, content in files.items()]
        published = replace(HMDB51, mirror=Mirror(REPO, REVISION, tuple(repacks)))
        monkeypatch.setitem(PUBLISHED, "hmdb51", published)
        monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
        yield server


def run(capsys, root: Path, *arguments: str, code: int = 0, dataset: str = "hmdb51") -> str:
    assert main(["data", "prepare", dataset, str(root), *arguments]) == code
    output = capsys.readouterr()
    assert "Traceback" not in output.err
    return output.err if code else output.out + output.err


def written(root: Path) -> dict[str, bytes]:
    return {
        file.relative_to(root).as_posix(): file.read_bytes()
        for file in root.rglob("*")
        if file.is_file() and file.name != ".prepare.lock"
    }


def expected(server) -> dict[str, bytes]:
    videos = {f"videos/{path}": clip_bytes(path) for path in CLIPS}
    lists = {f"splits/{Path(name).name}": text for name, text in list_texts().items()}
    return videos | lists | {f"archives/{name}": content for name, content in server.files.items()}


def gets(server) -> list[str]:
    return [path for method, path, _ in server.asked if method == "GET" and "harness" not in path]


def test_the_pins_are_a_commit_and_digests():
    assert HMDB51.mirror is not None
    assert len(bytes.fromhex(HMDB51.mirror.revision)) == 20
    assert [len(bytes.fromhex(repack.sha256)) for repack in HMDB51.mirror.files] == [32, 32]
    assert known_names(HMDB51) == [
        ["hmdb51_org.rar", "hmdb51_org.zip"],
        ["test_train_splits.rar", "test_train_splits.zip"],
    ]
    assert known_names(UCF101) == [[archive.file] for archive in UCF101.archives]


def test_the_mirror_is_downloaded_once_checked_and_prepared(hub, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    text = run(capsys, tmp_path / "out", "--download", "--mirror")
    assert written(tmp_path / "out") == expected(hub)
    assert f"downloading from datasets/{REPO} at {REVISION} on {hub.endpoint}" in text
    assert f"known by its sha256 as that of {REPO}" in text
    assert "6 clips of 2 classes" in text
    assert {path for _, path, _ in hub.asked if "harness" not in path} == {
        f"{place}/{name}" for place in (BASE, "/storage") for name in hub.files
    }
    assert not any("authorization" in name.lower() for _, _, headers in hub.asked for name in headers)
    hub.asked.clear()
    assert "2 of 2 classes are there already" in run(capsys, tmp_path / "out", "--download", "--mirror")
    run(capsys, tmp_path / "out")
    assert hub.asked == []


def test_nothing_is_asked_without_download(hub, tmp_path, capsys):
    message = run(capsys, tmp_path / "out", "--mirror", code=2)
    assert "--mirror: this says from where --download takes the archives; add --download" in message
    assert "--download --mirror" in run(capsys, tmp_path / "out", code=2)
    (tmp_path / "a.zip").write_bytes(b"PK")
    message = run(capsys, tmp_path / "out", "--download", "--mirror", "--from", str(tmp_path / "a.zip"), code=2)
    assert "--from: the archives are given, and to be downloaded" in message
    message = run(capsys, tmp_path / "out", "--download", "--mirror", code=2, dataset="ucf101")
    assert "--mirror: no mirror of 'ucf101' is known; legal: hmdb51" in message
    assert hub.asked == []
    assert not (tmp_path / "out").exists()


def test_clips_that_are_there_twice(hub, tmp_path, capsys):
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
        text = run(capsys, tmp_path / f"out{changed}", *arguments, code=2 if changed else 0)
        assert ("is there twice, with different content" in text) == changed
        assert ("6 clips are there more than once, byte by byte the same, and were taken once" in text) != changed
    assert {name for name in written(tmp_path / "outFalse") if "videos" in name} == {f"videos/{path}" for path in CLIPS}


def test_archives_of_the_mirror_are_found_by_name_and_known_by_their_sha256(hub, tmp_path, capsys):
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    for name, content in hub.files.items():
        (downloads / name).write_bytes(content)
    run(capsys, tmp_path / "out", "--from", str(downloads))
    assert set(written(tmp_path / "out")) == {name for name in expected(hub) if "archives" not in name}
    content = bytearray(hub.files["hmdb51_org.zip"])
    content[1000] ^= 1
    (downloads / "hmdb51_org.zip").write_bytes(content)
    message = run(capsys, tmp_path / "other", "--from", str(downloads), code=2)
    assert f"{downloads}/hmdb51_org.zip: this is not an official archive: its md5 is " in message
    assert hub.asked == []


@pytest.mark.parametrize(
    ("refuse", "said"),
    [
        ((404, "RevisionNotFound"), f"the hub has no commit {REVISION} of {REPO} any more"),
        ((404, "EntryNotFound"), "the hub has no such file"),
        ((404, "RepoNotFound"), f"the hub has no dataset {REPO} that is open to all"),
        ((403, "GatedRepo"), f"the hub has no dataset {REPO} that is open to all"),
        ((404, ""), "cannot be downloaded: "),
        ((401, ""), "cannot be downloaded: "),
        ((500, ""), "cannot be downloaded: "),
    ],
)
def test_a_hub_that_refuses(hub, tmp_path, capsys, refuse, said):
    hub.refuse = refuse
    message = run(capsys, tmp_path / "out", "--download", "--mirror", code=1)
    assert f"error: {hub.endpoint}{BASE}/hmdb51_org.zip: {said}" in message
    assert "by other means and pass it with --from" in message
    assert message.count("\n") == 2  # the address before, and the error
    assert written(tmp_path / "out") == {}
    assert gets(hub) == []


@pytest.mark.parametrize("what", ["sha256", "size", "commit"])
def test_another_file_than_the_known_one_is_refused_before_it_comes(hub, tmp_path, capsys, monkeypatch, what):
    known = PUBLISHED["hmdb51"].mirror
    first = known.files[0]
    changed = {
        "sha256": replace(known, files=(replace(first, sha256="0" * 64), known.files[1])),
        "size": replace(known, files=(replace(first, size=7), known.files[1])),
        "commit": known,
    }[what]
    monkeypatch.setitem(PUBLISHED, "hmdb51", replace(HMDB51, mirror=changed))
    if what == "commit":
        monkeypatch.setattr("tests.data.prepare.hub_server.REVISION", "1" * 40)
        monkeypatch.setitem(PUBLISHED, "hmdb51", replace(HMDB51, mirror=replace(known, revision="1" * 40)))
        hub.commit = "2" * 40
    message = run(capsys, tmp_path / "out", "--download", "--mirror", code=1)
    assert f"the {what} of what is offered is" in message
    assert "nothing was downloaded" in message
    assert gets(hub) == []


def test_what_came_has_another_sha256(hub, tmp_path, capsys):
    """One bit on the way; the other archive is not asked for."""
    content = bytearray(hub.files["hmdb51_org.zip"])
    content[5000] ^= 1
    hub.sent["hmdb51_org.zip"] = bytes(content)
    message = run(capsys, tmp_path / "out", "--download", "--mirror", code=1)
    assert f"the sha256 of what came is {hashlib.sha256(content).hexdigest()}, not " in message
    assert "it was removed" in message
    assert written(tmp_path / "out") == {}
    hub.sent.clear()
    run(capsys, tmp_path / "out", "--download", "--mirror")
    assert written(tmp_path / "out") == expected(hub)


def test_a_connection_that_breaks_is_taken_up_and_one_that_stays_broken_is_begun_anew(hub, tmp_path, capsys):
    hub.cuts += [100_000, None]
    run(capsys, tmp_path / "once", "--download", "--mirror")
    assert written(tmp_path / "once") == expected(hub)
    hub.cuts += [0] * 20
    message = run(capsys, tmp_path / "out", "--download", "--mirror", code=1)
    assert "hmdb51_org.zip: cannot be downloaded: " in message
    assert "the same command begins this file anew" in message
    assert written(tmp_path / "out") == {}
    hub.cuts.clear()
    (tmp_path / "out" / "archives" / ".hub").mkdir(parents=True)  # left by a kill
    (tmp_path / "out" / "archives" / ".hub" / "x.incomplete").write_bytes(b"half")
    run(capsys, tmp_path / "out", "--download", "--mirror")
    assert written(tmp_path / "out") == expected(hub)


def test_ctrl_c_leaves_nothing(hub, tmp_path, capsys, monkeypatch):
    def interrupt(url, file, **options):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("huggingface_hub.file_download.http_get", interrupt)
    message = run(capsys, tmp_path / "out", "--download", "--mirror", code=130)
    assert message.endswith("error: interrupted\n")
    assert written(tmp_path / "out") == {}


def test_offline(hub, tmp_path, capsys, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    message = run(capsys, tmp_path / "out", "--download", "--mirror", code=2)
    assert "--mirror: HF_HUB_OFFLINE is set, and so the hub is not asked; unset it, or use --from" in message
    assert hub.asked == []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    template = "http://127.0.0.1:1/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    assert "cannot be downloaded: " in run(capsys, tmp_path / "out", "--download", "--mirror", code=1)


@pytest.mark.parametrize("what", ["half of it", "a folder", "a link to nowhere"])
def test_something_else_in_an_archives_place_is_named_and_left(hub, tmp_path, capsys, what):
    place = tmp_path / "out" / "archives" / "hmdb51_org.zip"
    place.parent.mkdir(parents=True)
    if what == "half of it":
        place.write_bytes(hub.files["hmdb51_org.zip"][:1000])
    elif what == "a folder":
        place.mkdir()
    else:
        place.symlink_to("/gone")
    message = run(capsys, tmp_path / "out", "--download", "--mirror", code=2)
    size = len(hub.files["hmdb51_org.zip"])
    assert f"error: {place}: what lies here is not the archive, a file of {size:,} bytes; delete it, then" in message
    assert hub.asked == []
    assert os.path.lexists(place)


def test_a_file_in_the_folders_place(hub, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "archives").write_bytes(b"mine")
    message = run(capsys, tmp_path / "out", "--download", "--mirror", code=1)
    assert f"error: {tmp_path}/out/archives: cannot be written: File exists; free some room, or choose" in message
    assert (tmp_path / "out" / "archives").read_bytes() == b"mine"


@pytest.mark.parametrize("when", ["before", "while writing"])
def test_a_full_disk(hub, tmp_path, capsys, monkeypatch, when):
    def fill(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    if when == "before":
        usage = shutil.disk_usage(tmp_path)._replace(free=10)
        monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage)
    else:
        monkeypatch.setattr("huggingface_hub.file_download.http_get", fill)
    message = run(capsys, tmp_path / "out", "--download", "--mirror", code=1)
    assert f"error: {tmp_path}/out/archives: " in message
    assert ("are to come and 0.0 MB are free" if when == "before" else "cannot be written: No space left") in message
    assert "then give the same command again" in message
    assert written(tmp_path / "out") == {}


def test_the_library_is_missing_or_old(hub, tmp_path, capsys, monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    for version, said in ((missing, "the hub needs huggingface_hub"), (lambda name: "1.9.2", "1.9.2 is too old")):
        monkeypatch.setattr(module.importlib.metadata, "version", version)
        message = run(capsys, tmp_path / "out", "--download", "--mirror", code=1)
        assert said in message
        assert "pip install 'clnorm[hub]'" in message
    assert hub.asked == []


def test_a_failure_of_the_storage_below_the_library_is_one_line(hub, tmp_path, capsys, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
    message = run(capsys, tmp_path / "out", "--download", "--mirror", code=1)
    assert "cannot be downloaded: first line second line; the same command" in message
