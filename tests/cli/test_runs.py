"""`runs`, `show` and `compare`: what they tell of runs."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from clnorm.cli.main import main
from clnorm.config.load import load_config
from clnorm.results.folder import RunFolder, write_frame
from clnorm.results.inspect import compare_runs, inspect_run
from clnorm.results.load import load_results
from clnorm.results.record import read_record

REFERENCE = Path(__file__).parents[2] / "tests" / "results" / "earlier"
NAIVE, REPLAY = (next(REFERENCE.glob(f"*-{strategy}-s0-*")) for strategy in ("naive", "replay"))


def write_anew(run, folder, overrides=(), **changes):
    """The record of an older run as it is written now, with every key and option that there is by now."""
    config = load_config(run / "config.yaml", overrides).to_dict()
    folder.mkdir(parents=True)
    record = replace(read_record(run / "record.json"), config=config, **changes)
    RunFolder(folder).write("record.json", record.to_json())
    return folder


def test_runs_lists_each_run_with_its_figures(capsys):
    assert main(["runs", str(REFERENCE)]) == 0
    out = capsys.readouterr().out
    assert all(folder.name in out for folder in REFERENCE.iterdir() if folder.is_dir())
    assert "9 runs, 9 finished" in out
    assert main(["runs", str(REFERENCE), "--where", "seed=1"]) == 0
    assert "3 runs, 3 finished" in capsys.readouterr().out
    assert main(["runs", "/nowhere"]) == 2


def test_compare_names_the_keys_that_differ_and_each_change():
    found = compare_runs(NAIVE, REPLAY)
    assert found.keys == {"strategy": ("naive", "replay:per_class=5,select=random,share=0.5,total=none")}
    before, after = found.metrics["accuracy"]
    assert after > before
    assert compare_runs(NAIVE, NAIVE).keys == {}


@pytest.mark.parametrize("run", [NAIVE, REPLAY], ids=["naive", "replay"])
def test_what_a_record_is_too_old_to_have_is_no_difference(run, tmp_path):
    """Both have one id: keys and options that came later do not count in it at these values."""
    assert "swap" not in read_record(run / "record.json").config["model"]
    anew = write_anew(run, tmp_path / "anew")
    assert compare_runs(run, anew).keys == compare_runs(anew, run).keys == {}
    assert inspect_run(run).changed == inspect_run(anew).changed
    assert not inspect_run(run).changed.keys() & {"model.swap", "train.keep_frozen", "begin.experience", "tuned"}
    other = write_anew(run, tmp_path / "other", ["train.forward=separate"])
    assert compare_runs(run, other).keys == {"train.forward": ("joint", "separate")}


def test_of_mixed_runs_only_the_keys_are_named_in_which_they_differ(tmp_path, capsys):
    shutil.copytree(NAIVE, tmp_path / "older")
    write_anew(NAIVE, tmp_path / "longer", ["train.epochs=3"], setting="longer")
    assert main(["table", str(tmp_path)]) == 2
    assert "table: the runs differ in train.epochs: 3 | 10; narrow with: --where" in capsys.readouterr().err
    loaded = load_results(tmp_path, columns=["config"])
    assert set(loaded["model.swap"]) == {"all"}
    assert set(loaded["eval.views"]) == {1}


def test_compare_prints_both(capsys):
    assert main(["compare", str(NAIVE), str(REPLAY)]) == 0
    out = capsys.readouterr().out
    for word in (
        "keys in which they differ",
        "replay:per_class=5,select=random,share=0.5,total=none",
        "second - first",
        "forgetting",
    ):
        assert word in out
    assert out.splitlines()[:2] == [f"first: {NAIVE.name}", f"second: {REPLAY.name}"]
    assert max(map(len, out.splitlines())) < 100, "names of runs are no headings"


def test_show_prints_the_keys_that_differ_from_the_defaults(capsys):
    assert main(["show", str(REPLAY)]) == 0
    out = capsys.readouterr().out
    assert "accuracy in % on each experience" in out
    changed = out.partition("keys that differ from the defaults")[2]
    assert "strategy" in changed
    assert "train.lr" not in changed


def test_show_prints_what_was_measured_at_the_norm_sites(tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(REPLAY, run)
    names = ("effective_rank", "stable_rank", "weight_norm", "gradient_norm", "effective_rate", "drift_probe")
    rows = [
        {"after": after, "site": site, "layers": "", "channels": 96, **dict.fromkeys(names, 1.0), "dormant": dormant}
        for after, site, dormant in ((0, "a[b]", 0.125), (0, "c", 0.0), (2, "a[b]", 0.5), (2, "c", 0.25))
    ]
    frame = pd.DataFrame(rows).assign(duplicate=0.0, drift_running=float("nan"))
    write_frame(run / "plasticity.parquet", frame)
    assert main(["show", str(run)]) == 0
    out = capsys.readouterr().out
    assert "norm sites after experience 1 -> 3" in out
    (line,) = [line for line in out.splitlines() if "a[b]" in line]
    assert "0.125 -> 0.5" in line
    assert "-- -> --" in line
    (run / "plasticity.parquet").write_bytes(b"PAR1")
    assert main(["show", str(run)]) == 1
    assert "plasticity.parquet: cannot be read" in capsys.readouterr().err


def test_classes_and_confusion_are_those_of_the_last_step(tmp_path):
    run = tmp_path / "run"
    shutil.copytree(REPLAY, run)
    view = inspect_run(run)
    assert view.classes is None
    order = [label for group in view.record.experiences for label in group]
    a, b = order[:2]
    rows = [(0, a, b), (4, a, a), (4, a, b), (4, b, b), (4, b, b)]
    write_frame(run / "predictions.parquet", pd.DataFrame(rows, columns=["after", "label", "predicted"]))
    view = inspect_run(run)
    names = [view.record.classes[label] for label in (a, b)]
    assert view.classes["class"].tolist()[:2] == names
    assert view.classes["accuracy"].tolist()[:2] == [0.5, 1.0]
    assert view.confusion.loc[names[0], names[1]] == 1
    assert view.confusion.to_numpy().sum() == 4


@pytest.mark.parametrize("verb", ["show", "compare"])
def test_a_folder_of_runs_names_one_of_them(verb, capsys):
    assert main([verb, str(REFERENCE), *([str(NAIVE)] if verb == "compare" else [])]) == 2
    assert "give one of the runs in it, such as" in capsys.readouterr().err


def test_damaged_predictions_are_named(tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(REPLAY, run)
    (run / "predictions.parquet").write_bytes(b"PAR1")
    assert main(["show", str(run)]) == 1
    assert "predictions.parquet: cannot be read" in capsys.readouterr().err


def test_predictions_that_were_changed_are_not_shown(tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(REPLAY, run)
    rows = pd.DataFrame([(4, 0, 0), (4, 1, 0)], columns=["after", "label", "predicted"])
    write_frame(run / "predictions.parquet", rows)
    assert main(["show", str(run)]) == 0
    rows.assign(predicted=1).to_parquet(run / "predictions.parquet")
    assert main(["show", str(run)]) == 1
    assert "predictions.parquet: cannot be read (it has no checksum)" in capsys.readouterr().err


def test_the_cache_is_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CLNORM_CACHE", str(tmp_path))
    for part, size in (("stores", 1_500_000), ("synthetic", 10)):
        (tmp_path / part / "a").mkdir(parents=True)
        (tmp_path / part / "a" / "file").write_bytes(b"0" * size)
    assert main(["cache"]) == 0
    out = capsys.readouterr().out
    assert "1.5 MB  1 entries" in out


def test_links_and_files_in_the_cache_are_named_and_left(tmp_path, monkeypatch, capsys):
    cache, other = tmp_path / "cache", tmp_path / "other"
    (cache / "stores").mkdir(parents=True)
    (cache / "stores" / "file").write_bytes(b"0" * 2_000_000)
    other.mkdir()
    (other / "precious").write_bytes(b"0" * 5_000_000)
    (cache / "stores" / "linked").symlink_to(other)
    (cache / "linked").symlink_to(other)
    (cache / "loose\x1b").touch()
    monkeypatch.setenv("CLNORM_CACHE", str(cache))
    assert main(["cache"]) == 0
    out = capsys.readouterr().out
    assert "2.0 MB  2 entries" in out
    assert "2 links and files, which are not counted: linked, loose\\x1b" in out
    assert main(["clean", "--unused", "0", "--delete"]) == 0
    assert {path.name for path in cache.iterdir()} == {"stores", "linked", "loose\x1b"}
    assert {path.name for path in (cache / "stores").iterdir()} >= {"linked"}
    assert (other / "precious").exists()


def test_what_cannot_be_read_in_the_cache_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "stores" / "shut").mkdir(parents=True)
    monkeypatch.setenv("CLNORM_CACHE", str(tmp_path))
    scan = os.scandir

    def refuse(path):
        if Path(path).name == "shut":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert main(["cache"]) == 1
    captured = capsys.readouterr()
    assert "stores" in captured.out
    assert f"1 in the cache cannot be read and are not counted: {tmp_path / 'stores' / 'shut'}" in captured.err
