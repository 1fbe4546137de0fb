"""The command line: what it prints where, its exit codes, and that it stays light."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from clnorm.cli.main import main

REFERENCE = Path(__file__).parents[2] / "tests" / "results" / "earlier"


def run_cli(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "clnorm", *arguments], capture_output=True, text=True, **options)


NUMERIC = {"numpy", "pandas", "pyarrow", "rich", "scipy"}
NEURAL = {"avalanche", "matplotlib", "timm", "torch", "torchcodec", "torchvision"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        *([*words, "--help"] for words in (["norms", "check"], ["run"], ["predict"], ["export"], ["data", "audit"])),
        *(["list", what] for what in ("norms", "strategies", "backbones", "datasets", "protocols", "config")),
    ],
    ids=" ".join,
)
def test_what_only_prints_names_loads_nothing_heavy(arguments, packages_loaded):
    assert not packages_loaded(*arguments) & (NUMERIC | NEURAL)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "metrics"],
        ["table", str(REFERENCE)],
        ["table", str(REFERENCE), "--format", "latex", "--versus", "cn"],
    ],
    ids=" ".join,
)
def test_what_reads_results_loads_no_torch(arguments, packages_loaded):
    assert not packages_loaded(*arguments) & NEURAL


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
        (["data", "check", "hmdb51", "/nowhere"], ["/nowhere: there is no such folder"]),
        (["norms", "check", "cm"], ["unknown norm 'cm'", "did you mean 'cn'?", "see: clnorm list norms"]),
        (["norms", "check", "torch.nn.RMSNrm"], ["module 'torch.nn' has no 'RMSNrm'", "did you mean 'RMSNorm'?"]),
        (["norms", "check", "cn", "--channels", "few"], ["channels: 'few' is not legal; legal: an int >= 1"]),
        (["norms", "audit", "--backbone", "lsvit_tny", "--norm", "cn"], ["--backbone", "did you mean 'lsvit_tiny'?"]),
        (["norms", "audit", "--backbone", "lsvit_tiny", "--norm", "cm"], ["--norm", "did you mean 'cn'?"]),
        (
            ["norms", "audit", "--backbone", "lsvit_nano", "--norm", "ln", "--frames", "0"],
            ["--frames: '0' is not legal; legal: an int >= 1"],
        ),
        (
            ["norms", "audit", "--backbone", "lsvit_nano", "--norm", "gn:groups=32", "--image-size", "16"],
            ["groups=32 does not divide 24 channels", "groups=auto"],
        ),
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


@pytest.mark.slow
def test_debug_shows_the_traceback():
    done = run_cli("run", "--norm", "cm", "--debug")
    assert "Traceback" in done.stderr
    assert "Traceback" in run_cli("--debug", "run", "--norm", "cm").stderr
    assert "Traceback" not in run_cli("run", "--norm", "cm").stderr


def test_a_failure_that_is_no_mistake_is_exit_code_1(monkeypatch, capsys):
    def broken(what):
        raise RuntimeError("something\nbroke")

    monkeypatch.setattr("clnorm.cli.listing.list_names", broken)
    assert main(["list", "norms"]) == 1
    assert capsys.readouterr().err == "error: RuntimeError: something broke; add --debug for the traceback\n"


@pytest.mark.slow
def test_a_run_from_the_shell_and_again_without_torch(tiny, tmp_path, packages_loaded):
    file = tmp_path / "tiny.yaml"
    file.write_text(tiny(train__epochs=1).to_yaml())
    done = run_cli("run", "--config", str(file), "--norm", "cn")
    assert done.returncode == 0, done.stderr
    assert "epoch 1/1" in done.stderr
    assert "clips/s" in done.stderr
    for word in ("accuracy in %", "forgetting", "max_{j<=t<T}", "peak memory", "record.json"):
        assert word in done.stdout
    again = run_cli("run", "--config", str(file), "--norm", "cn")
    assert "finished already" in again.stderr
    assert again.stdout == done.stdout
    assert not packages_loaded("run", "--config", str(file), "--norm", "cn") & NEURAL


@pytest.mark.slow
def test_a_sweep_and_its_tables(tiny, tmp_path, capsys):
    config = tiny(train__epochs=1)
    shared = config.to_dict()
    del shared["norm"]
    grid = tmp_path / "grid.yaml"
    for norms in (["cn"], ["bn", "cn"]):
        grid.write_text(yaml.safe_dump({"config": shared, "grid": {"norm": norms}}))
        assert main(["sweep", str(grid), "--launcher", "local:processes=1"]) == 0
        said = capsys.readouterr().err
    assert "2 runs, of which 1 are finished" in said
    for name, word in {"rich": "forgetting", "markdown": "| CN", "latex": r"\toprule", "csv": "cn,naive"}.items():
        assert main(["table", config.out, "--format", name]) == 0
        assert word in capsys.readouterr().out
    record = json.loads(next((tmp_path / "runs").glob("*-bn-*/record.json")).read_text())
    assert record["names"]["norm"] == "bn"


@pytest.mark.slow
def test_norms_check_prints_a_row_for_each_check(capsys):
    assert main(["norms", "check", "ln", "--channels", "8"]) == 0
    captured = capsys.readouterr()
    for word in ("state_dict", "a training step changes no buffer", "with 8 channels: 20 passed, 2 not applicable"):
        assert word in captured.out
    assert captured.err == ""


def test_norms_check_of_a_broken_plugin_is_exit_code_1(tmp_path, monkeypatch, capsys):
    (tmp_path / "a_wrong_norm.py").write_text(
        "from torch import nn\n\n\nclass Cut(nn.Module):\n    def __init__(self, num_channels):\n"
        "        super().__init__()\n\n    def forward(self, x):\n        return x[:, :1]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["norms", "check", "a_wrong_norm:Cut"]) == 1
    captured = capsys.readouterr()
    assert "it returned (8, 1, 48)" in captured.out
    assert captured.err == "error: a_wrong_norm:Cut: 1 check failed: output\n"
    assert main(["norms", "check", "a_wrong_norm.Cut", "--channels", "6", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["spec"].startswith("a_wrong_norm:Cut:axis=frame,")
    assert (report["channels"], report["failed"]) == (6, ["output"])


def test_norms_audit_shows_every_site_of_a_backbone(capsys):
    arguments = ["norms", "audit", "--backbone", "lsvit_nano", "--norm", "cn:axis=clip", "--image-size", "16"]
    assert main([*arguments, "--frames", "2"]) == 0
    out = capsys.readouterr().out
    for word in (
        "ContinualNorm on axis clip in lsvit_nano",
        "blocks.3.lmi.norm",
        "LayerNorm",
        "weight, bias",
        "statistics",
    ):
        assert word in out
    assert "13 of 13 norms replaced, 26 tensors carried, 0 fresh; 32 groups at 9, 8 groups at 4" in out
    assert "\\n" not in out
    assert "1,920 of the" in out  # 2 * (9 * 96 + 4 * 24)
    assert "running statistics at 13 sites start at mean 0 and variance 1; with pretrained weights" in out
    assert "--set model.calibrate=true" in out


TINY_AUDIT = ["--image-size", "16", "--frames", "2"]


def audit(norm, *arguments, backbone="lsvit_nano"):
    return main(["norms", "audit", "--backbone", backbone, "--norm", norm, *(arguments or TINY_AUDIT)])


def test_norms_audit_names_the_whole_backbone(capsys):
    assert audit("ln", "--image-size", "32", "--frames", "1", backbone="timm:vit_tiny_patch16_224") == 0
    assert "LayerNorm on axis frame in timm:vit_tiny_patch16_224" in capsys.readouterr().out
    assert audit("ln", *TINY_AUDIT, backbone="vit_nano:drop_path=0.2") == 0
    assert "in vit_nano:drop_path=0.2" in capsys.readouterr().out


def test_norms_audit_answers_about_its_own_flags(capsys):
    assert audit("ln", "--image-size", "13") == 2
    assert capsys.readouterr().err.startswith("error: --image-size: 13 is no multiple")
    assert audit("ln", "--frames", "3", backbone="lsvit_signed_nano:smif=frames") == 2
    assert capsys.readouterr().err.startswith("error: --frames: smif=frames takes frames two by two, not 3")


def test_norms_audit_of_a_norm_that_cannot_run_at_a_site_names_the_site(capsys):
    assert audit("in:axis=frame") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.match(r"error: in training: norm site 'blocks\.0\.lmi\.norm': .*at one position.*\n", captured.err)


def test_norms_audit_of_a_plugin_that_fails_in_evaluation_names_the_site(tmp_path, monkeypatch, capsys):
    (tmp_path / "a_late_norm.py").write_text(
        "from torch import nn\n\n\nclass Late(nn.Module):\n    def __init__(self, num_channels):\n"
        "        super().__init__()\n\n    def forward(self, x):\n"
        "        if not self.training: raise KeyError('statistics')\n        return x\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert audit("a_late_norm:Late") == 1
    error = capsys.readouterr().err
    assert re.match(r"error: in evaluation: norm site '[\w.]+': Late failed: KeyError: 'statistics'; .*\n", error)


@pytest.mark.parametrize("norm", ["tbbn", "bn_frozen:source=pretrained", "prepbn"])
def test_norms_audit_gives_norms_what_a_run_would_give_them(norm, capsys):
    assert audit(norm, "--image-size", "16", "--frames", "1") == 0
    assert "13 of 13 norms replaced" in capsys.readouterr().out


@pytest.mark.parametrize(("columns", "was"), [("60", False), ("80", True)])
def test_norms_audit_keeps_site_names_whole_in_a_narrow_terminal(monkeypatch, capsys, columns, was):
    monkeypatch.setenv("COLUMNS", columns)
    assert audit("cn") == 0
    table = capsys.readouterr().out.partition("13 of 13")[0]
    assert "blocks.3.lmi.norm " in table
    assert max(len(line) for line in table.splitlines()[:-1]) <= int(columns)
    assert ("LayerNorm" in table) == was


def test_norms_audit_as_json(capsys):
    arguments = ["norms", "audit", "--backbone", "vit_nano", "--norm", "gn", "--image-size", "16", "--frames", "2"]
    assert main([*arguments, "--json"]) == 0
    audit = json.loads(capsys.readouterr().out)
    assert audit["backbone"].startswith("vit_nano:")
    assert (audit["image_size"], audit["num_frames"], audit["found"], audit["left"]) == (16, 2, 9, [])
    assert {site["running"] for site in audit["sites"]} == {False}
    assert sum(site["parameters"] for site in audit["sites"]) == 9 * 2 * 96
    assert main(arguments) == 0
    assert "running statistics" not in capsys.readouterr().out
