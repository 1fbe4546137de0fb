"""The judge of `benchmarks/fuzz.py`: what it takes for right, and a few inputs that it judges."""

import importlib.util
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "fuzz.py"


@pytest.fixture(scope="module")
def fuzzer():
    spec = importlib.util.spec_from_file_location("fuzz_of_benchmarks", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("code", "said", "kind"),
    [
        (0, "", "exit 0"),
        (2, "error: train.lr: 'x' is not legal; legal: a number >= 0\n", "exit 2"),
        (2, "error: 'x' is not legal; legal: a number >= 0\n", "exit 2"),
        (2, "error: train.lrs: no; legal: a number >= 0\n", "unnamed"),
        (2, "error: it is not legal; legal: a number >= 0\n", "unnamed"),
        (2, "error: train.lr: 'x' is not legal\n", "without help"),
        (2, "error: clnorm run: the following arguments are required: folder\n", "exit 2"),
        (2, "usage: clnorm run\n", "unplanned"),
        (1, "error: KeyError: 'x'; add --debug for the traceback\n", "unplanned"),
        (1, "error: train.lr: 'x' is not legal; legal: a number >= 0\n", "unplanned"),
        (SystemExit(2), "usage: x\n", "unplanned"),
        (SystemExit(0), "", "exit 0"),
        (ValueError("x"), "", "traceback"),
    ],
)
def test_an_outcome_is_right_only_where_its_message_helps(fuzzer, monkeypatch, code, said, kind):
    def main(words):
        fuzzer.sys.stderr.write(said)
        if isinstance(code, BaseException):
            raise code
        return code

    monkeypatch.setattr(fuzzer, "main", main)
    draw = fuzzer.Draw(("run", "--set", "train.lr=x"), ("train.lr", "lr", "x"))
    assert fuzzer.judge(draw)[0] == kind


def test_what_was_meant_must_be_in_the_message(fuzzer):
    draw = fuzzer.Draw(("run",), ("train.lrr", "train.lr"), "train.lr")
    assert fuzzer.judge_message(draw, "unknown key 'train.lrr'; did you mean 'train.lr'?") == "exit 2"
    assert fuzzer.judge_message(draw, "unknown key 'train.lrr'; see: clnorm list config") == "without what was meant"


@pytest.mark.parametrize("word", ["\x1b[31m", "\u202e"])
def test_a_control_character_is_named_by_its_escape(fuzzer, word):
    escape = repr(word).strip("'")
    assert fuzzer.is_named(word, f"{escape}: there is no such folder")
    assert not fuzzer.is_named(word, "there is no such folder")


@pytest.mark.slow
def test_fifty_wrong_inputs_end_as_they_should(fuzzer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert all(kind.startswith("exit ") for kind in fuzzer.fuzz(50, seed=3))
