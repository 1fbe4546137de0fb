"""What stands behind a number of a table."""

import pytest

from clnorm.cli.main import main
from clnorm.errors import UserError
from clnorm.tables.provenance import explain_cell
from tests.tables.frames import EARLIER, runs

VALUES = {("cn", "naive"): [0.5, 0.6, 0.7], ("bn", "naive"): [0.1, 0.2, 0.3], ("cn", "replay"): [0.9]}


def test_a_number_is_told_with_each_run_behind_it():
    df = runs(VALUES)
    text = explain_cell(df, "cn", "naive", "accuracy")
    head, *lines = text.splitlines()
    assert head == "ACC of cn with naive: 60.0 %, the mean over 3 seeds ± 24.8, half of the 95 % Student-t interval"
    wanted = df[(df["norm"] == "cn") & (df["strategy"] == "naive") & (df["metric"] == "accuracy")]
    assert [line.split() for line in lines] == [
        ["seed", f"{seed}:", f"{100 * value:g}", "%", run]
        for seed, value, run in wanted[["seed", "value", "run"]].itertuples(index=False, name=None)
    ]


def test_a_share_is_told_without_the_noise_of_its_last_digits():
    assert "seed 0: 28.75 %" in explain_cell(runs({("cn", "naive"): [0.2875]}), "cn", "naive", "accuracy")


def test_an_empty_cell_says_which_seeds_it_lacks():
    text = explain_cell(runs(VALUES), "cn", "replay", "accuracy")
    assert "ACC of cn with replay: --, since seeds 1, 2: no finished run\n" in text
    assert text.count("seed 0: 90 %") == 1


def test_a_metric_that_a_run_cannot_have_is_told_with_the_reason(capsys):
    words = ["table", str(EARLIER), "--explain", "cn", "joint", "forgetting"]
    assert main(words) == 0
    said = "undefined, since it did not learn two or more experiences in turn"
    assert f"forgetting of cn with joint: --, since seeds 0, 1, 2: {said}\n" in capsys.readouterr().out


def test_a_table_without_a_number_says_why(capsys):
    assert main(["table", str(EARLIER), "--metrics", "fwt"]) == 0
    said = capsys.readouterr().err
    assert said.startswith("no run has a value of fwt: of ")
    assert "of joint, since it did not learn two or more experiences in turn" in said
    assert "of naive, replay, since it was trained without eval.unseen=true" in said
    assert main(["table", str(EARLIER), "--metrics", "fwt", "--where", "strategy=naive"]) == 0
    assert "no run has a value of fwt: it was trained without eval.unseen=true" in capsys.readouterr().err
    assert main(["table", str(EARLIER), "--metrics", "forgetting"]) == 0
    assert "no run has" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (("cm", "naive", "accuracy"), "no run has norm 'cm'; did you mean 'cn'"),
        (("cn", "naiv", "accuracy"), "no run has strategy 'naiv'; did you mean 'naive'"),
        (("cn", "naive", "acuracy"), "unknown metric 'acuracy'; did you mean 'accuracy'"),
    ],
)
def test_a_cell_that_is_not_there(cell, words):
    with pytest.raises(UserError, match=words):
        explain_cell(runs(VALUES), *cell)


def test_flags_that_would_do_nothing_beside_it_are_refused(capsys):
    words = ["table", str(EARLIER), "--explain", "cn", "naive", "accuracy"]
    for flag in ("versus", "format", "metrics"):
        assert main([*words, f"--{flag}", "bn"]) == 2
        assert f"--explain: --{flag} does nothing with it" in capsys.readouterr().err
    assert main(words) == 0
    assert capsys.readouterr().out.count(f"{EARLIER}/synthetic-lsvit_nano-cn-naive") == 3
