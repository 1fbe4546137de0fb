"""What tables say of tuned runs, and of runs limited to the first experiences."""

import re

import pandas as pd
import pytest

from clnorm.errors import UserError
from clnorm.results.load import _explain_tuning
from clnorm.tables.make import make_table
from tests.tables.frames import runs

TUNED = {
    "train.lr": "0.1",
    "tuning": "on the first experience, the same 4 trials for each norm and strategy (1a2b3c4d)",
    "tuning.keys": "train.lr ewc.lam",
}
VALUES = {("bn", "ewc"): [0.5], ("cn", "ewc"): [0.6], ("cn", "naive"): [0.1]}


def caption(df):
    return " ".join(make_table(df, format="markdown").partition("\n\n")[2].split())


def test_the_caption_says_what_was_tuned_and_how():
    text = caption(runs(VALUES, **TUNED))
    assert "learning rate tuned" in text
    assert "0.1" not in text.partition("Values are")[0]
    assert f"Tuned {TUNED['tuning']}: learning rate and ewc.lam." in text
    assert re.search(r"EWC: .*lam tuned", text)


def test_an_option_that_counts_by_a_tuned_one_is_captioned():
    tuned = {**TUNED, "tuning.keys": "ewc.mode"}
    assert "EWC: fisher empirical, gamma 0.9, lam 10000000, mode tuned." in caption(runs(VALUES, **tuned))


def test_an_option_of_a_strategy_that_is_not_shown_is_not_named():
    text = caption(runs({("bn", "naive"): [0.5]}, **TUNED))
    assert "(1a2b3c4d): learning rate." in text
    assert "lam" not in text


def test_runs_that_are_not_tuned_say_nothing_of_it():
    plain = runs(VALUES, **{"train.lr": "0.1", "tuning": "none", "tuning.keys": "none"})
    assert "uned" not in caption(plain)
    assert "lam 10000000" in caption(plain)
    assert "uned" not in caption(runs(VALUES)), "a frame made by hand has no such column"


def test_tuned_runs_and_others_are_no_one_table():
    plain = {"train.lr": "0.1", "tuning": "none", "tuning.keys": "none", "setting": "b2"}
    both = pd.concat([runs(VALUES, **TUNED), runs(VALUES, **plain)], ignore_index=True)
    with pytest.raises(UserError, match=r"the runs differ in tuning: none \| on the first experience") as caught:
        make_table(both)
    assert "narrow with: --where tuning=none" in str(caught.value)


def test_the_words_of_a_record():
    tuning = {"experiences": 2, "validation": 0.25, "seeds": [0, 1], "trials": 8, "metric": "accuracy"}
    text = _explain_tuning({**tuning, "otherwise": {"train.epochs": 2}, "digest": "1a2b3c4d5e"})
    assert text == (
        "on the first 2 experiences, the same 8 trials for each norm and strategy, by ACC on 25 % of the training "
        "clips, held out, seeds 0, 1, with train.epochs 2 (1a2b3c4d)"
    )
    assert _explain_tuning({}) == "none"


def test_limited_runs_say_what_they_are():
    limited = {"experiences": "2, 2", "train.experiences": "2", "data.validation": "0.2"}
    words = "4 classes in the first 2 experiences of 2 each, tested on 20% of the training clips, held out."
    assert words in caption(runs(VALUES, **limited))
    whole = {"experiences": "2, 2", "train.experiences": "0", "data.validation": "0.0"}
    assert "4 classes in 2 experiences of 2 each." in caption(runs(VALUES, **whole))
