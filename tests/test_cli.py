"""The command line: what it prints where, its exit codes, and that it stays light."""

import json
import subprocess
import sys

import pytest
import yaml

from clnorm.cli import main


def run_cli(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "clnorm", *arguments], capture_output=True, text=True, **options)


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["run", "--help"], ["predict", "--help"], ["export", "--help"], ["list", "norms"], ["list", "config"]],
)
def test_help_and_lists_load_nothing_heavy(arguments):
    code = (
        "import sys; from clnorm.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'avalanche', 'pandas', 'scipy', 'numpy', 'torchcodec', 'timm', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("what", ["norms", "strategies", "backbones", "datasets", "protocols", "config", "metrics"])
def test_every_list_shows_names_and_defaults(what, capsys):
    assert main(["list", what]) == 0
    out = capsys.readouterr().out
    expected = {
        "norms": ["cn ", "groups", "an int >= 1, or auto; default auto", "token|frame|clip"],
        "strategies": ["replay", "per_class", "default 5", "ewc", "joint"],
        "backbones": ["lsvit_nano", "lsvit_base", "drop_path"],
        "datasets": ["synthetic", "motion|shape|both", "hmdb51"],
        "protocols": ["even", "tcd", "default 26"],
        "config": ["train.epochs", "data.skip_bad", "true|false", "default false"],
        "metrics": ["forgetting", "max_{j<=t<T} R[t,j]", "Chaudhry"],
    }
    for word in expected[what]:
        assert word in out


def test_dry_run_prints_the_resolved_configuration_and_makes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text("train: {epochs: 7}\nnorm: bn\n")
    arguments = ["run", "--config", "c.yaml", "--norm", "cn:axis=token", "--seed", "3", "--set", "train.lr=0.5"]
    assert main([*arguments, "--dry-run"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert shown["norm"].startswith("cn:axis=token")
    assert (shown["seed"], shown["train"]["lr"], shown["train"]["epochs"]) == (3, 0.5, 7)
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--norm", "cm"], ["norm: unknown norm 'cm'", "did you mean 'cn'?", "see: clnorm list norms"]),
        (["run", "--set", "train.ephocs=3"], ["did you mean 'train.epochs'?"]),
        (["run", "--set", "seed=1", "--seed", "2"], ["'seed' is given twice"]),
        (["run", "--dataset", "hmdb51"], ["--data-root"]),
        (["run", "--dataset", "hmdb51", "--data-root", "/nowhere"], ["/nowhere"]),
        (["run", "--config", "nowhere.yaml"], ["nowhere.yaml: cannot be read"]),
        (["run", "--norm", "nomodule:Norm"], ["no module 'nomodule'"]),
        (["table", "/nowhere"], ["no such folder"]),
        (["predict", "/nowhere", "v.avi"], ["/nowhere: there is no such file"]),
        (["export", "/nowhere"], ["/nowhere: there is no such file"]),
        (["list", "norm"], ["did you mean 'norms'?"]),
        (["sweep", "nowhere.yaml"], ["nowhere.yaml: cannot be read"]),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(arguments, words, capsys):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    for word in words:
        assert word in captured.err


def test_debug_shows_the_traceback():
    done = run_cli("run", "--norm", "cm", "--debug")
    assert "Traceback" in done.stderr
    assert "Traceback" in run_cli("--debug", "run", "--norm", "cm").stderr
    assert "Traceback" not in run_cli("run", "--norm", "cm").stderr


def test_a_failure_that_is_no_mistake_is_exit_code_1(monkeypatch, capsys):
    def broken(what):
        raise RuntimeError("something\nbroke")

    monkeypatch.setattr("clnorm.listing.list_names", broken)
    assert main(["list", "norms"]) == 1
    assert capsys.readouterr().err == "error: RuntimeError: something broke; add --debug for the traceback\n"


def test_run_table_and_sweep_from_the_shell(tiny, tmp_path):
    config = tiny(train__epochs=1)
    file = tmp_path / "tiny.yaml"
    file.write_text(config.to_yaml())
    done = run_cli("run", "--config", str(file), "--norm", "cn")
    assert done.returncode == 0, done.stderr
    assert "epoch 1/1" in done.stderr
    assert "clips/s" in done.stderr
    for word in ("accuracy in %", "forgetting", "max_{j<=t<T}", "peak memory", "record.json"):
        assert word in done.stdout
    again = run_cli("run", "--config", str(file), "--norm", "cn")
    assert "finished already" in again.stderr
    assert again.stdout == done.stdout
    code = "import sys; from clnorm.cli import main; main(sys.argv[1:]); sys.exit('torch' in sys.modules)"
    light = [sys.executable, "-c", code, "run", "--config", str(file), "--norm", "cn"]
    assert subprocess.run(light, capture_output=True).returncode == 0, "a finished run is loaded without torch"
    grid = tmp_path / "grid.yaml"
    shared = config.to_dict()
    del shared["norm"]
    grid.write_text(yaml.safe_dump({"config": shared, "grid": {"norm": ["bn", "cn"]}}))
    swept = run_cli("sweep", str(grid))
    assert swept.returncode == 0, swept.stderr
    assert swept.stderr.count("finished already") == 1
    for name, word in {"rich": "forgetting", "markdown": "| cn", "latex": r"\toprule", "csv": "cn,naive"}.items():
        table = run_cli("table", config.out, "--format", name)
        assert table.returncode == 0, table.stderr
        assert word in table.stdout
    record = json.loads(next((tmp_path / "runs").glob("*-bn-*/record.json")).read_text())
    assert record["names"]["norm"] == "bn"
