"""Where the compiled passes are kept: once for each kind of processor, and no lock that outlives a process."""

from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from clnorm.errors import ClnormError
from clnorm.norms.kernels import native


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    """Takes the place of the compiler; gives the folders in which it was called."""
    folders = []

    def load(name, sources, *, build_directory, **flags):
        folder = Path(build_directory)
        assert not (folder / "lock").exists(), "torch would wait for it for ever"
        with pytest.raises(Timeout):  # which another process would meet too
            FileLock(f"{folder}.lock", timeout=0).acquire()
        folders.append(folder)

    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    monkeypatch.setattr("torch.utils.cpp_extension.load", load)
    return folders


def test_a_lock_that_a_killed_process_left_is_no_hindrance(compiled):
    native._compile()
    (compiled[0] / "lock").touch()
    native._compile()
    assert compiled[0] == compiled[1]


def test_another_processor_and_another_torch_have_passes_of_their_own(compiled, monkeypatch):
    native._compile()
    monkeypatch.setattr("torch.__version__", "2.99.0")
    native._compile()
    monkeypatch.setattr(native.Path, "read_text", lambda path: "processor : 0\nflags : fpu sse\n")
    native._compile()
    assert len(set(compiled)) == 3


def test_a_folder_that_cannot_be_made_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "file"))
    monkeypatch.setattr("torch.ops.clnorm", object())
    with pytest.raises(ClnormError, match=r"train\.kernels=native: the norms' passes cannot be compiled"):
        native.load_native()
