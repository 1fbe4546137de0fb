"""Evaluations of whole runs: against plain computations with the kept model, and without a trace in the training."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression

import clnorm
from clnorm.config.identity import run_id
from clnorm.data.open import open_store, read_table
from clnorm.execution.inputs import pixels_to_input
from clnorm.norms import RunningNorm
from clnorm.progress import Reporter
from clnorm.results.folder import RunFolder
from clnorm.streams.stream import create_stream
from clnorm.training.evaluating.evaluator import Evaluator
from clnorm.training.evaluating.findings import Findings
from tests.training.states.continued import EVALUATED, Notes, results
from tests.training.states.kills import run_killed
from tests.training.strategies import create

pytestmark = pytest.mark.slow

ALL = {"eval__nearest": "both", "eval__probe": True, "eval__cka": True, "eval__every": 2}
DATA = {"dataset": "synthetic:classes=4,train=6,test=3", "strategy": "replay:per_class=2", "train__lr": 0.01}


def folder_of(config, record):
    return Path(config.out) / record.run


def tables_of(config, record):
    return {file.stem: pd.read_parquet(file) for file in folder_of(config, record).glob("*.parquet")}


@pytest.fixture
def finished(tiny, monkeypatch):
    """A run with all evaluations, its tables, its stream, its memory, and features by its kept model, one by one."""
    held, write = {}, RunFolder.write_results

    def look_and_write(folder, *given):
        held.update(folder.state.load(print)["strategy"])
        write(folder, *given)

    monkeypatch.setattr(RunFolder, "write_results", look_and_write)
    config = tiny(**DATA, **ALL, keep_model=True)
    record = clnorm.run(config)
    table = read_table(config, Reporter())
    store, stream = open_store(config, table, Reporter()), create_stream(table, config.protocol, seed=0, bad={})
    model = clnorm.load_model(folder_of(config, record)).model
    model.eval()

    @cache
    def feature(clip):
        with torch.no_grad():
            return model.forward_features(pixels_to_input(store.gather([clip])))[0].double().numpy()

    lines = [json.loads(line) for line in (folder_of(config, record) / "log.jsonl").read_text().splitlines()]
    memory = held["memory"].numpy()
    return lines, memory, tables_of(config, record), stream, lambda ids: np.stack([feature(int(clip)) for clip in ids])


def nearest(stream, kept, tested):
    """The class id of the nearest mean for each tested feature; `kept` is pairs of features and outputs."""
    units = kept[0] / np.linalg.norm(kept[0], axis=1, keepdims=True)
    means = [units[kept[1] == output].mean(0) for output in range(stream.num_classes)]
    means = np.stack([mean / np.linalg.norm(mean) for mean in means])
    tested = tested / np.linalg.norm(tested, axis=1, keepdims=True)
    distances = np.linalg.norm(tested[:, None] - means, axis=2)
    return stream.order[distances.argmin(1)]


def test_nearest_means_and_the_probe_are_those_of_the_kept_model(finished):
    lines, memory, tables, stream, features = finished
    last = tables["predictions"][tables["predictions"]["after"] == 1]
    ids, train = last["clip"].to_numpy(), np.concatenate([part.train_ids for part in stream.experiences])
    targets = stream.targets[train]
    assert last["ncm"].tolist() == nearest(stream, (features(train), targets), features(ids)).tolist()
    assert len(memory) == 8
    expected = nearest(stream, (features(memory), stream.targets[memory]), features(ids))
    assert last["nme"].tolist() == expected.tolist()
    probes = tables["probes"][tables["probes"]["after"] == 1].set_index("tested")
    points = features(train)
    mean, spread = points.mean(0), points.std(0)
    fit = LogisticRegression(C=1.0, tol=1e-8, max_iter=5000).fit((points - mean) / spread, targets)
    found = stream.order[fit.predict((features(ids) - mean) / spread)]
    owner = stream.experience_of_class[last["label"]]
    for index in (0, 1):
        right = (found == last["label"])[owner == index].mean()
        assert probes["probe_accuracy"][index] == pytest.approx(right)
    assert probes["cka"][1] == pytest.approx(1)
    assert 0 < probes["cka"][0] < 1
    assert list(zip(tables["probes"]["after"], tables["probes"]["tested"], strict=True)) == [(0, 0), (1, 0), (1, 1)]
    assert [line["probe"]["converged"] for line in lines if "probe" in line] == [True, True]


@pytest.mark.parametrize("norm", ["bn", "brn:eval=batch", "tbbn"])
def test_no_evaluation_changes_a_bit_of_the_run(tiny, norm):
    options = {**DATA, "norm": norm, "backbone": "lsvit_nano:drop_path=0.3", "train__ema": 0.5, "keep_model": True}
    plain, watched = tiny(**options), tiny(**options, **ALL)
    records = [clnorm.run(config) for config in (plain, watched)]
    assert records[0].run != records[1].run
    files = [
        (folder_of(config, record) / "model.safetensors").read_bytes()
        for config, record in zip((plain, watched), records, strict=True)
    ]
    assert files[0] == files[1]
    expected, found = (tables_of(*pair)["predictions"] for pair in zip((plain, watched), records, strict=True))
    pd.testing.assert_frame_equal(found[expected.columns], expected, check_exact=True)
    assert records[0].setting == records[1].setting


def test_a_test_within_an_experience_leaves_generators_modes_and_statistics(build_setup):
    strategy = create(build_setup(norm="bn", eval__every=1, strategy="replay:per_class=2"))
    evaluator, before = Evaluator(strategy), []
    states = []

    def look():
        norms = [module for module in strategy.model.modules() if isinstance(module, RunningNorm)]
        held = [tensor.clone() for norm in norms for tensor in norm.buffers()]
        modes = [module.training for module in strategy.model.modules()]
        return torch.get_rng_state(), held, modes

    def after_step():
        before.append(look())
        torch.rand(1, generator=torch.Generator().manual_seed(1))
        evaluator.after_step()
        states.append(look())

    strategy.on_step = after_step
    strategy.train_experience(0)
    assert len(states) == 4
    for (rng, held, modes), (rng_now, held_now, modes_now) in zip(before, states, strict=True):
        assert torch.equal(rng, rng_now)
        assert all(torch.equal(a, b) for a, b in zip(held, held_now, strict=True))
        assert modes == modes_now
    assert [row[:3] for row in evaluator.findings.steps] == [(0, step, 0) for step in (1, 2, 3, 4)]


def test_steps_are_counted_over_the_run_and_end_where_the_run_does(tiny):
    config = tiny(**DATA, eval__every=3)
    record = clnorm.run(config)
    steps = tables_of(config, record)["steps"]
    total = 2 * 3 + 2 * 6  # half of a batch of 4 is of the memory
    assert sorted(set(steps["step"])) == list(range(3, total + 1, 3))
    assert steps.groupby("step")["tested"].apply(list).tolist() == [[0], [0], *[[0, 1]] * 4]
    assert list(steps.columns) == ["experience", "step", "tested", "accuracy", "clips"]
    assert set(steps["clips"]) == {6}
    at_end = steps[steps["step"] == total].set_index("tested")["accuracy"]
    assert at_end.tolist() == record.matrix[1]


@pytest.mark.parametrize("where", [{"after": 1}, {"after": 0}])
def test_what_was_found_is_there_once_when_a_run_was_killed(tiny, tmp_path, monkeypatch, where):
    whole, config = tiny(**EVALUATED, out=str(tmp_path / "whole")), tiny(**EVALUATED)
    expected = results(whole, clnorm.run(whole))
    run_killed(config, monkeypatch, **where)
    assert results(config, clnorm.run(config)) == expected
    assert {"steps.parquet", "probes.parquet"} <= set(expected[-1])


def test_a_shared_beginning_and_a_branch_have_the_rows_too(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("CLNORM_CACHE", str(tmp_path / "cache"))
    alone, first = (
        tiny(**EVALUATED, out=str(tmp_path / name), **more)
        for name, more in (("a", {}), ("b", {"save__experiences": True}))
    )
    expected = results(alone, clnorm.run(alone))
    record = clnorm.run(first)
    shared = {**EVALUATED, "save__prefixes": "first"}
    clnorm.run(tiny(**{**shared, "strategy": "naive", "eval__nearest": "all"}))
    assert not clnorm.run(tiny(**{**shared, "strategy": "naive", "eval__nearest": "all", "eval__every": 3})).reused
    config = tiny(**shared, out=str(tmp_path / "shared"))
    taken = clnorm.run(config)
    assert taken.reused
    assert results(config, taken) == expected
    branch = tiny(**EVALUATED, begin__run=str(folder_of(first, record)), out=str(tmp_path / "branch"))
    assert results(branch, clnorm.run(branch)) == expected


def test_a_class_without_exemplars_is_said_and_never_predicted(tiny):
    config = tiny(
        **{**DATA, "strategy": "replay:per_class=none,total=4,select=reservoir"}, eval__nearest="exemplars", seed=3
    )
    notes = Notes()
    record = clnorm.run(config, reporter=notes)
    lines = (folder_of(config, record) / "log.jsonl").read_text().splitlines()
    lacking = {
        line["experience"]: line["without_exemplars"] for line in map(json.loads, lines) if "without_exemplars" in line
    }
    assert lacking
    assert any("the memory has no clip of" in text for text in notes.texts)
    predictions = tables_of(config, record)["predictions"]
    for index, labels in lacking.items():
        assert not set(predictions[predictions["after"] == index]["nme"]) & set(labels)


def test_a_strategy_that_predicts_by_exemplars(tiny, tmp_path, monkeypatch):
    (tmp_path / "by_exemplars.py").write_text(
        "from clnorm.training.remembering import create_memory\n"
        "from clnorm.training.trainer import ClipStrategy\n"
        "def nearest(setup):\n"
        "    memory = create_memory(setup, per_class=2, total='none', select='herding')\n"
        "    return ClipStrategy(setup=setup, exemplars=memory, share=0.5, classifier='nme')\n"
        "def without(setup):\n"
        "    return ClipStrategy(setup=setup, classifier='nme')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    config = tiny(**{**DATA, "strategy": "by_exemplars:nearest"}, eval__nearest="both", eval__unseen=True)
    record = clnorm.run(config)
    predictions = tables_of(config, record)["predictions"]
    assert predictions["predicted"].equals(predictions["nme"])
    assert predictions["confidence"].isna().all()
    assert (predictions["head"] >= 0).all()
    assert (predictions["rank"] == 0).equals(predictions["predicted"] == predictions["label"])
    before = predictions[predictions["after"] == -1]
    assert set(before["nme"]) == set(before["ncm"]) == {-1}
    assert record.untrained == [0, 0]
    with pytest.raises(clnorm.UserError, match="by_exemplars:without: it predicts by exemplars, and keeps no clips"):
        clnorm.run(tiny(**{**DATA, "strategy": "by_exemplars:without"}))


def test_a_backbone_without_a_cut_is_refused_where_features_are_asked_for(tiny, tmp_path, monkeypatch):
    (tmp_path / "headless.py").write_text(
        "import torch\nfrom torch import nn\n"
        "class Whole(nn.Module):\n"
        "    def __init__(self, num_classes, *, image_size, num_frames):\n"
        "        super().__init__()\n"
        "        self.input_shape = (num_frames, 3, image_size, image_size)\n"
        "        self.norm, self.out = nn.LayerNorm(3), nn.Linear(3, num_classes)\n"
        "    def forward(self, clips):\n"
        "        return self.out(self.norm(clips.mean((1, 3, 4))[:, None])[:, 0])\n"
        "    def init_weights(self, generator):\n"
        "        nn.init.normal_(self.out.weight, generator=generator)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for key in ("eval__probe", "eval__cka"):
        with pytest.raises(clnorm.UserError, match=r"eval\.(probe|cka): Whole has no `forward_features` and `head`"):
            clnorm.run(tiny(backbone="headless:Whole", **{key: True}))
    assert clnorm.run(tiny(backbone="headless:Whole", eval__every=4)).status == "finished"


SCALED = """
from torch import nn

class Scaled(nn.Module):
    def __init__(self, num_classes, *, image_size, num_frames, by=1.0):
        super().__init__()
        self.by, self.input_shape = by, (num_frames, 3, image_size, image_size)
        self.norm, self.head = nn.LayerNorm(3), nn.Linear(3, num_classes)
    def forward(self, clips):
        return self.by * self.head(self.forward_features(clips))
    def forward_features(self, clips):
        return self.norm(clips.mean((1, 3, 4))[:, None])[:, 0]
    def init_weights(self, generator):
        nn.init.normal_(self.head.weight, generator=generator)
"""


@pytest.mark.parametrize("asked", [{"eval__probe": True}, {"eval__nearest": "all"}, {"strategy": "icarl"}])
def test_a_backbone_that_does_more_after_its_head_is_refused_where_features_are_asked_for(
    tiny, tmp_path, monkeypatch, asked
):
    (tmp_path / "scaled.py").write_text(SCALED)
    monkeypatch.syspath_prepend(tmp_path)
    message = r"backbone scaled:Scaled:by=2\.0: its outputs and those of `head` after `forward_features` differ by"
    with pytest.raises(clnorm.UserError, match=message):
        clnorm.run(tiny(backbone="scaled:Scaled:by=2.0", **asked))
    assert clnorm.run(tiny(backbone="scaled:Scaled", **asked)).status == "finished"
    assert clnorm.run(tiny(backbone="scaled:Scaled:by=2.0")).status == "finished"


def test_findings_of_an_older_versions_state_are_none():
    findings = Findings()
    findings.load_state_dict({})
    assert (findings.steps, findings.probes, findings.references) == ([], [], {})


def test_no_key_at_its_default_changes_an_id(tiny):
    given = tiny(eval__nearest="none", eval__views=1, eval__every=0, eval__probe=False, eval__cka=False)
    assert run_id(given) == run_id(tiny())
    assert run_id(clnorm.Config()) == "60d57818"  # as it was before there were these keys
