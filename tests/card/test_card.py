"""The command: which runs it makes, that it goes on where it was stopped, and a whole card of tiny runs."""

import json
from pathlib import Path

import pytest

import clnorm
from clnorm.card.card import make_card
from clnorm.card.runs import FOLDER, SEEDS, create_configs, describe_runs, list_norms
from clnorm.cli.main import main
from clnorm.conformance import kit
from clnorm.errors import ClnormError, UserError

NORM = "tests.card.norms:Halved"
SIZES = {
    "dataset": "synthetic:classes=4,train=4,test=2",
    "protocol": "even:experiences=2",
    "data.frames": 4,
    "data.image_size": 16,
    "train.epochs": 1,
    "train.batch_size": 4,
}


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Few checks, and a small input to time: what these tell is tested elsewhere. In a folder of its own."""
    checks = tuple(check for check in kit.CHECKS if check.name in ("build", "output"))
    monkeypatch.setattr(kit, "CHECKS", checks)
    monkeypatch.setitem(make_card.__kwdefaults__, "shapes", ((4, 3, 8),))
    monkeypatch.setitem(make_card.__kwdefaults__, "launcher", "local:processes=1,threads=1")
    monkeypatch.chdir(tmp_path)


def test_the_runs_are_of_the_norm_and_three_others_paired_by_seed():
    configs = create_configs("gn:groups=8")
    assert list_norms("gn:groups=8") == ["gn:groups=8", "bn", "ln", "cn"]
    assert list_norms("cn") == ["cn", "bn", "ln"]
    assert len(configs) == 4 * 2 * SEEDS
    cells = {(config.norm.short, config.strategy.short, config.seed) for config in configs}
    assert len(cells) == len(configs)
    assert configs[0].norm.short == "gn:groups=8"
    assert all(config.eval.plasticity and not config.keep_model and config.out == FOLDER for config in configs)
    assert [config.seed for config in configs] == sorted(config.seed for config in configs)
    told = describe_runs(configs)
    assert "40 runs: synthetic:train=25" in told
    assert "seeds 0 to 4" in told


@pytest.mark.parametrize(
    ("key", "hint"), [("norm", "give the norm first"), ("out", "--runs"), ("seed", "--seeds"), ("keep_model", "leave")]
)
def test_what_the_card_decides_cannot_be_set(key, hint):
    with pytest.raises(UserError, match=f"'{key}' is decided by the card.*{hint}"):
        create_configs("cn", overrides={key: 1})


def test_one_seed_has_no_interval():
    with pytest.raises(UserError, match=r"--seeds: 1 seeds have no interval; legal: 2 to 100"):
        create_configs("cn", seeds=1)


def test_a_norm_that_cannot_be_called_is_an_error_before_any_run(quick):
    configs = create_configs("tests.card.norms:Broken", folder="runs", overrides=SIZES)
    with pytest.raises(ClnormError, match=r"norm .*Broken: the check 'output' failed.*clnorm norms check"):
        make_card(configs)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("norm", "message"),
    [
        ("Single", r"Single: cannot be compared with others in float64 \(TypeError: no float64\); see: clnorm norms"),
        ("Narrow", r"Narrow: cannot be timed on an input of 4 x 3 x 128 \(ValueError: too wide\)"),
    ],
)
def test_a_norm_that_a_part_of_the_card_cannot_be_made_of_is_refused_before_any_run(quick, norm, message):
    configs = create_configs(f"tests.card.norms:{norm}", folder="runs", overrides=SIZES)
    with pytest.raises(ClnormError, match=message):
        make_card(configs, shapes=((4, 3, 8), (4, 3, 128)))
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"protocol": "even:experiences=1"}, "protocol: even:experiences=1 has 1 experience, and a card tells"),
        ({"train.experiences": 1}, "train.experiences: 1 experience leaves nothing to forget; legal: 2 or more, or 0"),
        ({"dataset": "hmdb51", "protocol": "tcd:base=51"}, "protocol: tcd:base=51 has 1 experience"),
        ({"dataset": "folder"}, "folder"),
    ],
)
def test_a_stream_of_which_a_card_can_say_nothing_is_refused_before_any_run(given, message):
    with pytest.raises(UserError, match=message):
        create_configs("cn", overrides={**SIZES, **given})


def test_a_launcher_that_is_none_is_refused_at_once(quick, capsys):
    assert main(["card", "cn", "--launcher", "lokal"]) == 2
    assert "--launcher: unknown launcher 'lokal'; did you mean 'local'?" in capsys.readouterr().err


@pytest.mark.slow
def test_a_card_goes_on_where_it_was_stopped_and_shares_references(quick, monkeypatch):
    configs = create_configs(NORM, folder="runs", seeds=2, overrides=SIZES)
    made, run = [], clnorm.run

    def stopped(config, **given):
        if len(made) == 5:
            raise KeyboardInterrupt
        made.append(config)
        return run(config, **given)

    with monkeypatch.context() as patch:
        patch.setattr("clnorm.launch.worker.run", stopped)
        with pytest.raises(KeyboardInterrupt):
            make_card(configs)
    before = {file: file.stat().st_mtime_ns for file in Path("runs").glob("*/record.json")}
    assert len(before) == 5
    card = make_card(configs)
    assert all(file.stat().st_mtime_ns == stamp for file, stamp in before.items()), "what is finished stays"
    files = list(Path("runs").glob("*/record.json"))
    assert len(files) == 16
    assert (card.norm, card.title) == (NORM, "Half of Layer Normalization.")
    assert [part.name for part in card.parts] == ["contract", "cost", "identities", "accuracy", "sites"]
    assert all(part.made for part in card.parts)
    records = [json.loads(file.read_text()) for file in files]
    own = [r["metrics"]["accuracy"] for r in records if (r["names"]["norm"], r["names"]["strategy"]) == (NORM, "naive")]
    assert len(own) == 2
    assert card.parts[3].tables[0].rows[0][2].startswith(f"{50 * sum(own):.1f} ± ")
    assert "ln, up to a fixed scale and shift of each channel" in card.glance["equal to"], "it is half of ln"
    # Another norm's card makes its own runs alone.
    make_card(create_configs("gn", folder="runs", seeds=2, overrides=SIZES))
    assert len(list(Path("runs").glob("*/record.json"))) == 20


@pytest.mark.slow
def test_the_command_writes_the_page_and_the_other_format_needs_no_run(quick, capsys):
    words = [word for key, value in SIZES.items() for word in ("--set", f"{key}={value}")]
    command = ["card", "bn", "--seeds", "2", "--launcher", "local:processes=1,threads=1", *words]
    assert main(command) == 0
    assert capsys.readouterr().out == "wrote card.html\n"
    assert Path("card.html").read_bytes().startswith(b"<!doctype html>")
    files = {file: file.stat().st_mtime_ns for file in Path(FOLDER).glob("*/record.json")}
    assert len(files) == 12
    assert main([*command, "--out", "card.pdf"]) == 0
    assert Path("card.pdf").read_bytes().startswith(b"%PDF")
    assert files == {file: file.stat().st_mtime_ns for file in Path(FOLDER).glob("*/record.json")}


def test_a_file_of_no_format_is_refused_at_once(capsys):
    assert main(["card", "bn", "--out", "card.doc"]) == 2
    assert "legal: .html, .pdf" in capsys.readouterr().err
