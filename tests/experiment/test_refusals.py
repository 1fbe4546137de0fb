"""What stops a run: before it begins, on the way, and where it finds something else in its place."""

from pathlib import Path

import pytest
import torch

import clnorm
from clnorm.errors import ClnormError, UserError
from clnorm.results.folder import RunFolder
from clnorm.training.trainer import ClipStrategy


def folder_of(config, record):
    return Path(config.out) / record.run


@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops_the_run(tiny):
    with pytest.raises(ClnormError, match=r"the loss is (nan|inf) in experience \d"):
        clnorm.run(tiny(train__lr=1e38, train__epochs=5, norm="bn"))


def test_replay_needs_two_clips_in_a_batch(tiny):
    with pytest.raises(UserError, match=r"train\.batch_size"):
        clnorm.run(tiny(strategy="replay", train__batch_size=1))


def test_fp16_is_refused_without_cuda(tiny, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="fp16 needs CUDA"):
        clnorm.run(tiny(train__precision="fp16"))


@pytest.mark.slow
def test_a_damaged_record_and_a_damaged_state_are_named(tiny, monkeypatch):
    config = tiny()
    record = clnorm.run(config)
    file = folder_of(config, record) / "record.json"
    whole = file.read_text()
    file.write_text(whole[: len(whole) // 2])
    with pytest.raises(ClnormError, match=r"record\.json: is no record of a run"):
        clnorm.run(config)
    with pytest.raises(ClnormError, match=r"record\.json: is no record of a run"):
        clnorm.load_results(config.out)
    file.unlink()
    (file.parent / "state.pt").write_bytes(b"not a state")
    with pytest.raises(ClnormError, match=r"state\.pt: has no checksum: it is damaged"):
        clnorm.run(config)


@pytest.mark.slow
def test_a_state_with_code_in_it_is_refused(tiny):
    class Evil:
        def __reduce__(self):
            return (print, ("code ran",))

    config = tiny()
    record = clnorm.run(config)
    folder = folder_of(config, record)
    (folder / "record.json").unlink()
    RunFolder(folder).state.save({"done": Evil()})
    with pytest.raises(ClnormError, match="is damaged"):
        clnorm.run(config)


@pytest.mark.slow
@pytest.mark.parametrize("state", [[], {}, {"done": 1}, {"done": 1, "strategy": {"memory": 3}, "cost": {}}])
def test_a_state_that_is_another_programs_is_named(tiny, state):
    config = tiny()
    record = clnorm.run(config)
    folder = RunFolder(folder_of(config, record))
    (folder.path / "record.json").unlink()
    folder.state.save(state)
    with pytest.raises(ClnormError, match=r"state\.pt: does not fit this run"):
        clnorm.run(config)


@pytest.mark.slow
def test_two_processes_do_not_share_a_folder(tiny):
    from filelock import FileLock

    config = tiny()
    record = clnorm.run(config)
    folder = folder_of(config, record)
    (folder / "record.json").unlink()
    with FileLock(folder / ".lock"), pytest.raises(UserError, match="another process runs this now"):
        clnorm.run(config)


def test_an_output_that_cannot_be_written_is_named(tiny, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        clnorm.run(tiny(out=str(tmp_path / "file" / "runs")))


def test_a_norm_that_gives_nan_is_named_with_its_site(tiny, tmp_path, monkeypatch):
    (tmp_path / "nannorm.py").write_text(
        "import torch\n\n\nclass NanNorm(torch.nn.LayerNorm):\n"
        "    def forward(self, x):\n        return x / 0 if x.shape[1] > 1 else x\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ClnormError, match=r"norm site 'blocks.0.norm1' \(NanNorm\).*clnorm norms check"):
        clnorm.run(tiny(norm="nannorm:NanNorm"))


def test_outputs_that_are_not_finite_are_no_predictions(tiny, monkeypatch):
    train = ClipStrategy.train_experience

    def poisoned(self, index):
        train(self, index)
        with torch.no_grad():
            self.model.head.bias.fill_(float("nan"))

    monkeypatch.setattr(ClipStrategy, "train_experience", poisoned)
    with pytest.raises(ClnormError, match="outputs are not finite"):
        clnorm.run(tiny(train__epochs=1))


def test_a_norm_that_does_not_fit_is_refused_before_anything_is_decoded(tiny, monkeypatch):
    monkeypatch.setattr("clnorm.data.store.store.ClipStore.open", None)  # it is not come to
    with pytest.raises(UserError, match=r"norm site 'blocks\.0\.norm1'.*groups=7"):
        clnorm.run(tiny(norm="cn:groups=7"))


def test_a_store_on_a_cpu_as_device_is_refused_before_anything_is_decoded(tiny, monkeypatch):
    monkeypatch.setattr("clnorm.data.store.store.ClipStore.open", None)
    with pytest.raises(UserError, match=r"data\.device_cache: a CPU reads .*legal: auto, false"):
        clnorm.run(tiny(data__device_cache=True, train__device="cpu"))


@pytest.mark.parametrize("other", [{"train__compile": True}, {"train__device": "cuda"}])
def test_native_kernels_that_would_do_nothing_are_refused_before_data_are_made(tiny, monkeypatch, other):
    monkeypatch.setattr("clnorm.data.open.read_table", None)
    with pytest.raises(UserError, match=r"train\.kernels: native is for a CPU.*would do nothing with train\."):
        clnorm.run(tiny(norm="cn", train__kernels="native", **other))


def test_what_a_norm_cannot_do_stops_the_run_before_it_begins(tiny, monkeypatch):
    monkeypatch.setattr(ClipStrategy, "train_experience", None)  # it is not come to
    with pytest.raises(UserError, match=r"norm bn:update=balanced: update=balanced with the strategy naive"):
        clnorm.run(tiny(norm="bn:update=balanced"))
    with pytest.raises(UserError, match=r"norm torch\.nn:LayerNorm:eval=batch: .*no running statistics"):
        clnorm.run(tiny(norm="torch.nn.LayerNorm:eval=batch"))
