"""Wrong words on the command line: one line, exit code 2, and what to write instead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clnorm.catalogue import REGISTRIES
from clnorm.cli.main import main
from clnorm.config.config import Config
from clnorm.config.fields import list_keys, list_sections

RUN = [
    ("--epochs 1", "unknown flag --epochs; write --set train.epochs=1"),
    ("--epochs=1", "write --set train.epochs=1"),
    ("--lr 0.1", "write --set train.lr=0.1"),
    ("--batch-size 8", "write --set train.batch_size=8"),
    ("--image-size 64", "write --set data.image_size=64"),
    ("--device cpu --norm cn", "write --set train.device=cpu"),
    ("--train.epochs 3", "write --set train.epochs=3"),
    ("--seed 0 1 2", "--seed takes one value, and '1' is one more; several values are a sweep: clnorm sweep FILE"),
    ("--norm bn cn", "grid: {norm: [...]}"),
    ("--resume", "leave it out: the same command goes on where it was stopped"),
    ("--norms cn", "did you mean '--norm'?"),
    ("--dryrun", "did you mean '--dry-run'?"),
    ("something", "'something' is one word too many"),
    ("--norm", "expected one argument; see: clnorm run --help"),
]


@pytest.mark.parametrize(("line", "said"), RUN)
def test_a_wrong_word_names_what_to_write(line, said, capsys):
    assert main(["run", *line.split()]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: clnorm run: ")
    assert captured.err.count("\n") == 1
    assert said in captured.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "the following arguments are required: COMMAND"),
        ("tabel runs", "error: clnorm: unknown command 'tabel'; did you mean 'table'?; legal: cache, card, "),
        ("data chek synthetic", "error: clnorm data: unknown command 'chek'; did you mean 'check'?"),
        ("list normz", "did you mean 'norms'?"),
        ("table runs --formt latex", "unknown flag --formt; did you mean '--format'?"),
        ("table runs --epochs 1", "unknown flag --epochs; "),
        ("sweep grid.yaml --epochs 1", "write --set train.epochs=1"),
        ("data", "the following arguments are required: prepare|check|audit"),
        ("data check synthetic --split 2", "unknown flag --split"),
        ("run --norm bn --seed 1 --norm cn", "clnorm run: --norm is given twice; give it once"),
        ("table runs --format csv --format=latex", "clnorm table: --format is given twice"),
    ],
)
def test_so_does_every_command(line, said, capsys):
    assert main(line.split()) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1


def test_every_key_that_is_written_as_a_flag_is_named():
    from clnorm.cli.parsing import _find_key

    sections = list_sections(Config)
    for key in [*(key for key in list_keys(Config) if key not in sections), *list_keys(Config, deep=True)]:
        assert _find_key(key) == key
        last = key.rpartition(".")[2]
        assert _find_key(last.replace("_", "-")).rpartition(".")[2] == last


@given(st.lists(st.text(max_size=12), max_size=4))
def test_no_words_end_in_a_traceback(words):
    assert main(["list", "--what", *words]) == 2


def test_a_sweep_and_a_run_name_each_other(tmp_path, capsys):
    sweep, run = tmp_path / "sweep.yaml", tmp_path / "run.yaml"
    sweep.write_text("config: {seed: 1}\ngrid: {norm: [bn]}\n")
    run.write_text("norm: bn\n")
    assert main(["run", "--config", str(sweep)]) == 2
    assert f"write clnorm sweep {sweep}" in capsys.readouterr().err
    assert main(["sweep", str(run)]) == 2
    assert f"write clnorm run --config {run}" in capsys.readouterr().err


def test_the_same_flags_in_every_verb(tmp_path, capsys):
    flags = ["--protocol", "even:experiences=2", "--seed", "3", "--backbone", "vit_nano"]
    grid = tmp_path / "grid.yaml"
    grid.write_text("grid: {norm: [bn, ln]}\n")
    assert main(["run", *flags, "--dry-run"]) == 0
    assert "protocol: even:experiences=2" in capsys.readouterr().out
    assert main(["sweep", str(grid), *flags, "--dry-run"]) == 0
    assert main(["sweep", str(grid), *flags, "--norm", "cn"]) == 2
    assert "'norm' is varied by the grid" in capsys.readouterr().err


def test_list_alone_lists_what_can_be_listed(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in lines] == [*REGISTRIES, "metrics", "figures", "config"]
    assert all(main(line.split()[1:3]) == 0 for line in lines)


@pytest.mark.parametrize("verb", ["table", "runs", "show", "export"])
def test_a_name_that_is_too_long_is_named(verb, capsys):
    assert main([verb, "1" * 400]) == 2
    assert ": File name too long; give a shorter name\n" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "trains"), [(["run", "--dry-run"], True), (["list", "norms"], False)])
def test_an_interruption_says_what_is_done_again(monkeypatch, capsys, words, trains):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("clnorm.config.load.load_config", interrupt)
    monkeypatch.setattr("clnorm.cli.listing.list_names", interrupt)
    assert main(words) == 130
    told = capsys.readouterr().err
    assert told.startswith("error: interrupted")
    assert ("goes on from the last state that was kept" in told) == trains


@pytest.mark.parametrize("words", [["export", ""], ["sweep", "--dry-run", " "], ["table", ""], ["compare", "a", ""]])
def test_an_empty_word_is_not_the_current_folder(words, capsys):
    assert main(words) == 2
    said = capsys.readouterr().err
    assert f"{words[-1]!r} is no " in said
    assert f"see: clnorm {words[0]} --help" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("train: {epochs: [}", "line 1: is not YAML"),
        ("norm: =", "is not YAML: could not determine a constructor"),
        ("norm: \x1b", "is not YAML: special characters are not allowed"),
    ],
)
def test_what_is_not_yaml_says_how_to_write_it(text, said, tmp_path, capsys):
    file = tmp_path / "a.yaml"
    file.write_text(text)
    assert main(["run", "--dry-run", "--config", str(file)]) == 2
    message = capsys.readouterr().err
    assert said in message
    assert "in quotes" in message


def test_each_mistake_has_a_line_of_its_own(tmp_path, capsys):
    assert main(["run", "--dry-run", "--set", "train.ephocs=1", "--set", "train.lr=x\ty", "--norm", "cm"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(";")[0] for line in lines] == [
        "error: norm: unknown norm 'cm'",
        "error: unknown key 'train.ephocs'",
        "error: train.lr: 'x\\ty' is not legal",
    ]
