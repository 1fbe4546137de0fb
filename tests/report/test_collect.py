"""What a report tells its page: the numbers of the records and of `load_results`, and nothing left out unsaid."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from clnorm.errors import ClnormError, UserError
from clnorm.report.collect import collect
from clnorm.report.compact import write_data
from clnorm.report.settings import list_settings
from clnorm.results.explanation import read_explanation
from clnorm.results.inspect import count_classes, inspect_run
from clnorm.results.load import load_results
from clnorm.results.record import read_record
from tests.report.made import SEEDS, find_run, leave_unfinished, make_grid, rewrite


@pytest.fixture(scope="module")
def data(html, read_data):
    return read_data(html)


@pytest.fixture(scope="module")
def runs(data):
    return {run["id"]: run for run in data["runs"]}


def data_of(root, **options):
    found = collect(root, **options)
    return json.loads(write_data(found, list_settings(found.results)))


def test_metrics_are_those_of_load_results(folder, data, runs):
    results = load_results(folder, on_unreadable=lambda _: None, columns=["folder"])
    keys = [metric["key"] for metric in data["metrics"]]
    assert len(runs) == results["folder"].nunique() == 13
    for (path, name), rows in results.dropna(subset="metric").groupby(["folder", "metric"]):
        (value,) = rows["value"]
        told = runs[path.rpartition("/")[2]]["values"][keys.index(name)]
        assert told is None if math.isnan(value) else told == pytest.approx(value, abs=1e-12)


def test_means_and_intervals_are_those_of_the_values_by_seed(data, runs):
    (setting,) = data["settings"]
    keys = [metric["key"] for metric in data["metrics"]]
    checked = 0
    for norm, strategy, metric, seeds, mean, half, _ in setting["cells"]:
        values = [
            run["values"][metric]
            for run in runs.values()
            if (run["norm"], run["strategy"]) == (setting["norms"][norm], setting["strategies"][strategy])
        ]
        assert seeds == len([value for value in values if value is not None])
        if seeds == len(SEEDS):
            low, high = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values) or 1e-300)
            assert (mean, half) == pytest.approx((np.mean(values), (high - low) / 2), abs=1e-9)
            checked += keys[metric] == "accuracy"
    assert checked == 4


def test_a_cell_without_every_seed_has_no_mean(tmp_path):
    make_grid(tmp_path, norms=("cn", "bn"), strategies=("naive",), seeds=(0, 1))
    find_run(tmp_path, "bn-naive-s1").joinpath("record.json").unlink()
    for file in find_run(tmp_path, "bn-naive-s1").iterdir():
        file.unlink()
    (setting,) = data_of(tmp_path)["settings"]
    found = {setting["norms"][cell[0]]: cell[3:6] for cell in setting["cells"] if cell[2] == 0}
    assert found["bn"] == [1, None, None]
    assert found["cn"][0] == 2
    assert found["cn"][1] is not None


def test_matrices_and_stream_are_those_of_the_record(folder, data, runs):
    for name, run in runs.items():
        record = read_record(folder / name / "record.json")
        assert run["matrix"] == [[None if v is None else round(v, 12) for v in row] for row in record.matrix]
        assert data["shared"][run["stream"]] == [record.classes, record.experiences]
        assert run["clips"] == record.data.get("test_clips")
        assert {key: round(value, 3) for key, value in record.cost.items()} == run["cost"]


def test_confusion_is_counted_from_the_predictions(folder, runs):
    path = find_run(folder, "cn-replay-s1")
    record, frame = read_record(path / "record.json"), pd.read_parquet(path / "predictions.parquet")
    order = [label for group in record.experiences for label in group]
    last = frame[frame["after"] == frame["after"].max()]
    rows = runs[path.name]["confusion"]["rows"]
    for label, row in zip(order, rows, strict=True):
        own = last[last["label"] == label]["predicted"].value_counts()
        assert {order[place]: count for place, count in zip(row[::2], row[1::2], strict=True)} == own.to_dict()
    classes, _ = count_classes(path / "predictions.parquet", record)
    right = [dict(zip(row[::2], row[1::2], strict=True)).get(place, 0) for place, row in enumerate(rows)]
    assert (classes["accuracy"] * classes["clips"]).tolist() == pytest.approx(right)


def test_a_class_that_no_experience_has_may_be_predicted(tmp_path):
    make_grid(tmp_path, norms=("cn",), strategies=("naive",), seeds=(0,))
    (path,) = tmp_path.iterdir()
    record = read_record(path / "record.json")
    kept = record.experiences[:2]
    data = {**record.data, "test_clips": record.data["test_clips"][:2]}
    rewrite(path, experiences=kept, matrix=[row[:2] for row in record.matrix[:2]], data=data)
    found = data_of(tmp_path)["runs"][0]["confusion"]
    others = [record.classes[label] for label in record.experiences[2]]
    assert set(found["more"]) <= set(others)
    assert found["more"]


def test_keys_that_differ_from_the_defaults_are_those_of_show(folder, data, runs):
    places = {key: place for place, key in enumerate(data["keys"])}
    for name, run in runs.items():
        changed = inspect_run(folder / name).changed if "bn-naive-s2" not in name else {}
        told = dict(data["shared"][run["changed"]])
        for key, (value, usual) in changed.items():
            assert told[key].lower() == str(usual).lower()
            assert data["texts"][places[key]][run["config"][places[key]]].lower() == str(value).lower()
        assert not changed or told.keys() == changed.keys()


def test_equal_values_of_a_key_are_one_and_others_are_not(tmp_path):
    make_grid(tmp_path, norms=("cn",), strategies=("naive",), seeds=(0, 1, 2))
    for seed, rate in enumerate((1, 1.0, "1")):
        path = find_run(tmp_path, f"-s{seed}-")
        config = read_record(path / "record.json").config
        rewrite(path, config={**config, "train": {**config["train"], "lr": rate}})
    found = data_of(tmp_path)
    place = found["keys"].index("train.lr")
    first, second, third = (run["config"][place] for run in found["runs"])
    assert first == second != third


def test_losses_sites_and_explanations_are_those_that_are_kept(folder, data, runs):
    path = find_run(folder, "bn-replay-s0")
    run = runs[path.name]
    lines = [json.loads(line) for line in (path / "log.jsonl").read_text().splitlines()]
    told = [(experience - 1, loss) for experience, losses in run["epochs"] for loss in losses]
    assert told == [(line["experience"], float(f"{line['loss']:.4g}")) for line in lines]
    frame = pd.read_parquet(path / "plasticity.parquet")
    assert run["sites"]["steps"] == [1, 3]
    for site, units, first, last in run["sites"]["rows"]:
        for after, values in ((0, first), (2, last)):
            (row,) = frame[(frame["site"] == site) & (frame["after"] == after)].to_dict("records")
            wanted = [row[name] for name in ("dormant", "effective_rank", "drift_probe")]
            shown = [values[place] for place in (0, 2, 7)]
            assert shown == [None if math.isnan(value) else float(f"{value:.3g}") for value in wanted]
            assert units == row["channels"]
    explained = read_explanation(path)
    assert [row[3:] for row in run["explained"]["rows"]] == [
        list(parts) for parts in zip(explained.statistics, explained.head, explained.features, strict=True)
    ]
    assert runs[find_run(folder, "cn-naive-s1").name]["sites"] is None


def test_what_is_unfinished_unreadable_or_damaged_is_named_and_counted(folder, report, html, runs):
    unfinished = find_run(folder, "gn-replay-s1").name
    assert not runs[unfinished]["finished"]
    assert runs[unfinished]["done"] == 1
    (unreadable,) = report.collection.unreadable
    assert unreadable.where == f"{find_run(folder, 'gn-replay-s0').name}/record.json"
    (damaged,) = report.collection.damaged
    without = find_run(folder, "bn-naive-s2").name
    assert damaged.where == f"{without}/predictions.parquet"
    assert runs[without]["confusion"] is None
    assert runs[without]["finished"]
    assert "13 runs: 12 finished" in html
    assert "1 unfinished" in html
    assert "1 left out, because they cannot be read; 1 files of runs cannot be read" in html
    assert unreadable.where in html
    assert damaged.where in html


def test_settings_are_never_in_one_mean(tmp_path):
    make_grid(tmp_path, strategies=("naive",))
    make_grid(tmp_path, strategies=("naive",), **{"train.lr": 0.004})
    found = data_of(tmp_path)
    assert [setting["title"].partition("train.lr ")[2] for setting in found["settings"]] == ["0.002", "0.004"]
    for place, setting in enumerate(found["settings"]):
        own = [run for run in found["runs"] if run["setting"] == place]
        assert len(own) == 6
        cells = {setting["norms"][cell[0]]: cell[4] for cell in setting["cells"] if cell[2] == 0}
        for norm, mean in cells.items():
            values = [run["values"][0] for run in own if run["norm"] == norm]
            assert mean == pytest.approx(sum(values) / 3)


def test_two_runs_for_one_place_make_no_mean_and_are_shown(tmp_path):
    make_grid(tmp_path, strategies=("naive",), norms=("cn",), seeds=(0,))
    make_grid(tmp_path / "again", strategies=("naive",), norms=("cn",), seeds=(0,))
    found = data_of(tmp_path)
    assert "several runs have norm cn, strategy naive and seed 0" in found["settings"][0]["reason"]
    first, second = (run["id"] for run in found["runs"])
    assert first == f"again/{second}"


def test_a_setting_without_a_finished_run_says_so(tmp_path):
    make_grid(tmp_path, strategies=("naive",), norms=("cn",), seeds=(0,))
    make_grid(tmp_path, strategies=("naive",), norms=("cn",), seeds=(0,), **{"train.lr": 0.004})
    slow = next(path for path in tmp_path.iterdir() if 'lr": 0.004' in (path / "record.json").read_text())
    leave_unfinished(tmp_path, slow.name)
    reasons = {setting["title"].partition("lr ")[2]: setting["reason"] for setting in data_of(tmp_path)["settings"]}
    assert reasons == {"0.002": "", "0.004": "no run of this setting has finished"}


def test_conditions_choose_runs(folder):
    found = collect(folder, where=["norm=cn", "seed=0"])
    assert [run.record.names["strategy"] for run in found.runs] == ["naive", "replay"]
    with pytest.raises(UserError, match="no run has norm=ln"):
        collect(folder, where=["norm=ln"])
    with pytest.raises(UserError, match="holds no finished run"):
        collect(folder, where=["norm=gn"])


def test_a_run_that_starts_from_what_cannot_be_is_shown_without_its_changed_keys(tmp_path):
    make_grid(tmp_path, norms=("cn",), strategies=("naive",), seeds=(0,))
    (path,) = tmp_path.iterdir()
    rewrite(path, config={"model": {"pretrained": "no"}})
    found = collect(tmp_path)
    assert found.runs[0].changed is None
    assert "model.pretrained" in str(found.damaged[0])
    assert found.damaged[0].where.startswith(path.name)


def test_a_folder_that_is_one_run_is_a_report_of_it(folder):
    path = find_run(folder, "cn-naive-s0")
    assert [run.id for run in collect(path).runs] == [path.name]


def test_a_folder_without_a_readable_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="there is no such folder"):
        collect(tmp_path / "absent")
    make_grid(tmp_path, norms=("cn",), strategies=("naive",), seeds=(0,))
    (tmp_path / next(tmp_path.iterdir()).name / "record.json").write_text("{")
    with pytest.raises(ClnormError, match="no run that can be read"):
        collect(tmp_path)
