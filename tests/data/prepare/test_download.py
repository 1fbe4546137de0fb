"""Downloads: from a server of the test's own, whole, resumed, refused and interrupted."""

import hashlib
import re
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from clnorm.data.datasets.published import HMDB51, UCF101, Archive
from clnorm.data.prepare.digests import md5_of
from clnorm.data.prepare.download import download, fetch_archives
from clnorm.errors import ClnormError
from clnorm.progress import Reporter

CONTENT = b"Rar!\x1a\x07" + bytes(range(256)) * 8000


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT with ranges; stops after `server.cut` bytes where that is set, and notes what was asked for."""

    def do_GET(self):
        self.server.asked.append(self.headers["Range"])
        if self.path == "/moved.rar":
            self.send_response(302)
            self.send_header("Location", "/page.html")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path == "/page.html":
            self.send_response(200)
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b"<html>")
            return
        start = int(re.search(r"\d+", self.headers["Range"] or "0")[0])
        if self.path != "/good.rar":
            self.send_error(404)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        self.wfile.write(CONTENT[start : self.server.cut])

    def log_message(self, *arguments):
        pass


class Counting(Reporter):
    def __init__(self):
        self.total, self.done, self.notes = 0, 0, []

    def start(self, title, *, total, unit):
        self.total = total

    def advance(self, count):
        self.done += count

    def note(self, text):
        self.notes.append(text)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr("clnorm.data.prepare.download._RETRIES", 0)
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.asked, made.cut = [], None
    made.handle_error = lambda *arguments: None  # a client that leaves early
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def archive_of(server, *, file="good.rar", md5=None) -> Archive:
    return Archive("good.rar", f"http://127.0.0.1:{server.server_port}/{file}", md5 or hashlib.md5(CONTENT).hexdigest())


@pytest.mark.slow
def test_it_is_downloaded_once_with_progress(server, tmp_path):
    reporter = Counting()
    path = download(archive_of(server), tmp_path / "archives", reporter=reporter)
    assert path.read_bytes() == CONTENT
    assert (reporter.total, reporter.done) == (len(CONTENT), len(CONTENT))
    assert reporter.notes == [f"downloading from {archive_of(server).url}"]
    assert md5_of(path) == hashlib.md5(CONTENT).hexdigest()
    download(archive_of(server), tmp_path / "archives", reporter=Reporter())
    assert server.asked == [None]
    assert [file.name for file in path.parent.iterdir()] == ["good.rar"]


@pytest.mark.slow
def test_an_interrupted_download_goes_on_where_it_stopped(server, tmp_path):
    server.cut = 1_500_000
    with pytest.raises(ClnormError, match="the same command goes on where it stopped"):
        download(archive_of(server), tmp_path, reporter=Reporter())
    assert not (tmp_path / "good.rar").exists()
    server.cut = None
    reporter = Counting()
    assert download(archive_of(server), tmp_path, reporter=reporter).read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=1048576-"  # whole blocks of what came before
    assert [file.name for file in tmp_path.iterdir()] == ["good.rar"]


@pytest.mark.slow
def test_a_wrong_md5_is_removed(server, tmp_path):
    with pytest.raises(ClnormError, match=r"the md5 of what came is \w{32}, not 00"):
        download(archive_of(server, md5="00"), tmp_path, reporter=Reporter())
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_missing_file_and_a_server_that_is_down(server, tmp_path):
    with pytest.raises(ClnormError, match=r"404.*by other means and pass it with --from"):
        download(archive_of(server, file="no.rar"), tmp_path, reporter=Reporter())
    down = Archive("a.rar", "http://127.0.0.1:1/a.rar")
    with pytest.raises(ClnormError, match="cannot be downloaded"):
        download(down, tmp_path, reporter=Reporter())
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_page_instead_of_an_archive_does_not_stay(server, tmp_path):
    """A server that was given up leads to a page, with success; without an md5 nothing else would notice."""
    archive = Archive("moved.rar", f"http://127.0.0.1:{server.server_port}/moved.rar")
    with pytest.raises(ClnormError, match=r"what came is no archive, perhaps a page .* it was removed; get http://.*"):
        download(archive, tmp_path, reporter=Reporter())
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_where_the_authors_server_fails_a_mirror_is_named(server, tmp_path):
    for published, named in ((HMDB51, True), (UCF101, False)):
        gone = replace(published, archives=(archive_of(server, file="no.rar"),))
        with pytest.raises(ClnormError, match="404") as caught:
            fetch_archives(gone, tmp_path, mirror=False, reporter=Reporter())
        assert ("or add --mirror, for the copies of MichiganNLP/hmdb on the hub" in str(caught.value)) == named
