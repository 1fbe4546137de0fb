"""`explain` on tiny runs: what is spoiled shows in its own part alone, and what does not fit is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import clnorm
from clnorm.cli.main import main
from clnorm.deploy.predict import note_on_accuracy
from clnorm.deploy.saved import MODEL_FILE, read_model, save_model
from clnorm.errors import ClnormError, UserError
from clnorm.explain import explain as explaining
from clnorm.explain.explain import explain
from clnorm.explain.subject import find_kept, open_subject
from clnorm.progress import Reporter
from clnorm.results.explanation import EXPLANATION_FILE, PARTS, read_explanation
from clnorm.results.folder import RunFolder, read_frame, write_frame
from clnorm.results.inspect import read_run

pytestmark = pytest.mark.slow

OPTIONS = {"dataset": "synthetic:classes=4,train=6,test=6", "train__epochs": 3}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Makes a run once, and gives a copy of its folder."""
    from clnorm.config.load import merge_config
    from tests.conftest import TINY

    whole = tmp_path_factory.mktemp("whole")

    def make(place, **changes):
        dotted = {key.replace("__", "."): value for key, value in {**OPTIONS, **changes}.items()}
        config = merge_config({}, {**TINY, "out": str(whole), **dotted})
        return Path(shutil.copytree(whole / clnorm.run(config).run, place / "run"))

    return make


def change_record(folder, **changes):
    record = replace(read_run(folder), **changes)
    RunFolder(folder).write("record.json", record.to_json())


def spoil(folder, change):
    """Change the kept model, and let the run have predicted as it does now."""
    loaded = read_model(folder / MODEL_FILE)
    with torch.no_grad():
        change(loaded.model)
    save_model(folder / MODEL_FILE, loaded.model, loaded.info)
    subject = open_subject(find_kept(folder), data_root=None, allow_plugins=(), reporter=Reporter())
    predicted = explaining._predict(subject)
    file = folder / "predictions.parquet"
    rows = read_frame(file, hint="")
    last = rows["after"] == rows["after"].max()
    rows.loc[last, "predicted"] = pd.Series(predicted, index=subject.stream.test_ids)[rows.loc[last, "clip"]].to_numpy()
    write_frame(file, rows)
    record = read_run(folder)
    final = explaining._accuracies(subject, predicted).tolist()
    change_record(folder, matrix=[*record.matrix[:-1], [*final, record.matrix[-1][-1]]])


@pytest.mark.parametrize("norm", ["bn", "ln", "cn"])
@pytest.mark.parametrize("strategy", ["naive", "replay:per_class=2"])
def test_the_parts_sum_to_the_runs_forgetting(made, tmp_path, norm, strategy):
    folder = made(tmp_path, norm=norm, strategy=strategy)
    record, found = read_run(folder), explain(folder)
    totals = found.totals()
    assert sum(totals[part] for part in PARTS) == pytest.approx(totals["forgetting"], abs=1e-12)
    assert totals["forgetting"] == pytest.approx(record.metrics["forgetting"], abs=1e-12)
    assert found.final == record.matrix[-1][:-1]
    assert (found.sites, found.differing, found.train_clips, found.test_clips) == (0 if norm == "ln" else 13, 0, 24, 24)
    if norm == "ln":
        assert set(found.statistics) == {0.0}
        assert found.head_before_statistics == found.head
    gained = np.add(found.statistics, found.head)
    np.testing.assert_allclose(np.add(found.statistics_after_head, found.head_before_statistics), gained)


def test_outputs_that_the_runs_precision_cannot_tell_apart_are_not_those_of_another_head(made, tmp_path):
    folder = made(tmp_path, norm="ln", strategy="naive", train__precision="bf16")

    def almost_tie(model):
        for parameter in model.head.parameters():
            parameter[1] = parameter[0]
        model.head.bias[:2] += torch.tensor([100, 100.001])  # far above all others, and one number in bf16

    spoil(folder, almost_tie)
    assert explain(folder).differing == 0


@pytest.mark.parametrize("protocol", ["task-incremental:experiences=2", "domain-incremental:experiences=2"])
def test_clips_are_read_and_predicted_as_the_protocol_has_it(made, tmp_path, protocol):
    folder = made(tmp_path, norm="bn", strategy="naive", protocol=protocol)
    found = explain(folder)
    assert found.final == read_run(folder).matrix[-1][:-1]
    assert found.differing == 0
    totals = found.totals()
    assert sum(totals[part] for part in PARTS) == pytest.approx(totals["forgetting"], abs=1e-12)


def test_statistics_of_the_batch_are_refused_where_tasks_are_known_too(made, tmp_path):
    folder = made(tmp_path, norm="bn:eval=batch", protocol="task-incremental:experiences=2", train__epochs=1)
    with pytest.raises(UserError, match="the run is transductive"):
        explain(folder)


def test_spoiled_statistics_show_in_their_part_alone(made, tmp_path):
    folder = made(tmp_path, norm="bn", strategy="replay:per_class=2")
    before = explain(folder)

    def forget(model):
        for module in model.modules():
            if hasattr(module, "running_mean"):
                module.running_mean += 3

    spoil(folder, forget)
    after = explain(folder)
    assert after.model != before.model
    assert np.mean(after.final) < np.mean(before.final)
    assert np.add(after.final, after.statistics).tolist() == np.add(before.final, before.statistics).tolist()
    assert (after.head, after.features) == (before.head, before.features)
    assert after.totals()["statistics"] > before.totals()["statistics"]


@pytest.mark.parametrize("norm", ["ln", "bn"])
def test_a_spoiled_head_shows_in_its_part_alone(made, tmp_path, norm):
    folder = made(tmp_path, norm=norm, strategy="naive")
    before = explain(folder)

    def mix_up(model):
        model.head.weight.copy_(model.head.weight.roll(2, 0))
        model.head.bias.copy_(model.head.bias.roll(2, 0))

    spoil(folder, mix_up)
    after = explain(folder)
    assert after.final != before.final
    assert after.features == pytest.approx(before.features)
    changed = np.subtract(after.head, before.head) + np.subtract(after.statistics, before.statistics)
    np.testing.assert_allclose(changed, np.subtract(before.final, after.final))


def test_the_head_is_that_of_logistic_regression(made, tmp_path):
    """Of scikit-learn's, on the same standardized features: the same test clips are right."""
    from sklearn.linear_model import LogisticRegression

    folder = made(tmp_path, norm="ln", strategy="naive")
    subject = open_subject(find_kept(folder), data_root=None, allow_plugins=(), reporter=Reporter())
    stream, device, gathered = subject.stream, subject.inputs.device, {}
    with torch.no_grad():
        for name, ids in (("train", subject.train_ids), ("test", stream.test_ids)):
            pixels = subject.inputs.store.gather(ids).to(device).float() / 127.5 - 1
            gathered[name] = subject.model.eval().forward_features(pixels).double().numpy()
    mean, spread = gathered["train"].mean(0), gathered["train"].std(0)
    train, test = ((part - mean) / spread for part in (gathered["train"], gathered["test"]))
    fitted = LogisticRegression(C=1 / (explaining.L2 * len(train)), max_iter=10_000, tol=1e-8)
    fitted.fit(train, stream.targets[subject.train_ids])
    right = fitted.predict(test) == stream.targets[stream.test_ids]
    found = explain(folder)
    accuracy = np.add(np.add(found.final, found.statistics), found.head)
    assert accuracy == pytest.approx([right[: len(right) // 2].mean()])


def test_an_explained_run_is_loaded_and_another_model_is_not(made, tmp_path, monkeypatch):
    folder = made(tmp_path, norm="ln", strategy="naive")
    first = explain(folder)
    with monkeypatch.context() as patch:
        patch.setattr(explaining, "open_subject", None)
        assert explain(folder) == first == read_explanation(folder)
    (folder / EXPLANATION_FILE).write_text((folder / EXPLANATION_FILE).read_text().replace("0.001", "0.002"))
    with pytest.raises(ClnormError, match=r"explain\.json: cannot be read .*damaged or changed.*; delete it"):
        explain(folder)


def test_what_a_run_cannot_be_explained_by_is_refused(made, tmp_path):
    folder = made(tmp_path, norm="ln", strategy="naive")
    record = read_run(folder)
    for label, reason in (("transductive", "their own batch"), ("oracle", "each test clip's experience")):
        change_record(folder, label=label)
        with pytest.raises(UserError, match=f"the run is {label}: .*{reason}"):
            explain(folder)
    change_record(folder, label="", matrix=[[0.5, 0.5]])
    with pytest.raises(UserError, match="no old experience"):
        explain(folder)
    change_record(folder, matrix=record.matrix, data={**record.data, "content": "other"})
    with pytest.raises(ClnormError, match="the clips hold something else now"):
        explain(folder)
    change_record(folder, data=record.data)
    loaded = read_model(folder / MODEL_FILE)
    with torch.no_grad():
        loaded.model.head.bias.copy_(torch.tensor([9.0, 0, 0, 0]))
    save_model(folder / MODEL_FILE, loaded.model, loaded.info)
    with pytest.raises(ClnormError, match=r"predicts \d+ of 24 test clips otherwise than the run did"):
        explain(folder)
    save_model(folder / MODEL_FILE, loaded.model, replace(loaded.info, classes=loaded.info.classes[::-1]))
    with pytest.raises(ClnormError, match="the kept model's outputs are"):
        explain(folder)
    (folder / MODEL_FILE).unlink()
    with pytest.raises(UserError, match="kept no model"):
        explain(folder)
    change_record(folder, status="unfinished")
    with pytest.raises(UserError, match="not finished"):
        explain(folder)
    assert not (folder / EXPLANATION_FILE).exists()


def test_the_command_prints_tables_or_json(made, tmp_path, capsys):
    folder = made(tmp_path, norm="cn", strategy="replay:per_class=2")
    assert main(["explain", str(folder), str(tmp_path / "nowhere")]) == 2
    assert not (folder / EXPLANATION_FILE).exists(), "the second run is looked at before the first takes its time"
    assert main(["explain", str(folder), "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    found = read_explanation(folder)
    assert told["totals"] == found.totals()
    assert told["head"] == found.head
    assert main(["explain", str(folder), str(folder)]) == 0
    out = capsys.readouterr().out
    assert out.count("points of accuracy") == 2
    assert f"{100 * found.totals()['features']:.1f}" in out
    assert "with the head made anew first" in out


def test_a_head_in_random_features_is_named(tiny):
    config = tiny(train__epochs=1, strategy="ranpac:features=20")
    with pytest.raises(UserError, match="its head is linear in random features, and no linear layer"):
        explain(Path(config.out) / clnorm.run(config).run)


@pytest.mark.parametrize(
    ("options", "words", "note"),
    [
        (
            {"strategy": "icarl:per_class=2"},
            "it predicts by the nearest mean of exemplars",
            "the head predicts here; the run predicted by the nearest mean of exemplars",
        ),
        (
            {"data__keep": "2T", "eval__views": 2},
            "it predicts by 2 views of a clip",
            "a video is shown by its own rule here; the run averaged 2 views of a clip (eval.views)",
        ),
    ],
)
def test_a_run_that_predicts_otherwise_than_its_head_does_is_refused_at_once(tiny, options, words, note):
    config = tiny(train__epochs=1, **options)
    run = Path(config.out) / clnorm.run(config).run
    (run / "clips.parquet").unlink()  # which is read first where a run is taken
    with pytest.raises(UserError, match=words):
        explain(run)
    assert note_on_accuracy(read_model(run / MODEL_FILE)) == note
