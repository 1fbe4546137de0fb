"""A run with tuned values keeps what they came from."""

from dataclasses import replace
from pathlib import Path

import pytest

import clnorm
from clnorm.config.load import load_config
from clnorm.config.tuned import TUNED_FILE
from clnorm.errors import UserError
from tests.config.tunings import TUNING

pytestmark = pytest.mark.slow

TUNED = replace(
    TUNING,
    search={"train.lr": {"low": 0.001, "high": 0.1, "log": True}},
    config={},
    cells=[{"norm": "ln", "strategy": "naive", "values": {"train.lr": 0.02}, "failed": 0, "edges": {}}],
)


@pytest.fixture
def kept(tiny, tmp_path):
    """The folder of a finished run with tuned values, and the file that they were taken from."""
    file = tmp_path / "search" / TUNED_FILE
    file.parent.mkdir()
    file.write_bytes(TUNED.to_yaml())
    record = clnorm.run(tiny(norm="ln", strategy="naive", tuned=str(file)))
    return tmp_path / "runs" / record.run, file


@pytest.mark.parametrize("fate", ["gone", "another"])
def test_it_is_made_again_where_the_search_has_moved_on(kept, fate):
    folder, file = kept
    file.unlink()
    if fate == "another":
        file.write_bytes(replace(TUNED, trials=3).to_yaml())
    again = load_config(folder / "config.yaml")
    assert (again.train.lr, again.tuned) == (0.02, str(folder / TUNED_FILE))
    assert clnorm.run(again).run == folder.name
    assert load_config(folder / "config.yaml", {"tuned": None}).tuned is None


def test_a_copy_that_is_gone_is_missed(kept):
    folder, _ = kept
    (folder / TUNED_FILE).unlink()
    with pytest.raises(UserError, match=r"tuned .*tuned.yaml: cannot be read"):
        load_config(folder / "config.yaml")


def test_a_bare_name_in_a_configuration_is_the_file_beside_it(kept, tmp_path, monkeypatch):
    _, file = kept
    (file.parent / "run.yaml").write_text(f"norm: ln\nstrategy: naive\ntuned: {TUNED_FILE}\n")
    monkeypatch.chdir(tmp_path)
    assert Path(load_config("search/run.yaml").tuned) == file
