"""Metrics at the end of a run and after it: from what it keeps into its record, or the reason why there is none."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace

import pandas as pd
import pytest

import clnorm
from clnorm.cli.main import main
from clnorm.errors import ClnormError, UserError
from clnorm.evaluation.metrics import METRICS, Metric
from clnorm.evaluation.metrics.registry import _REGISTRY
from clnorm.results.folder import RunFolder, RunIsHeldError, write_frame
from clnorm.results.measure import UnfinishedError, add_metric
from clnorm.results.record import read_record
from tests.results.kept import PREDICTIONS, STEPS, keep_run
from tests.results.records import FINISHED


def metric(function, key="mine", **options):
    return Metric(key, key, "", "a formula", "", "me", True, function, **options)


@pytest.fixture
def run(tmp_path):
    keep_run(tmp_path / "run")
    return tmp_path / "run"


def test_a_run_ends_with_every_metric_that_it_keeps_enough_for(tmp_path):
    record = keep_run(tmp_path / "run")
    assert record.matrix == [[0.5, None], [0.0, 0.5]]
    assert list(record.metrics) == list(METRICS)
    expected = {"accuracy": 0.25, "forgetting": 0.5, "old_as_new": 1.0, "new_as_old": 0.5, "task_confusion": 0.75}
    assert {key: record.metrics[key] for key in expected} == expected
    absent = {"fwt", "retention", "head", "mid", "tail", "nme_accuracy", "minimum_accuracy", "probe_accuracy", "cka"}
    assert {key for key in absent if record.metrics[key] is not None} == set()


def test_what_the_folder_keeps_beside_predictions_counts_at_the_end_too(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    write_frame(folder / "steps.parquet", STEPS)
    data = {"test_clips": [2, 2]}
    record = clnorm.results.measure.measure(replace(FINISHED, data=data, metrics={}), PREDICTIONS, folder)
    assert record.metrics["minimum_accuracy"] == 0.0
    assert record.metrics["worst_case_accuracy"] == 0.25


def test_a_metric_is_added_and_nothing_else_changes(run):
    before = json.loads((run / "record.json").read_text())
    added = add_metric(metric(lambda data: data.R[-1, 0] + 0.125), run)
    assert (added.value, added.reason, added.before, added.written) == (0.125, "", None, True)
    after = json.loads((run / "record.json").read_text())
    assert after["metrics"].pop("mine") == 0.125
    assert after.pop("checksum") != before.pop("checksum")
    assert after == before
    assert read_record(run / "record.json").metrics["mine"] == 0.125, "the new checksum is right"


def test_added_again_it_stays_as_it_is_to_the_byte_and_an_edited_one_is_replaced(run):
    add_metric(metric(lambda data: 0.5), run)
    content, time = (run / "record.json").read_bytes(), (run / "record.json").stat().st_mtime_ns
    again = add_metric(metric(lambda data: 0.5), run)
    assert (again.value, again.before, again.written) == (0.5, 0.5, False)
    assert ((run / "record.json").read_bytes(), (run / "record.json").stat().st_mtime_ns) == (content, time)
    other = add_metric(metric(lambda data: 0.25), run)
    assert (other.value, other.before, other.written) == (0.25, 0.5, True)
    assert read_record(run / "record.json").metrics["mine"] == 0.25


@pytest.mark.parametrize("key", [key for key in METRICS if key not in ("retention",)])
def test_each_of_clnorms_own_gives_again_what_the_record_says(run, key):
    added = add_metric(key, run)
    assert not added.written
    assert added.value == added.before
    assert bool(added.reason) == (added.value is None)


def test_one_that_an_older_record_lacks_is_added_from_its_predictions(tmp_path):
    record = keep_run(tmp_path / "run")
    kept = {key: value for key, value in record.metrics.items() if key in ("accuracy", "forgetting")}
    RunFolder(tmp_path / "run").write("record.json", replace(record, metrics=kept).to_json())
    assert add_metric("task_confusion", tmp_path / "run").written
    assert read_record(tmp_path / "run" / "record.json").metrics == {**kept, "task_confusion": 0.75}


def test_the_first_schema_gets_a_checksum_with_its_predictions(tmp_path):
    """Records of the first version had none, and neither had predictions."""
    folder = tmp_path / "run"
    record = keep_run(folder)
    PREDICTIONS.to_parquet(folder / "predictions.parquet")
    old = {**asdict(record), "schema": 1, "metrics": {"accuracy": 0.25}}
    (folder / "record.json").write_text(json.dumps(old))
    assert add_metric("task_confusion", folder).value == 0.75
    assert read_record(folder / "record.json").schema == 2
    assert add_metric("within_task_error", folder).value == 0.0, "predictions are read again, with their checksum"


REASONS = {
    "fwt": "it was trained without eval.unseen=true",
    "retention": "it compares two runs: tables fill it in",
    "head": "its classes have equally many training clips",
    "nme_accuracy": "it keeps no column nme in predictions.parquet, which it does with eval.nearest=exemplars",
    "minimum_accuracy": "it keeps no steps.parquet, which it does with eval.every=N",
    "cka": "it keeps no probes.parquet",
}


@pytest.mark.parametrize("key", REASONS)
def test_without_what_it_needs_there_is_no_number_and_the_reason(run, key):
    content = (run / "record.json").read_bytes()
    added = add_metric(key, run)
    assert added.value is None
    assert added.reason.startswith(REASONS[key])
    assert (run / "record.json").read_bytes() == content


def test_a_number_stays_where_what_it_came_from_is_gone(run):
    add_metric(metric(lambda data: 0.5, needs=("predictions",)), run)
    (run / "predictions.parquet").unlink()
    added = add_metric(metric(lambda data: 0.25, needs=("predictions",)), run)
    assert (added.value, added.before, added.reason) == (None, 0.5, "it keeps no predictions.parquet")
    assert read_record(run / "record.json").metrics["mine"] == 0.5


def test_nan_of_a_function_is_no_number_with_a_reason(run):
    added = add_metric(metric(lambda data: float("nan")), run)
    assert added.value is None
    assert added.reason.startswith("it is undefined here")
    assert "mine" not in read_record(run / "record.json").metrics


FAULTY = {
    "text": (lambda data: "0.5", r"gave '0\.5', a str; return a float"),
    "true": (lambda data: True, "gave True, a bool"),
    "none": (lambda data: None, "gave None, a NoneType"),
    "array": (lambda data: data.R[-1], "a ndarray"),
    "infinite": (lambda data: float("inf"), "gave inf; legal: a share"),
    "percent": (lambda data: 75.0, r"gave 75\.0; legal: a share"),
    "complex": (lambda data: 1j, "a complex"),
    "raises": (lambda data: 1 / 0, r"failed \(ZeroDivisionError: division by zero\)"),
    "exits": (lambda data: sys.exit(3), r"failed \(SystemExit: 3\)"),
    "itself": (lambda data: metric(lambda inner: 1 / 0)(data), "run: metric mine: failed .*ZeroDivisionError"),
    "undeclared": (lambda data: data.frames["steps"].mean(), "failed .*steps"),
}


@pytest.mark.parametrize("name", FAULTY)
def test_a_function_that_gives_no_number_is_an_error_that_names_metric_and_run(run, name):
    function, message = FAULTY[name]
    content = (run / "record.json").read_bytes()
    with pytest.raises(ClnormError, match=message) as told:
        add_metric(metric(function), run)
    assert "metric mine" in str(told.value)
    assert str(run) in str(told.value)
    assert (run / "record.json").read_bytes() == content


@pytest.mark.parametrize("value", [1, 0, -1.0, 1 + 1e-12])
def test_whole_numbers_and_the_rounding_of_sums_are_numbers(run, value):
    assert add_metric(metric(lambda data: value), run).value == float(value)


def corrupt(run):
    content = bytearray((run / "predictions.parquet").read_bytes())
    content[200] ^= 1
    (run / "predictions.parquet").write_bytes(content)


DAMAGE = {
    "flipped bit": (corrupt, "its checksum says that it was damaged"),
    "no checksum": (lambda run: PREDICTIONS.to_parquet(run / "predictions.parquet"), "it has no checksum"),
    "cut short": (lambda run: os.truncate(run / "predictions.parquet", 300), "cannot be read"),
    "empty": (lambda run: os.truncate(run / "predictions.parquet", 0), "cannot be read"),
    "of another run": (
        lambda run: write_frame(run / "predictions.parquet", PREDICTIONS.assign(predicted=0)),
        "is of another run",
    ),
    "other columns": (
        lambda run: write_frame(run / "predictions.parquet", pd.DataFrame({"after": [0], "x": [1]})),
        "not those of a run",
    ),
    "text for numbers": (
        lambda run: write_frame(run / "predictions.parquet", PREDICTIONS.assign(label="[/]")),
        "not those of a run",
    ),
    "a class too many": (
        lambda run: write_frame(run / "predictions.parquet", PREDICTIONS.assign(label=7)),
        "label 7 is no class",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_predictions_are_named(run, name):
    damage, message = DAMAGE[name]
    damage(run)
    with pytest.raises(ClnormError, match=message) as told:
        add_metric("task_confusion", run)
    assert "predictions.parquet" in str(told.value)
    assert add_metric("accuracy", run).value == 0.25, "what needs no predictions does without them"


STRANGE = {
    "experience": STEPS.assign(tested=[0, 9]),
    "accuracy": STEPS.assign(accuracy=[0.5, 1.25]),
    "text": STEPS.assign(accuracy=["a", "b"]),
    "texts of numbers": STEPS.assign(experience=["[/]", "1"]),
}


@pytest.mark.parametrize("name", STRANGE)
def test_other_tables_with_other_values_give_no_number_or_are_refused(run, name):
    write_frame(run / "steps.parquet", STRANGE[name])
    if name == "experience":  # nothing was measured on the first one
        assert add_metric("minimum_accuracy", run).reason.startswith("it is undefined here")
    else:
        with pytest.raises(ClnormError, match=r"run: metric minimum_accuracy: steps: (not numbers|an accuracy is)"):
            add_metric("minimum_accuracy", run)


def test_predictions_of_no_class_are_refused(run):
    wrong = PREDICTIONS.assign(predicted=PREDICTIONS["predicted"].where(PREDICTIONS["clip"] != 3, 9))
    write_frame(run / "predictions.parquet", wrong)
    with pytest.raises(ClnormError, match="9 is no class; legal: 0 to 1"):
        add_metric("task_confusion", run)


def test_a_record_that_says_something_else_of_clnorms_own_is_not_changed(tmp_path):
    keep_run(tmp_path / "run", metrics={"accuracy": 0.5})
    content = (tmp_path / "run" / "record.json").read_bytes()
    with pytest.raises(ClnormError, match=r"says that accuracy is 0\.5, and what it keeps gives 0\.25"):
        add_metric("accuracy", tmp_path / "run")
    assert (tmp_path / "run" / "record.json").read_bytes() == content


def test_an_unfinished_run_has_no_metrics_and_one_that_is_held_is_left_alone(tmp_path, run):
    keep_run(tmp_path / "half", status="unfinished")
    with pytest.raises(UnfinishedError, match=r"not finished, .*; go on with it: clnorm run --config .*half"):
        add_metric("accuracy", tmp_path / "half")
    with RunFolder(run).locked(), pytest.raises(RunIsHeldError):
        add_metric(metric(lambda data: 0.5), run)
    with pytest.raises(UserError, match="is not the folder of a run"):
        add_metric("accuracy", tmp_path)


def test_a_full_disk_leaves_the_record_as_it_was(run, monkeypatch):
    content = (run / "record.json").read_bytes()
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(ClnormError, match="No space left"):
        add_metric(metric(lambda data: 0.5), run)
    monkeypatch.undo()
    assert (run / "record.json").read_bytes() == content
    assert sorted(path.name for path in run.iterdir()) == [".lock", "predictions.parquet", "record.json"]


SOURCE = """
import clnorm


@clnorm.register_metric("{name}", formula="min_j R[T,j] & so on", source="me 2027", higher_is_better=True)
def lowest(run):
    return run.R[-1].min()


def plain(run):
    return 0.5
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The name of a module with a metric, found in Python's path, registered under a name of its own each time."""
    name = f"metrics_of_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(SOURCE.format(name=f"lowest_{name}"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_REGISTRY, "_entries", dict(_REGISTRY._entries))
    yield name
    sys.modules.pop(name, None)


@pytest.mark.parametrize("joint", [":", "."])
def test_the_command_adds_one_of_a_users_own_and_tables_show_it(run, module, joint, capsys):
    name = f"{module}:lowest"
    assert main(["metrics", "add", f"{module}{joint}lowest", "."]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out == ["run: 0.0 %, written", f"{name}: 1 run, 1 written, 0 without a number"]
    assert main(["metrics", "add", name, "run", str(run), "."]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out == ["run: 0.0 %, as its record says", f"{name}: 1 run, 0 written, 0 without a number"]
    assert main(["table", ".", "--metrics", f"accuracy,{module}{joint}lowest", "--format", "csv"]) == 0
    assert f"a,a,{name},0.0,,1,true,fraction" in capsys.readouterr().out
    for format_, shown in (
        ("latex", r"min\_j R{[}T,j] \& so on"),
        ("markdown", "min_j R[T,j] & so on"),
        ("rich", name),
    ):
        assert main(["table", ".", "--metrics", name, "--format", format_]) == 0
        assert shown in capsys.readouterr().out.replace("\n", " ") or format_ == "rich"
    assert main(["runs", ".", "--sort", name]) == 0


def test_a_name_of_ones_own_that_is_not_imported_is_told_apart_from_a_slip(run, module, capsys):
    refused = {
        f"{module}:plain": r"is no metric; write @clnorm.register_metric",
        f"{module}:lowst": "did you mean 'lowest'",
        "nowhere:lowest": "there is no module 'nowhere'",
        "forgeting": "did you mean 'forgetting'",
        "accuracy:bins=3": "'accuracy' has no option 'bins'",
        "json:dumps": "is no metric",
    }
    content = (run / "record.json").read_bytes()
    for name, message in refused.items():
        assert main(["metrics", "add", name, str(run)]) == 2, name
        assert message in capsys.readouterr().err, name
    assert (run / "record.json").read_bytes() == content


def test_a_record_decides_nothing_about_what_is_imported(tmp_path, module, capsys):
    keep_run(tmp_path / "run", metrics={"accuracy": 0.25, f"{module}:lowest": 0.5})
    for command in (["table", "."], ["runs", "."], ["compare", "run", "run"], ["metrics", "add", "accuracy", "."]):
        assert main(command) == 0
    assert module not in sys.modules
    assert main(["table", ".", "--metrics", f"{module}:lowest"]) == 0
    assert module in sys.modules


def test_a_name_that_is_taken_or_no_name_is_refused():
    def register(name, **changes):
        told = {"formula": "f", "source": "s", "higher_is_better": True} | changes
        return clnorm.register_metric(name, **told)(lambda run: 0.5)

    with pytest.raises(UserError, match="the metric 'accuracy' is registered already; choose another name"):
        register("accuracy")
    for name in ("", "a,b", "a b", "a:b", 3):
        with pytest.raises(UserError, match="cannot be the name of a metric"):
            register(name)
    for changes, message in (
        ({"formula": ""}, "'' is no formula"),
        ({"source": "a\nb"}, "is no source"),
        ({"title": "\x1b[2J"}, "is no title"),
        ({"needs": ["../record"]}, "nothing that a metric can need"),
        ({"needs": "predictions"}, "needs is the text 'predictions'; legal: a list"),
    ):
        with pytest.raises(UserError, match=message.replace("(", r"\(")):
            register("refused_in_test", **changes)


def test_the_command_leaves_out_what_fails_and_does_the_rest(tmp_path, capsys):
    keep_run(tmp_path / "a", metrics={"accuracy": 0.25})
    keep_run(tmp_path / "b", metrics={"accuracy": 0.25})
    keep_run(tmp_path / "half", status="unfinished")
    corrupt(tmp_path / "b")
    assert main(["metrics", "add", "task_confusion", str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        f"{tmp_path}/a: 75.0 %, written",
        f"{tmp_path}/half: left out: is not finished, so that it has no metrics yet",
        "task_confusion: 1 run, 1 written, 0 without a number",
    ]
    assert "1 run is left out: " in shown.err
    assert "b/predictions.parquet" in shown.err
    assert read_record(tmp_path / "a" / "record.json").metrics["task_confusion"] == 0.75


@pytest.mark.parametrize(
    ("given", "message"), [("nowhere", "no such folder"), (".", "holds no run"), ("half", "not fin")]
)
def test_the_command_refuses_what_is_no_finished_run(tmp_path, monkeypatch, capsys, given, message):
    monkeypatch.chdir(tmp_path)
    if given == "half":
        keep_run(tmp_path / "half", status="unfinished")
        keep_run(tmp_path / "whole", metrics={"accuracy": 0.25})
    content = [path.read_bytes() for path in tmp_path.rglob("record.json")]
    assert main(["metrics", "add", "task_confusion", *(["whole"] if given == "half" else []), given]) == 2
    assert message in capsys.readouterr().err
    assert [path.read_bytes() for path in tmp_path.rglob("record.json")] == content


def test_the_command_says_why_there_is_no_number_and_a_table_how_one_gets_it(run, capsys):
    assert main(["metrics", "add", "minimum_accuracy", str(run)]) == 0
    assert f"{run}: no number: it keeps no steps.parquet" in capsys.readouterr().out
    record = read_record(run / "record.json")
    RunFolder(run).write("record.json", replace(record, metrics={"accuracy": 0.25}).to_json())
    assert main(["table", str(run.parent), "--metrics", "task_confusion"]) == 0
    shown = capsys.readouterr()
    assert "--" in shown.out
    assert f"clnorm metrics add task_confusion {run.parent}" in shown.err


def test_the_list_says_direction_and_needs(capsys):
    assert main(["metrics", "list"]) == 0
    out = capsys.readouterr().out
    assert main(["list", "metrics"]) == 0
    assert out == capsys.readouterr().out
    assert "lower is better; needs `predictions.parquet` with its column `confidence`" in out
    assert "needs two or more experiences, learned in turn; `steps.parquet`, kept with `eval.every=N`" in out


@pytest.mark.slow
def test_a_metric_that_another_package_announces(tmp_path, run, module):
    installed = tmp_path / "announced-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: announced\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[clnorm.metrics]\nlowest_of_all = {module}:lowest\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in (str(tmp_path), *sys.path) if path)}

    def command(*words):
        done = subprocess.run(
            [sys.executable, "-m", "clnorm", *words], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "lowest_of_all" in command("metrics", "list")
    assert "0.0 %, written" in command("metrics", "add", "lowest_of_all", str(run))
    assert "lowest_of_all" in command("table", str(run.parent), "--metrics", "lowest_of_all", "--format", "csv")


@pytest.mark.slow
def test_a_run_that_is_evaluated_in_every_way_has_every_metric_of_its_stream(tiny):
    asked = {"eval__nearest": "both", "eval__every": 2, "eval__probe": True, "eval__cka": True, "eval__unseen": True}
    config = tiny(strategy="replay:per_class=2", train__epochs=1, **asked)
    record = clnorm.run(config)
    absent = {key for key, value in record.metrics.items() if value is None}
    assert absent == {"retention", "head", "mid", "tail"}, "there is no joint training, and classes are equal"
    for key in METRICS:
        added = add_metric(key, f"{config.out}/{record.run}")
        assert (added.value, added.written) == (record.metrics[key], False)


def test_a_heading_and_a_formula_of_a_plugin_are_shown_literally(run, module, monkeypatch, capsys):
    odd = r"50 % of `R` & {more} $1 #_~^\ <b>|"
    told = {"formula": odd, "title": odd, "source": "me", "higher_is_better": True}
    clnorm.register_metric("odd", **told)(lambda data: 0.5)
    assert add_metric("odd", run).written
    results = clnorm.load_results(run.parent)
    latex = clnorm.make_table(results, metrics=["odd"], format="latex")
    assert latex.count(r"50 \% of `R` \& \{more\} \$1 \#\_\textasciitilde{}\textasciicircum{}\textbackslash{}") == 3
    markdown = clnorm.make_table(results, metrics=["odd"], format="markdown")
    assert markdown.count(r"50 % of \`R\` & {more} \$1 \#\_\~^\\ \<b\>\|") == 3
    assert odd in clnorm.make_table(results, metrics=["odd"]).replace("\n", " ")
