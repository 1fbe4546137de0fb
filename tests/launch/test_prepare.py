"""What the jobs of a sweep find ready: each store of clips once."""

import pytest

from clnorm.cli.main import main
from clnorm.data.open import open_store
from clnorm.launch.manifest import write_manifest
from clnorm.launch.prepare import list_unprepared, prepare
from clnorm.progress import Reporter


@pytest.fixture
def cells(plan, tmp_path, monkeypatch):
    monkeypatch.setenv("CLNORM_CACHE", str(tmp_path / "cache"))
    sizes = ({"data__image_size": 16}, {"data__image_size": 24})
    planned = plan(*({**size, "norm": norm} for norm in ("bn", "cn") for size in sizes)).cells
    return dict(enumerate(planned))


def test_each_store_that_is_missing_is_told_once(cells):
    missing = list_unprepared(cells)
    assert len(missing) == 2
    assert {cells[index].config.data.image_size for index in missing} == {16, 24}
    prepare([cells[missing[0]]], reporter=Reporter())
    assert list_unprepared(cells) == missing[1:]
    prepare([cells[index] for index in missing], reporter=Reporter())
    assert list_unprepared(cells) == []


def test_a_worker_prepares_and_runs_nothing(cells, tmp_path):
    file = write_manifest(list(cells.values()))
    index = list_unprepared(cells)[0]
    assert main(["worker", str(file), "--index", str(index), "--prepare"]) == 0
    assert not any(cell.folder.path.exists() for cell in cells.values())
    assert index not in list_unprepared(cells)


def test_compiled_passes_are_made_where_they_are_asked_for(plan, monkeypatch):
    made = []
    monkeypatch.setattr("clnorm.norms.kernels.native.load_native", lambda: made.append(1))
    monkeypatch.setattr("clnorm.launch.prepare.open_store", lambda *given: open_store)
    prepare(plan({"train__kernels": "native"}, {"train__kernels": "torch"}).cells, reporter=Reporter())
    assert made == [1]
