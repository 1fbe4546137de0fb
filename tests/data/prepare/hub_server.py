"""A small HMDB51, and a server that has it as the hub would: HEAD and GET of a file of a dataset at a commit."""

import hashlib
import io
import re
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REPO, REVISION = "lab/hmdb", "16eb" * 10
CLIPS = {
    f"{label}/a#{number}_{label}_f_cm_np1_le_bad_{number}.avi": number
    for label in ("dive", "hit")
    for number in (0, 1, 2)
}
BASE = f"/datasets/{REPO}/resolve/{REVISION}"


class Handler(BaseHTTPRequestHandler):
    """Answers for `server.files` of REPO at REVISION, redirected to a storage on another host as the hub does.

    `server.refuse` (status, X-Error-Code) answers every question; `server.cut` ends a GET after that many bytes;
    `server.sent` are the bytes that come instead of the promised ones.
    """

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        server = self.server
        server.asked.append((self.command, self.path, dict(self.headers)))
        found = re.fullmatch(rf"/(?:datasets/{REPO}/resolve/{REVISION}|storage)/(\S+)", self.path)
        if server.refuse:
            self.refuse(*server.refuse)
        elif not found:
            self.refuse(404, "RevisionNotFound" if f"{REPO}/" in self.path else "RepoNotFound")
        elif found[1] not in server.files:
            self.refuse(404, "EntryNotFound")
        elif self.path.startswith("/storage"):
            self.send_file(found[1], body=body)
        else:
            content = server.files[found[1]]
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{server.server_port}/storage/{found[1]}")
            self.send_header("X-Repo-Commit", server.commit)
            self.send_header("X-Linked-Etag", f'"{server.etags.get(found[1]) or hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("Content-Length", "0")
            self.end_headers()

    def send_file(self, name: str, *, body: bool) -> None:
        promised = self.server.files[name]
        content = self.server.sent.get(name, promised)
        start = int(re.search(r"\d+", self.headers["Range"] or "0")[0])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(promised) - start))
        self.send_header("Content-Range", f"bytes {start}-{len(promised) - 1}/{len(promised)}")
        self.end_headers()
        if body:
            cut = self.server.cuts.pop(0) if self.server.cuts else None
            self.wfile.write(content[start:cut])

    def refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", "no such thing")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def serve(files: dict[str, bytes]) -> Iterator[ThreadingHTTPServer]:
    """The server while the context lasts; `asked` lists method, path and headers of each question."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.files, made.etags, made.sent, made.cuts, made.refuse, made.asked = files, {}, {}, [], None, []
    made.commit = REVISION
    made.endpoint = f"http://127.0.0.1:{made.server_port}"
    made.handle_error = lambda *arguments: None  # a client that leaves early
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.shutdown()
        thread.join()
        made.server_close()


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


def expected(server) -> dict[str, bytes]:
    videos = {f"videos/{path}": clip_bytes(path) for path in CLIPS}
    lists = {f"splits/{Path(name).name}": text for name, text in list_texts().items()}
    return videos | lists | {f"archives/{name}": content for name, content in server.files.items()}


def written(root: Path) -> dict[str, bytes]:
    return {
        file.relative_to(root).as_posix(): file.read_bytes()
        for file in root.rglob("*")
        if file.is_file() and file.name != ".prepare.lock"
    }
