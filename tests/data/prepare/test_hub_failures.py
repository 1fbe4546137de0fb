"""`clnorm data prepare hmdb51 --download --mirror` where the hub, the network, the disk or the user is in the way."""

import errno
import hashlib
import importlib.metadata
import os
import shutil
from dataclasses import replace

import pytest

from clnorm.data.datasets.published import HMDB51, PUBLISHED
from clnorm.data.prepare import hub as module
from tests.data.prepare.hub_server import BASE, REPO, REVISION, expected, written


def gets(server) -> list[str]:
    return [path for method, path, _ in server.asked if method == "GET" and "harness" not in path]


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
def test_a_hub_that_refuses(hub, run, tmp_path, refuse, said):
    hub.refuse = refuse
    message = run(tmp_path / "out", "--download", "--mirror", code=1)
    assert f"error: {hub.endpoint}{BASE}/hmdb51_org.zip: {said}" in message
    assert "by other means and pass it with --from" in message
    assert message.count("\n") == 2  # the address before, and the error
    assert written(tmp_path / "out") == {}
    assert gets(hub) == []


@pytest.mark.parametrize("what", ["sha256", "size", "commit"])
def test_another_file_than_the_known_one_is_refused_before_it_comes(hub, run, tmp_path, monkeypatch, what):
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
    message = run(tmp_path / "out", "--download", "--mirror", code=1)
    assert f"the {what} of what is offered is" in message
    assert "nothing was downloaded" in message
    assert gets(hub) == []


def test_what_came_has_another_sha256(hub, run, tmp_path):
    """One bit on the way; the other archive is not asked for."""
    content = bytearray(hub.files["hmdb51_org.zip"])
    content[5000] ^= 1
    hub.sent["hmdb51_org.zip"] = bytes(content)
    message = run(tmp_path / "out", "--download", "--mirror", code=1)
    assert f"the sha256 of what came is {hashlib.sha256(content).hexdigest()}, not " in message
    assert "it was removed" in message
    assert written(tmp_path / "out") == {}
    hub.sent.clear()
    run(tmp_path / "out", "--download", "--mirror")
    assert written(tmp_path / "out") == expected(hub)


@pytest.mark.slow
def test_a_connection_that_breaks_is_taken_up_and_one_that_stays_broken_is_begun_anew(hub, run, tmp_path):
    hub.cuts += [100_000, None]
    run(tmp_path / "once", "--download", "--mirror")
    assert written(tmp_path / "once") == expected(hub)
    hub.cuts += [0] * 20
    message = run(tmp_path / "out", "--download", "--mirror", code=1)
    assert "hmdb51_org.zip: cannot be downloaded: " in message
    assert "the same command begins this file anew" in message
    assert written(tmp_path / "out") == {}
    hub.cuts.clear()
    (tmp_path / "out" / "archives" / ".hub").mkdir(parents=True)  # left by a kill
    (tmp_path / "out" / "archives" / ".hub" / "x.incomplete").write_bytes(b"half")
    run(tmp_path / "out", "--download", "--mirror")
    assert written(tmp_path / "out") == expected(hub)


def test_ctrl_c_leaves_nothing(hub, run, tmp_path, monkeypatch):
    def interrupt(url, file, **options):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("huggingface_hub.file_download.http_get", interrupt)
    message = run(tmp_path / "out", "--download", "--mirror", code=130)
    assert message.endswith("error: interrupted\n")
    assert written(tmp_path / "out") == {}


def test_offline(hub, run, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    message = run(tmp_path / "out", "--download", "--mirror", code=2)
    assert "--mirror: HF_HUB_OFFLINE is set, and so the hub is not asked; unset it, or use --from" in message
    assert hub.asked == []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    template = "http://127.0.0.1:1/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    assert "cannot be downloaded: " in run(tmp_path / "out", "--download", "--mirror", code=1)


@pytest.mark.parametrize("what", ["half of it", "a folder", "a link to nowhere"])
def test_something_else_in_an_archives_place_is_named_and_left(hub, run, tmp_path, what):
    place = tmp_path / "out" / "archives" / "hmdb51_org.zip"
    place.parent.mkdir(parents=True)
    if what == "half of it":
        place.write_bytes(hub.files["hmdb51_org.zip"][:1000])
    elif what == "a folder":
        place.mkdir()
    else:
        place.symlink_to("/gone")
    message = run(tmp_path / "out", "--download", "--mirror", code=2)
    size = len(hub.files["hmdb51_org.zip"])
    assert f"error: {place}: what lies here is not the archive, a file of {size:,} bytes; delete it, then" in message
    assert hub.asked == []
    assert os.path.lexists(place)


def test_a_file_in_the_folders_place(hub, run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "archives").write_bytes(b"mine")
    message = run(tmp_path / "out", "--download", "--mirror", code=1)
    assert f"error: {tmp_path}/out/archives: cannot be written: File exists; free some room, or choose" in message
    assert (tmp_path / "out" / "archives").read_bytes() == b"mine"


@pytest.mark.parametrize("when", ["before", "while writing"])
def test_a_full_disk(hub, run, tmp_path, monkeypatch, when):
    def fill(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    if when == "before":
        usage = shutil.disk_usage(tmp_path)._replace(free=10)
        monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage)
    else:
        monkeypatch.setattr("huggingface_hub.file_download.http_get", fill)
    message = run(tmp_path / "out", "--download", "--mirror", code=1)
    assert f"error: {tmp_path}/out/archives: " in message
    assert ("are to come and 0.0 MB are free" if when == "before" else "cannot be written: No space left") in message
    assert "then give the same command again" in message
    assert written(tmp_path / "out") == {}


def test_the_library_is_missing_or_old(hub, run, tmp_path, monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    for version, said in ((missing, "the hub needs huggingface_hub"), (lambda name: "1.9.2", "1.9.2 is too old")):
        monkeypatch.setattr(module.importlib.metadata, "version", version)
        message = run(tmp_path / "out", "--download", "--mirror", code=1)
        assert said in message
        assert "pip install 'clnorm[hub]'" in message
    assert hub.asked == []


def test_a_failure_of_the_storage_below_the_library_is_one_line(hub, run, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
    message = run(tmp_path / "out", "--download", "--mirror", code=1)
    assert "cannot be downloaded: first line second line; the same command" in message
