"""Records: read back as they were written, old ones too, newer ones refused, all of them as one table."""

import json
import math
import re

import pytest

from clnorm.errors import ClnormError, UserError
from clnorm.evaluation.metrics import METRICS
from clnorm.results.folder import RunFolder
from clnorm.results.load import load_results
from clnorm.results.record import SCHEMA, RunRecord, read_record
from clnorm.results.selection import select
from clnorm.tables.make import make_table

# As the first version wrote it; it must be readable for ever.
VERSION_1 = {
    "schema": 1,
    "status": "finished",
    "run": "synthetic-lsvit_nano-cn-replay-s0-12345678",
    "names": {"dataset": "synthetic", "protocol": "even", "backbone": "lsvit_nano", "norm": "cn", "strategy": "replay"},
    "seed": 0,
    "setting": "abcdef01",
    "config": {"norm": "cn", "seed": 0},
    "classes": ["a", "b"],
    "experiences": [[1], [0]],
    "matrix": [[1.0, None], [0.5, 0.75]],
    "untrained": None,
    "metrics": {"accuracy": 0.625, "forgetting": 0.5, "fwt": None},
    "data": {"test_clips": [4, 4], "bad": {}},
    "memory": {"clips": 10, "frames": 160, "megabytes": 0.5},
    "swap": {"found": 13, "replaced": 13},
    "cost": {"seconds": 1.0, "clips_trained": 20, "peak_memory_mb": 500.0},
    "versions": {"torch": "2.15.0"},
}

# A-bar, with 4 test clips each: (0.8 + 0.4) / 2 = 0.6, and 0.8.
KEPT, WHOLE = [[0.8, None], [0.4, 0.4]], [[0.8, 0.8]]
JOINT = VERSION_1["names"] | {"strategy": "joint"}


def save(tmp_path, name="run", **changes):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "record.json").write_text(json.dumps(VERSION_1 | changes))
    return folder / "record.json"


def fail_inside(folder, *, write):
    with RunFolder(folder).locked():
        if write:
            RunFolder(folder).write("config.yaml", "norm: cn")
        raise ClnormError("refused")


@pytest.mark.parametrize("earlier", [False, True])
def test_a_run_that_fails_before_it_writes_leaves_no_folder(tmp_path, earlier):
    folder = tmp_path / "runs" / "run"
    if earlier:
        with pytest.raises(ClnormError, match="refused"):
            fail_inside(folder, write=True)
    with pytest.raises(ClnormError, match="refused"):
        fail_inside(folder, write=False)
    assert folder.exists() == earlier
    assert [path.name for path in (tmp_path / "runs").rglob("*.yaml")] == ["config.yaml"] * earlier
    with RunFolder(folder).locked():
        assert folder.exists()


def test_the_first_schema_loads_and_writes_back(tmp_path):
    record = read_record(save(tmp_path))
    later = {
        "label": "",
        "weights": {},
        "execution": {},
        "calibration": {},
        "classifier": "head",
        "tuning": {},
        "reused": [],
        "earlier": [],
    }  # added since: empty where a record is older
    assert RunRecord(**VERSION_1) == record
    written = json.loads(record.to_json())
    assert written.pop("checksum").startswith("clnorm-sha256:")
    assert written == VERSION_1 | later | {"schema": SCHEMA}


def test_a_newer_schema_is_refused(tmp_path):
    with pytest.raises(ClnormError, match=f"has schema {SCHEMA + 1}, newer than {SCHEMA}; update clnorm"):
        read_record(save(tmp_path, schema=SCHEMA + 1))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1}', '{"schema": "x"}'])
def test_what_is_no_record_is_named(tmp_path, text):
    file = save(tmp_path)
    file.write_text(text)
    with pytest.raises(ClnormError, match=r"run/record\.json: is no record of a run"):
        read_record(file)


TUNING = {
    "digest": "0" * 64,
    "metric": "accuracy",
    "trials": 2,
    "experiences": 2,
    "validation": 0.2,
    "seeds": [0],
    "search": {},
    "otherwise": {},
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"matrix": [[1.0, None], [0.5, 7.0]]}, "matrix holds 7.0, which is no share"),
        ({"matrix": [[1.0, None], [-0.5, 0.5]]}, "matrix holds -0.5, which is no share"),
        ({"data": {"test_clips": [4]}}, "data.test_clips is not of 2 experiences"),
        ({"data": {"test_clips": [4, -4]}}, "data.test_clips is not of 2 experiences"),
        ({"classes": ["a", "a"]}, "classes has a name twice"),
        ({"experiences": [[0, 1], []]}, "experiences has one without a class"),
        ({"memory": {"clips": "many"}}, "memory.clips is 'many', not int | None"),
        ({"memory": {"kept_megabytes": "x"}}, "memory.kept_megabytes is 'x', not float | None"),
        ({"tuning": {"digest": "0"}}, "tuning.metric is None, not str"),
        ({"tuning": {**TUNING, "otherwise": []}}, "tuning.otherwise is"),
        ({"config": {"model": 5}}, "config.model is no mapping"),
        ({"config": {"train": {"a": {"b": [1, 2]}}}}, "config has a list for b"),
        ({"names": {**JOINT, "norm": "n" * 5000}}, "names.norm has more than 4000 characters"),
    ],
)
def test_a_record_that_says_what_of_no_run_is_true_is_named_with_it(tmp_path, changes, said):
    with pytest.raises(ClnormError, match=re.escape(f"record.json: is no record of a run ({said}")):
        read_record(save(tmp_path, **changes))


def test_of_a_tuning_by_a_metric_that_is_not_known_its_name_is_told(tmp_path):
    save(tmp_path, tuning={**TUNING, "metric": "newer"})
    assert "by newer on 20 % of the training clips" in load_results(tmp_path)["tuning"].iloc[0]


def test_no_key_of_a_configuration_takes_the_place_of_a_column(tmp_path):
    forged = {"metric": "evil", "value": 1.0, "status": "evil", "seed": 5}
    names = {**VERSION_1["names"], "setting": "evil", "run": "evil"}
    save(tmp_path, config=forged, names=names)
    results = load_results(tmp_path, columns=["config"])
    assert results["metric"].tolist() == list(VERSION_1["metrics"])
    assert {results[name].iloc[0] for name in ("setting", "run", "status")} == {
        "abcdef01",
        VERSION_1["run"],
        "finished",
    }


def test_results_are_one_row_for_each_run_and_metric(tmp_path):
    save(tmp_path, "a")
    save(tmp_path, "b", run="b", seed=1, status="unfinished", metrics={})
    results = load_results(tmp_path)
    assert len(results) == 4
    finished = results[results["status"] == "finished"].set_index("metric")["value"]
    assert finished["accuracy"] == 0.625
    assert math.isnan(finished["fwt"])
    unfinished = results[results["status"] == "unfinished"]
    assert unfinished["seed"].tolist() == [1]
    assert unfinished["value"].isna().all()


def test_a_folder_without_runs_is_a_users_mistake(tmp_path):
    with pytest.raises(UserError, match="holds no run"):
        load_results(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        load_results(tmp_path / "nowhere")


def test_retention_needs_joint_training_with_the_same_norm_and_seed(tmp_path):
    save(tmp_path, "replay", matrix=KEPT)
    save(tmp_path, "other_seed", run="other_seed", seed=1, matrix=KEPT)
    save(tmp_path, "nothing", run="nothing", matrix=[[0.0, None], [0.0, 0.0]])
    save(tmp_path, "joint", run="joint", names=JOINT, matrix=WHOLE)
    results = load_results(tmp_path)
    kept = results[results["metric"] == "retention"].set_index("run")["value"]
    assert kept[VERSION_1["run"]] == pytest.approx(0.75)
    assert kept["joint"] == 1
    assert kept["nothing"] == 0
    assert "other_seed" not in kept


@pytest.mark.parametrize("first", ["a", "z"])
def test_an_unfinished_joint_run_hides_no_finished_one(tmp_path, first):
    save(tmp_path, "replay", matrix=KEPT)
    save(tmp_path, "m", run="done", names=JOINT, matrix=WHOLE)
    save(tmp_path, first, run="not", names=JOINT, status="unfinished", metrics={}, matrix=[])
    kept = load_results(tmp_path).query("metric == 'retention'").set_index("run")["value"]
    assert kept[VERSION_1["run"]] == pytest.approx(0.75)


def test_joint_training_under_another_label_is_no_reference(tmp_path):
    save(tmp_path, "replay", matrix=KEPT, label="transductive")
    save(tmp_path, "plain", run="plain", names=JOINT, matrix=WHOLE)
    kept = load_results(tmp_path).query("metric == 'retention'").set_index("run")["value"]
    assert VERSION_1["run"] not in kept
    assert kept["plain"] == 1


def test_more_may_be_kept_than_joint_training_has_and_a_table_shows_it(tmp_path):
    save(tmp_path, "replay", matrix=KEPT)
    save(tmp_path, "joint", run="joint", names=JOINT, matrix=[[0.5, 0.5]])
    results = load_results(tmp_path)
    assert results.query("metric == 'retention'").set_index("run")["value"][VERSION_1["run"]] == pytest.approx(1.2)
    assert "120.0" in make_table(results, metrics=["retention"])


def test_results_name_label_and_imbalance_also_where_a_record_is_older(tmp_path):
    save(tmp_path, "old")
    save(tmp_path, "new", run="new", label="oracle", config={"train": {"imbalance": "sqrt"}})
    results = load_results(tmp_path).drop_duplicates("run").set_index("run")
    assert results.loc[VERSION_1["run"], ["label", "imbalance"]].tolist() == ["", "none"]
    assert results.loc["new", ["label", "imbalance"]].tolist() == ["oracle", "sqrt"]


@pytest.mark.parametrize(
    ("norm", "keys", "named"),
    [
        ("cn", {}, "cn"),
        ("cn", {"train": {"stats_update": "all", "freeze_after_exp": 0}, "eval": {"stats": "running"}}, "cn"),
        ("bn", {"train": {"stats_update": "balanced"}}, "bn:update=balanced"),
        (
            "cn:groups=16",
            {"train": {"stats_update": "none", "recalibrate_after_exp": "buffer", "freeze_after_exp": 2}},
            "cn:groups=16,update=none,recalibrate=buffer,freeze_after=2",
        ),
        ("bn", {"eval": {"stats": "batch"}}, "bn:eval=batch"),
        ("bn_task", {"eval": {"stats": "task"}}, "bn_task"),
        ("my.norms:Mine", {"train": {"stats_update": "balanced"}}, "my.norms:Mine:update=balanced"),
    ],
)
def test_a_norm_of_an_older_record_is_named_as_it_is_written_now(tmp_path, norm, keys, named):
    file = save(tmp_path, names={**VERSION_1["names"], "norm": norm}, config=keys)
    assert set(load_results(tmp_path)["norm"]) == {named}
    assert read_record(file).names["norm"] == norm, "a record itself stays what it is"


def test_the_words_that_narrow_are_quoted_where_a_shell_would_part_them(tmp_path):
    for epochs in (1, 2):
        config = {"train": {"balanced_epochs": epochs}}
        save(tmp_path, f"r{epochs}", run=f"r{epochs}", setting=f"s{epochs}", config=config)
    with pytest.raises(UserError, match=r"narrow with: --where 'fine_tuning=1 epoch'$"):
        make_table(load_results(tmp_path))


@pytest.mark.parametrize(
    ("count", "swap", "said"),
    [
        (0, "all", None),
        (1, "all", ", the first block frozen"),
        (8, "trained", ", the first 8 blocks with the backbone's own norms frozen"),
    ],
)
def test_a_caption_says_which_blocks_are_frozen(tmp_path, count, swap, said):
    save(tmp_path, config={"train": {"freeze_blocks": count, "epochs": 3}, "model": {"swap": swap}})
    caption = make_table(load_results(tmp_path), format="markdown")
    assert "frozen" not in caption if said is None else said in caption


def test_a_caption_says_that_what_frozen_blocks_make_is_mixed(tmp_path):
    config = {"train": {"freeze_blocks": 2, "keep_frozen": True}, "data": {"mix": "mixup:alpha=0.8"}}
    save(tmp_path, config=config)
    said = "the first 2 blocks, clips mixed behind them, frozen"
    assert said in make_table(load_results(tmp_path), format="markdown")


def test_runs_that_differ_in_any_key_are_told_by_it_and_chosen_by_it(tmp_path):
    for index, (epochs, lr) in enumerate([(10, 0.002), (2, 0.002), (2, 0.002)]):
        config = {"train": {"epochs": epochs, "lr": lr, "ema": index == 0, "device": f"d{index}"}, "out": f"o{index}"}
        save(tmp_path, f"r{index}", run=f"r{index}", setting=f"s{epochs}", seed=index, config=config)
    results = load_results(tmp_path, columns=["config", "cost", "folder"])
    with pytest.raises(
        UserError, match=r"differ in train\.epochs: 2 \| 10; train\.ema: false \| true; narrow with"
    ) as told:
        make_table(results)
    assert not {"device", "out", "folder", "cost"} & set(str(told.value).split())
    for condition in ("train.epochs=2", "train.epochs=2.0", "train.ema=false"):
        assert set(select(results, [condition])["run"]) == {"r1", "r2"}
    assert set(select(results, ["train.lr=2e-3"])["run"]) == {"r0", "r1", "r2"}
    with pytest.raises(
        UserError, match=r"no run has train\.epochs=3; did you mean|no run has train\.epochs=3; legal: 10, 2"
    ):
        select(results, ["train.epochs=3"])
    assert results["cost.seconds"].tolist() == [1.0] * len(results)
    assert set(results["folder"]) == {str(tmp_path / f"r{index}") for index in range(3)}
    assert make_table(select(results, ["train.epochs=2"])) == make_table(
        load_results(tmp_path).query("setting == 's2'")
    )


def test_a_key_that_an_older_record_lacks_is_unknown_and_numbers_stay_whole(tmp_path):
    save(tmp_path, "old", config={"train": {}})
    save(tmp_path, "new", run="new", seed=1, config={"train": {"epochs": 3}})
    epochs = load_results(tmp_path, columns=["config"]).groupby("run")["train.epochs"].first()
    assert epochs.to_dict() == {"new": 3, VERSION_1["run"]: "unknown"}
    with pytest.raises(UserError, match="unknown columns 'configs'; did you mean 'config'"):
        load_results(tmp_path, columns=["configs"])


@pytest.mark.parametrize(
    "changes",
    [
        {"names": []},
        {"names": {"norm": "bn"}},
        {"names": {**VERSION_1["names"], "norm": 3}},
        {"seed": "0"},
        {"matrix": {"a": 1}},
        {"matrix": [[1.0]]},
        {"matrix": [["1.0", None], [0.5, 0.75]]},
        {"metrics": {"accuracy": "high"}},
        {"metrics": {}},
        {"config": []},
        {"config": {"train": []}},
        {"experiences": [[0], [7]]},
        {"classes": "ab"},
        {"data": {}},
        {"cost": {}},
        {"label": "[/]"},
        {"status": None},
        {"schema": True},
    ],
)
def test_a_value_of_another_type_is_named(tmp_path, changes):
    with pytest.raises(ClnormError, match=rf"run/record\.json: is no record of a run \(.*{next(iter(changes))}"):
        read_record(save(tmp_path, **changes))


def test_a_table_shows_what_can_be_read_and_fails_with_the_names_of_the_others(tmp_path, capsys):
    from clnorm.cli.main import main

    save(tmp_path, "good")
    save(tmp_path, "bad", names=[])
    save(tmp_path, "worse").write_text("{")
    assert main(["table", str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert "62.5" in shown.out
    assert "2 runs are left out" in shown.err
    assert "bad/record.json" in shown.err
    assert "worse/record.json" in shown.err
    told = []
    assert set(load_results(tmp_path, on_unreadable=told.append)["run"]) == {VERSION_1["run"]}
    assert len(told) == 2


def test_markup_in_names_is_shown_as_it_is(tmp_path, capsys):
    from clnorm.cli.main import main
    from clnorm.cli.show.run import print_summary

    odd = VERSION_1["names"] | {"norm": "[/]", "strategy": "[red]x", "dataset": "[bold"}
    metrics = dict.fromkeys(METRICS, 0.5)
    record = read_record(save(tmp_path, names=odd, metrics=metrics))
    print_summary(record, path="[/red]")
    shown = capsys.readouterr().out
    assert "[/] x [red]x on [bold" in shown
    for kind in ("rich", "markdown", "latex", "csv"):
        assert main(["table", str(tmp_path), "--format", kind]) == 0
    assert "[/]" in capsys.readouterr().out
