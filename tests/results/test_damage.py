"""Files of a run that were damaged or edited: each is an error that names the file."""

import contextlib
import json
import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clnorm.errors import ClnormError
from clnorm.files import UNSEALED, check_seal, seal
from clnorm.results.explanation import read_explanation
from clnorm.results.folder import RunFolder, read_frame, read_predictions
from clnorm.results.record import SCHEMA, read_record
from tests.results.records import FINISHED


@pytest.fixture
def folder(tmp_path):
    """A run's folder with a record, a state, and the predictions after one step."""
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder.write("record.json", FINISHED.to_json())
    folder.state.save({"done": 1, "weights": torch.arange(100.0)})
    folder.save_predictions(0, pd.DataFrame({"clip": np.arange(50), "predicted": np.arange(50) % 3}))
    return folder


FILES = {"record.json": RunFolder.load, "state.pt": lambda folder: folder.state.load(print)}
FILES["predictions/after_0.parquet"] = lambda folder: folder.load_predictions([0])


@given(st.binary(), st.binary())
def test_a_seal_holds_for_its_content_alone(before, after):
    content = before + UNSEALED.encode() + after
    sealed = seal(content)
    assert len(sealed) == len(content)
    assert check_seal(sealed)
    for place in {0, len(before), len(sealed) - 1, len(sealed) // 2}:
        flipped = bytearray(sealed)
        flipped[place] ^= 1
        with contextlib.suppress(ValueError):
            assert not check_seal(bytes(flipped))
    assert not check_seal(before.replace(b"clnorm", b""))


def test_what_is_whole_is_read_back(folder):
    assert folder.load() == FINISHED
    assert torch.equal(folder.state.load(print)["weights"], torch.arange(100.0))
    assert folder.load_predictions([0])["clip"].tolist() == list(range(50))
    read = pd.read_parquet(folder.path / "predictions/after_0.parquet")  # by others' readers, too
    assert read.equals(folder.load_predictions([0]))
    assert torch.load(folder.path / "state.pt", weights_only=True)["done"] == 1


@pytest.mark.parametrize("name", FILES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_every_flipped_bit_is_found(folder, name, data):
    file = folder.path / name
    whole = file.read_bytes()
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    damaged = bytearray(whole)
    damaged[bit // 8] ^= 1 << bit % 8
    file.write_bytes(damaged)
    with pytest.raises(ClnormError, match=file.name):
        FILES[name](folder)
    file.write_bytes(whole)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kept", [0, 10, -100, -1])
def test_every_cut_is_found(folder, name, kept):
    file = folder.path / name
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ClnormError, match=file.name):
        FILES[name](folder)


def test_an_edited_value_of_a_record_is_an_error(folder):
    file = folder.path / "record.json"
    file.write_text(file.read_text().replace("0.75", "0.95"))
    with pytest.raises(ClnormError, match=r"run/record\.json: .*its checksum says that it was damaged or changed"):
        read_record(file)


@pytest.mark.parametrize("schema", [SCHEMA, 1])
def test_only_records_of_the_first_schema_may_be_without_checksum(folder, schema):
    file = folder.path / "record.json"
    record = {**json.loads(file.read_text()), "schema": schema}
    record.pop("checksum")
    file.write_text(json.dumps(record))
    if schema == 1:
        assert read_record(file).matrix == FINISHED.matrix
    else:
        with pytest.raises(ClnormError, match="no checksum"):
            read_record(file)


def test_a_state_of_an_earlier_version_is_named_as_that(folder):
    torch.save({"done": 1}, folder.path / "state.pt")
    with pytest.raises(ClnormError, match=r"has no checksum: .* earlier version .* delete it"):
        folder.state.load(print)


def test_the_state_before_one_that_is_gone_is_taken_and_said(folder):
    folder.state.save({"done": 2})
    folder.state.newest.unlink()
    notes = []
    assert folder.state.load(notes.append)["done"] == 1
    assert notes == [
        f"{folder.state.newest} is gone: the state before it is taken, and what came after that is done again"
    ]
    folder.state.drop()
    assert folder.state.load(notes.append) is None
    assert len(notes) == 1


def test_a_file_of_predictions_without_checksum_is_damaged(tmp_path):
    pd.DataFrame({"clip": [1]}).to_parquet(tmp_path / "p.parquet")
    with pytest.raises(ClnormError, match=r"no checksum.*do this"):
        read_frame(tmp_path / "p.parquet", hint="do this")


def test_a_column_that_is_asked_for_and_not_there_is_an_error(folder):
    file = folder.path / "predictions/after_0.parquet"
    assert list(read_frame(file, hint="", columns=["predicted"]).columns) == ["predicted"]
    with pytest.raises(ClnormError, match="no column 'label'"):
        read_frame(file, hint="", columns=["clip", "label"])


def test_a_full_disk_names_the_log_and_leaves_the_state(folder):
    (folder.path / "log.jsonl").symlink_to("/dev/full")
    with pytest.raises(ClnormError, match=r"log\.jsonl: cannot be written \(No space left on device\)"):
        folder.log({"experience": 0})
    assert folder.state.load(print)["done"] == 1


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.parametrize("name", ["predictions.parquet", "plasticity.parquet", "log.jsonl", "explain.json"])
def test_what_is_no_file_is_an_error_and_not_waited_for(folder, name, make):
    read = {
        "explain.json": lambda file: read_explanation(file.parent),
        "log.jsonl": lambda file: RunFolder(file.parent).read_log(),
        "plasticity.parquet": lambda file: read_frame(file, hint="delete it"),
        "predictions.parquet": lambda file: read_predictions(file, replace(FINISHED, schema=1)),
    }
    file = folder.path / name
    file.unlink(missing_ok=True)
    make(file)
    with pytest.raises(ClnormError, match=rf"{name}: .*\(it is no regular file\)"):
        read[name](file)


@pytest.mark.parametrize("line", ["[]", "{", "{}", '{"experience": "0"}', "9" * 5000])
def test_a_damaged_log_is_named(folder, line):
    (folder.path / "log.jsonl").write_text(line + "\n")
    with pytest.raises(ClnormError, match=r"log\.jsonl: is damaged"):
        folder.read_log()
