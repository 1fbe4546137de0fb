"""Metrics of one's own, and `clnorm metrics`: by name, by module, announced by a package; what the command says."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

import clnorm
from clnorm.cli.main import main
from clnorm.errors import UserError
from clnorm.evaluation.metrics import METRICS
from clnorm.evaluation.metrics.registry import _REGISTRY
from clnorm.results.folder import RunFolder
from clnorm.results.measure import add_metric
from clnorm.results.record import read_record
from tests.results.kept import corrupt, keep_run

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
    first, last = shown.err.splitlines()
    assert first.startswith("left out: ")
    assert "b/predictions.parquet" in first
    assert last == "error: 1 run is left out"
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
