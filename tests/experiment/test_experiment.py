"""Whole runs on a tiny stream: the same to the bit, paired between norms, never repeated."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import clnorm
from clnorm.errors import ClnormError
from clnorm.progress import Reporter
from clnorm.training.monitor import MonitorPlugin

NORMS = ["ln", "bn", "gn", "cn"]


class Notes(Reporter):
    def __init__(self):
        self.texts = []

    def note(self, text):
        self.texts.append(text)


def folder_of(config, record):
    return Path(config.out) / record.run


def log_of(config, record):
    """Experience, epoch and loss of every line of the log."""
    lines = map(json.loads, (folder_of(config, record) / "log.jsonl").read_text().splitlines())
    return [(line["experience"], line["epoch"], line["loss"]) for line in lines]


def predictions_of(config, record):
    return pd.read_parquet(folder_of(config, record) / "predictions.parquet")


@pytest.mark.slow
def test_the_matrix_is_that_of_the_predictions(tiny):
    config = tiny(strategy="replay:per_class=2")
    record = clnorm.run(config)
    predictions = predictions_of(config, record)
    for after, row in enumerate(record.matrix):
        for index, value in enumerate(row):
            rows = predictions[(predictions["after"] == after) & predictions["label"].isin(record.experiences[index])]
            if value is None:
                assert rows.empty
            else:
                assert value == pytest.approx((rows["predicted"] == rows["label"]).mean())
                assert ((rows["rank"] == 0) == (rows["predicted"] == rows["label"])).all()
    seen = set(record.experiences[0])
    assert set(predictions.loc[predictions["after"] == 0, "predicted"]) <= seen


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(tiny, tmp_path):
    runs = [tiny(norm="cn", strategy="replay:per_class=2", out=str(tmp_path / name)) for name in "ab"]
    first, second = (clnorm.run(config) for config in runs)
    assert first.matrix == second.matrix
    assert first.run == second.run
    for name in ("predictions.parquet", "matrix.csv"):
        contents = [(folder_of(config, first) / name).read_bytes() for config in runs]
        assert contents[0] == contents[1]
    losses = [log_of(config, first) for config in runs]
    assert losses[0] == losses[1]
    other = tiny(norm="cn", strategy="replay:per_class=2", seed=1)
    assert clnorm.run(other).config["seed"] == 1
    assert not predictions_of(other, clnorm.run(other)).equals(predictions_of(runs[0], first))


@pytest.mark.slow
def test_norms_are_paired_same_order_same_clips_same_batches(tiny, monkeypatch):
    seen = {}

    class Spy(MonitorPlugin):
        def after_training_iteration(self, strategy, **kwargs):
            super().after_training_iteration(strategy, **kwargs)
            seen.setdefault(norm, []).append((strategy.mb_y.tolist(), strategy.mb_x.sum().item()))

    monkeypatch.setattr("clnorm.training.trainer.MonitorPlugin", Spy)
    records = {}
    for norm in NORMS:
        records[norm] = clnorm.run(tiny(norm=norm, strategy="replay:per_class=2"))
    assert len({json.dumps(record.experiences) for record in records.values()}) == 1
    assert all(batches == seen["ln"] for batches in seen.values())
    assert len(seen["ln"]) == 12


@pytest.mark.slow
def test_a_finished_run_is_loaded_and_says_so(tiny):
    config, notes = tiny(), Notes()
    first = clnorm.run(config)
    stamp = (folder_of(config, first) / "record.json").stat().st_mtime_ns
    assert clnorm.run(config, reporter=notes) == first
    assert "finished already" in " ".join(notes.texts)
    assert (folder_of(config, first) / "record.json").stat().st_mtime_ns == stamp
    assert not (folder_of(config, first) / "state.pt").exists()


@pytest.mark.slow
def test_total_batch_is_constant_with_replay_and_memory_is_balanced(tiny, monkeypatch):
    sizes = []

    class Spy(MonitorPlugin):
        def after_training_iteration(self, strategy, **kwargs):
            super().after_training_iteration(strategy, **kwargs)
            sizes.append((strategy.index, len(strategy.mb_y), (strategy.mb_y < 2).sum().item()))

    monkeypatch.setattr("clnorm.training.trainer.MonitorPlugin", Spy)
    record = clnorm.run(tiny(strategy="replay:per_class=2,share=0.25"))
    assert all(size == 4 for index, size, _ in sizes if index == 0)
    later = [(size, old) for index, size, old in sizes if index == 1]
    assert all(old == 1 for _, old in later)
    assert [size for size, _ in later] == [4, 4, 3] * 2
    pixels = 8 * 4 * 3 * 16 * 16 / 1e6
    assert record.memory == {
        "clips": 8,
        "frames": 32,
        "megabytes": pytest.approx(pixels),
        "payload_megabytes": 0.0,
        "method_megabytes": 0.0,
        "statistics_megabytes": 0.0,
        "kept_megabytes": pytest.approx(pixels),
    }
    assert record.cost["clips_trained"] == 2 * (8 + 8 + 3)


@pytest.mark.slow
def test_unseen_experiences_are_evaluated_when_asked(tiny):
    record = clnorm.run(tiny(eval__unseen=True))
    assert len(record.untrained) == 2
    assert None not in record.matrix[0]
    expected = record.matrix[0][1] - record.untrained[1]
    assert record.metrics["fwt"] == pytest.approx(expected)
    plain = clnorm.run(tiny())
    assert plain.metrics["fwt"] is None
    assert plain.metrics["average_incremental_accuracy"] == record.metrics["average_incremental_accuracy"]


@pytest.mark.slow
def test_loss_over_all_classes_pushes_unseen_ones_down(tiny):
    losses = {}
    for loss in ("seen", "all"):
        config = tiny(train__loss=loss)
        losses[loss] = log_of(config, clnorm.run(config))[0][2]
    # At the start the head is zero: ln 2 among two seen classes, ln 4 among all four.
    assert losses["seen"] < losses["all"]


@pytest.mark.slow
def test_bf16_runs_and_differs_from_fp32_by_rounding(tiny):
    losses = {}
    for precision in ("fp32", "bf16"):
        config = tiny(train__precision=precision, norm="cn")
        losses[precision] = log_of(config, clnorm.run(config))[0][2]
    assert losses["bf16"] != losses["fp32"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.1)


@pytest.fixture
def copied_root(tiny, tmp_path):
    """A copy of the tiny dataset, as HMDB51, and the path of one of its training clips."""
    from clnorm.data.synthetic.reader import read

    table = read(None, **tiny().dataset.kwargs)
    root = tmp_path / "copy"
    shutil.copytree(table.root, root)
    return root, table.frame["path"].iloc[table.train_ids[0]]


@pytest.fixture
def broken_root(copied_root):
    """The copy, in which that clip is no video."""
    root, path = copied_root
    (root / path).write_text("not a video")
    return root, path


@pytest.mark.slow
def test_a_finished_run_whose_clips_changed_since_is_loaded_with_a_warning(tiny, copied_root):
    root, path = copied_root
    config = tiny(dataset="hmdb51", data__root=str(root), train__epochs=1)
    first, file = clnorm.run(config), root / path
    whole, notes = file.read_bytes(), Notes()
    file.touch()  # another time, the same content
    assert clnorm.run(config, reporter=notes) == first
    assert len(notes.texts) == 1
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert clnorm.run(config, reporter=notes) == first
    assert "Its clips hold something else now than when it ran" in notes.texts[-1]


@pytest.mark.slow
def test_a_bad_clip_stops_the_run_unless_it_is_skipped_and_recorded(tiny, broken_root):
    root, path = broken_root
    hmdb51 = {"dataset": "hmdb51", "data__root": str(root)}
    with pytest.raises(ClnormError, match=r"1 of 24 clips cannot be decoded.*data\.skip_bad=true") as caught:
        clnorm.run(tiny(**hmdb51))
    assert Path(path).name in str(caught.value)
    record = clnorm.run(tiny(**hmdb51, data__skip_bad=True))
    assert list(record.data["bad"]) == [path]
    assert sum(record.data["train_clips"]) == 15


@pytest.mark.slow
def test_copies_in_another_container_are_said_and_stand_in_the_record(tiny, copied_root):
    """Six of them; the rest has the names that the lists say, and then nothing is said."""
    root, path = copied_root
    assert "substituted" not in clnorm.run(tiny(dataset="hmdb51", data__root=str(root), train__epochs=1)).data
    for file in list((root / path).parent.iterdir()):
        file.rename(file.with_suffix(".mkv"))
    notes = Notes()
    record = clnorm.run(tiny(dataset="hmdb51", data__root=str(root), train__epochs=1), reporter=notes)
    assert record.data["substituted"] == {".mkv for .avi": 6}
    assert any("6 with .mkv for .avi" in text for text in notes.texts)


@pytest.mark.slow
def test_ewc_with_single_frames_has_parameters_without_gradient(tiny):
    record = clnorm.run(tiny(strategy="ewc:lam=10", data__frames=1, train__epochs=1))
    assert record.status == "finished"


@pytest.mark.slow
@pytest.mark.parametrize("option", ["update=current_only", "recalibrate=current", "freeze_after=1"])
def test_each_option_of_running_statistics_changes_the_run(tiny, tmp_path, option):
    options = {"strategy": "replay:per_class=2", "train__epochs": 1}
    runs = [tiny(norm="bn", **options, out=str(tmp_path / "plain")), tiny(norm=f"bn:{option}", **options)]
    records = [clnorm.run(config) for config in runs]
    assert [record.names["norm"] for record in records] == ["bn", f"bn:{option}"]
    assert records[0].run != records[1].run
    assert records[0].setting == records[1].setting, "they are rows of one table"
    plain, changed = (
        predictions_of(config, record)["confidence"] for config, record in zip(runs, records, strict=True)
    )
    assert not plain.equals(changed)


@pytest.mark.slow
def test_transductive_evaluation_is_seeded_labelled_and_leaves_the_training_alone(tiny, tmp_path):
    options = {"train__epochs": 1, "eval__batch_size": 4}
    transductive = [tiny(norm="bn:eval=batch", **options, out=str(tmp_path / name)) for name in "ab"]
    runs = [*transductive, tiny(norm="bn", **options)]
    first, second, plain = (clnorm.run(config) for config in runs)
    assert (first.label, plain.label) == ("transductive", "")
    assert json.loads((folder_of(runs[0], first) / "record.json").read_text())["label"] == "transductive"
    found = [predictions_of(config, record) for config, record in zip(runs, (first, second, plain), strict=True)]
    assert found[0].equals(found[1])
    assert found[0]["clip"].equals(found[2]["clip"])
    assert not found[0]["confidence"].equals(found[2]["confidence"])
    kept, expected = (load_file(folder_of(c, r) / "model.safetensors") for c, r in ((runs[0], first), (runs[2], plain)))
    assert kept.keys() == expected.keys()
    assert all(torch.equal(kept[name], value) for name, value in expected.items())
    assert first.setting == plain.setting


@pytest.mark.slow
def test_a_calibration_uses_the_kernels_that_the_record_names(tiny, monkeypatch):
    from clnorm.norms import calibrate
    from clnorm.norms.kernels import passes

    found, calibrated = {}, calibrate.calibrate_norms
    for kernels in ("torch", "native"):
        chosen = found[kernels] = set()

        def passes_for(x, chosen=chosen):
            chosen.add(passes.passes_for(x).__name__)
            return passes.passes_for(x)

        def calibrate_norms(*args, chosen=chosen, **options):
            chosen.clear()
            report = calibrated(*args, **options)
            assert chosen
            return report

        monkeypatch.setattr("clnorm.norms.batch.passes_for", passes_for)
        monkeypatch.setattr("clnorm.training.norms.statistics.calibrate_norms", calibrate_norms)
        clnorm.run(tiny(norm="bn", train__kernels=kernels, train__epochs=1, model__calibrate=True))
    assert found == {"torch": {"TorchPasses"}, "native": {"NativePasses"}}
    assert passes.passes_for(torch.zeros(1)).__name__ == "TorchPasses"
