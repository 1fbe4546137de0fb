"""What a run does with its model's options: weights, calibration, execution, augmentation, and the model it keeps."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import clnorm
import clnorm.data.augment.presets
from clnorm import create_model
from clnorm.config.identity import run_id
from clnorm.config.load import load_config
from clnorm.errors import UserError
from clnorm.execution.execution import Execution
from clnorm.progress import Reporter
from clnorm.results.state import StateFiles


@pytest.fixture
def weights(tmp_path):
    """A file of weights for *_nano at 16 px, with other norms' affine maps and patches than any start has."""
    tensors = create_model("vit_nano", num_classes=7, image_size=16, num_frames=4, seed=9).state_dict()
    tensors = {
        name.replace("norm.norm.", "norm.").replace("1.norm.", "1.").replace("2.norm.", "2."): value
        for name, value in tensors.items()
    }
    tensors["norm.weight"] = torch.full_like(tensors["norm.weight"], 1.5)
    path = tmp_path / "weights.safetensors"
    save_file(tensors, path)
    return path


class Notes(Reporter):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.mark.slow
def test_a_run_from_weights_starts_from_them_and_says_so(tiny, weights):
    reporter = Notes()
    options = {"backbone": "lsvit_nano", "norm": "bn", "train__lr": 0.0, "train__epochs": 1}
    config = tiny(model__weights=str(weights), **options)
    record = clnorm.run(config, reporter=reporter)
    assert record.weights["source"].startswith("weights.safetensors, sha256 ")
    assert sorted(record.weights["unused"]) == ["head.bias", "head.weight"]
    assert not record.weights["stated"]
    assert any("not stated by the weights" in note for note in reporter.notes)
    assert {"weight", "bias"} == set(record.swap["sites"][-1]["carried"])
    model = clnorm.load_model(f"{config.out}/{record.run}").model
    assert model.norm.norm.weight.unique().tolist() == [1.5]


def test_a_run_is_named_by_the_content_of_its_weights(tiny, weights, tmp_path):
    same = tmp_path / "copy.safetensors"
    same.write_bytes(weights.read_bytes())
    first, second = (run_id(tiny(model__weights=str(path))) for path in (weights, same))
    assert first == second
    save_file({"cls_token": torch.ones(1)}, same)
    assert run_id(tiny(model__weights=str(same))) != first
    with pytest.raises(UserError, match=r"model\.weights .*none\.safetensors: cannot be read"):
        clnorm.run(tiny(model__weights=str(tmp_path / "none.safetensors")))


@pytest.mark.slow
def test_calibration_estimates_statistics_before_training(tiny):
    for calibrate in (False, True):
        config = tiny(model__calibrate=calibrate, norm="bn:momentum=0", train__epochs=1)
        record = clnorm.run(config)
        model = clnorm.load_model(f"{config.out}/{record.run}").model
        # With momentum 0, training leaves the statistics as they were before it.
        moved = model.norm.norm.running_mean.abs().max() > 0
        assert moved == calibrate
        assert record.calibration == ({"sites": 13, "clips": 8} if calibrate else {})
    with pytest.raises(UserError, match=r"model\.calibrate: no norm of the model has running statistics"):
        clnorm.run(tiny(model__calibrate=True, norm="ln"))


@pytest.mark.slow
def test_what_auto_is_is_the_run_s_precision_so_that_machines_are_never_mixed(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    config, reporter = tiny(train__precision="auto", train__device="cpu"), Notes()
    record = clnorm.run(config, reporter=reporter)
    assert "train.precision=auto: bf16" in reporter.notes
    assert record.execution == {"precision": "bf16", "attention": "explicit", "compile": False, "measured": {}}
    assert record.config["train"]["precision"] == "bf16"
    kept = load_config(tmp_path / "runs" / record.run / "config.yaml")
    # As on another machine, which has no such products.
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    other = clnorm.run(config)
    assert other.execution["precision"] == "fp32"
    assert (other.run != record.run, other.setting != record.setting) == (True, True)
    assert other == clnorm.run(tiny(train__precision="fp32", train__device="cpu")), "the same arithmetic, the same run"
    assert clnorm.run(kept) == record, "its own configuration asks for what it had"


@pytest.mark.slow
def test_a_run_that_goes_on_is_not_calibrated_again(tiny, monkeypatch):
    config = tiny(model__calibrate=True, norm="bn")
    keep = StateFiles.save

    def stop(files, state, **options):
        keep(files, state, **options)
        pytest.fail("stopped", pytrace=False)

    monkeypatch.setattr(StateFiles, "save", stop)
    with pytest.raises(pytest.fail.Exception):
        clnorm.run(config)
    monkeypatch.undo()
    monkeypatch.setattr("clnorm.training.norms.statistics.calibrate_at_start", lambda strategy: pytest.fail("again"))
    record = clnorm.run(config)
    assert record.calibration == {"sites": 13, "clips": 8}
    assert record.status == "finished"


@pytest.mark.slow
def test_a_run_begun_with_measured_times_goes_on_as_its_record_says(tiny, monkeypatch):
    old = Execution(attention="explicit", measured={"fp32 fused": 0.2, "fp32 explicit": 0.1})
    monkeypatch.setattr("clnorm.training.loop.train_stream", lambda *parts: pytest.fail("stopped", pytrace=False))
    monkeypatch.setattr("clnorm.execution.execution.choose_execution", lambda *parts: old)
    config = tiny()
    with pytest.raises(pytest.fail.Exception):
        clnorm.run(config)
    monkeypatch.undo()
    monkeypatch.setattr("clnorm.execution.execution.choose_execution", lambda *parts: pytest.fail("asked again"))
    assert clnorm.run(config).execution == old.to_dict()


@pytest.mark.slow
def test_explicit_attention_is_executed(tiny, monkeypatch):
    called = []
    plain = torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        "torch.nn.functional.scaled_dot_product_attention", lambda *a, **k: called.append(1) or plain(*a, **k)
    )
    clnorm.run(tiny(train__attention="explicit", train__epochs=1))
    assert not called
    clnorm.run(tiny(train__attention="fused", train__epochs=1))
    assert called


@pytest.mark.slow
def test_augmentation_changes_what_is_trained_on_and_nothing_else(tiny, monkeypatch):
    seen = {}
    for preset in ("none", "light"):
        changed = []

        def spied(spec, classes, into=changed, create=clnorm.data.augment.presets.create_augmentation):
            augment = create(spec, classes)

            def spy(clips, labels, *, seen, generator):
                after, labels = augment(clips, labels, seen=seen, generator=generator)
                into.append(after.clone())
                return after, labels

            return spy

        monkeypatch.setattr("clnorm.data.augment.presets.create_augmentation", spied)
        clnorm.run(tiny(data__augment=preset))
        monkeypatch.undo()
        seen[preset] = changed
    assert len(seen["light"]) == 2 * 2 * 2  # experiences, epochs, batches: none for the test clips
    assert all(not torch.equal(a, b) for a, b in zip(seen["none"], seen["light"], strict=True))
    assert not torch.equal(seen["light"][0], seen["light"][2]), "each epoch draws anew"


def test_a_class_that_is_not_there_is_said_before_anything_is_decoded(tiny, monkeypatch):
    monkeypatch.setattr("clnorm.data.store.store.ClipStore.open", lambda *args, **kwargs: pytest.fail("it was opened"))
    with pytest.raises(UserError, match=r"data\.augment: there is no class 'turn' to leave unflipped"):
        clnorm.run(tiny(data__augment="light:unflipped=turn"))


@pytest.mark.slow
def test_the_kept_model_predicts_what_the_run_recorded(tiny, tmp_path):
    config = tiny(norm="cn", train__ema=0.5, keep_model=True)
    record = clnorm.run(config)
    folder = tmp_path / "runs" / record.run
    loaded = clnorm.load_model(folder)
    labels = [label for experience in record.experiences for label in experience]
    assert list(loaded.info.classes) == [record.classes[label] for label in labels]
    import pandas as pd

    predictions = pd.read_parquet(folder / "predictions.parquet")
    last = predictions[predictions["after"] == 1]
    from clnorm.data.store.store import ClipStore
    from clnorm.data.synthetic.reader import read
    from clnorm.execution.inputs import pixels_to_input

    table = read(None, **config.dataset.kwargs)
    store = ClipStore.open(table, frames=4, size=16)
    with torch.no_grad():
        chosen = loaded.model(pixels_to_input(store.gather(last["clip"].to_numpy()))).argmax(1)
    assert [labels[output] for output in chosen.tolist()] == last["predicted"].tolist()


@pytest.mark.slow
def test_without_keep_model_none_is_kept(tiny, tmp_path):
    config = tiny(keep_model=False, train__epochs=1)
    folder = tmp_path / "runs" / clnorm.run(config).run
    assert not (folder / "model.safetensors").exists()
    assert json.loads((folder / "record.json").read_text())["status"] == "finished"
    with pytest.raises(UserError, match="keep_model"):
        clnorm.load_model(folder)


@pytest.mark.slow
def test_native_kernels_are_used_and_change_a_run_by_rounding_only(tiny, monkeypatch):
    from clnorm.norms.kernels.native import NativePasses

    used = []
    reading = NativePasses.read_moments
    monkeypatch.setattr(NativePasses, "read_moments", lambda x: used.append(x) or reading(x))
    losses = {}
    for kernels in ("torch", "native"):
        config = tiny(norm="cn", train__kernels=kernels)
        lines = (Path(config.out) / clnorm.run(config).run / "log.jsonl").read_text().splitlines()
        losses[kernels] = [json.loads(line)["loss"] for line in lines]
    assert used
    assert losses["native"] == pytest.approx(losses["torch"], rel=1e-2)


def test_native_kernels_that_would_do_nothing_are_refused(tiny):
    with pytest.raises(UserError, match=r"train.kernels.*train.compile=true"):
        clnorm.run(tiny(norm="cn", train__kernels="native", train__compile=True))
