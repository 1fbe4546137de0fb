"""A hub of the test's own, and `clnorm data prepare` that asks it."""

import hashlib
from dataclasses import replace

import pytest

from clnorm.cli.main import main
from clnorm.data.datasets.published import HMDB51, PUBLISHED, Mirror, Repack
from tests.data.prepare.hub_server import CLIPS, REPO, REVISION, clip_bytes, list_texts, pack, serve


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


@pytest.fixture
def run(capsys):
    """Runs `clnorm data prepare DATASET ROOT ...`, which must end with `code`; what it printed."""

    def prepare(root, *arguments, code=0, dataset="hmdb51"):
        assert main(["data", "prepare", dataset, str(root), *arguments]) == code
        output = capsys.readouterr()
        assert "Traceback" not in output.err
        return output.err if code else output.out + output.err

    return prepare
