"""Ranges over orders of the classes, and how alike orders rank norms, worked by hand."""

import io
import math

import numpy as np
import pandas as pd
import pytest

import clnorm
from clnorm.errors import UserError
from clnorm.tables.orders import make_orders_table, rank_agreements
from tests.tables.frames import runs

# Under each order, by norm, one value a seed.
ORDERS = {
    "even:experiences=3,order=hard": {"ln": [0.2, 0.4], "bn": [0.1, 0.1], "cn": [0.5, 0.5]},
    "even:experiences=3,order=easy": {"ln": [0.6, 0.6], "bn": [0.7, 0.9], "cn": [0.7, 0.7]},
    "even:experiences=3,order=random:1": {"ln": [0.4, 0.4], "bn": [0.3, 0.5], "cn": [0.6, 0.6]},
}


def frame(orders=ORDERS, **columns):
    parts = []
    for number, (protocol, of_norms) in enumerate(orders.items()):
        values = {(norm, "naive"): seeds for norm, seeds in of_norms.items()}
        parts.append(runs(values, protocol=protocol, order=f"o{number}", setting=f"s{number}", **columns))
    return pd.concat(parts, ignore_index=True)


def rows_of(text):
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return {cells[0]: cells[1:] for cells in ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)}


def test_least_median_and_greatest_are_of_the_means_over_seeds():
    rows = rows_of(make_orders_table(frame(), metrics=["accuracy"], format="markdown"))
    hard, easy, random = ORDERS
    assert rows["ln"] == ["naive", "ACC", "3", "30.0", "40.0", "60.0", hard, easy]
    assert rows["bn"] == ["naive", "ACC", "3", "10.0", "40.0", "80.0", hard, easy]
    assert rows["cn"] == ["naive", "ACC", "3", "50.0", "60.0", "70.0", hard, easy]
    assert random not in rows["ln"]


def test_tau_by_hand():
    """hard: bn < ln < cn; easy: ln < cn < bn, one of three pairs alike: tau -1/3; random: bn = ln < cn."""
    values = np.array([[0.3, 0.1, 0.5], [0.6, 0.8, 0.7], [0.4, 0.4, 0.6]])
    hard_easy = -1 / 3
    hard_random = 2 / math.sqrt(3 * 2)
    easy_random = (1 - 1) / math.sqrt(3 * 2)
    assert rank_agreements(values) == pytest.approx([hard_easy, hard_random, easy_random])
    text = make_orders_table(frame(), metrics=["accuracy"])
    assert f"3 norms between two orders, mean {(hard_easy + hard_random + easy_random) / 3:.2f}, least -0.33." in text
    assert "Dataset synthetic" in text
    assert "ACC: " in text


def test_orders_that_rank_alike_and_opposite():
    assert rank_agreements(np.array([[1, 2, 3], [4, 6, 9]])) == [1]
    assert rank_agreements(np.array([[1, 2, 3], [9, 6, 4]])) == [-1]
    assert rank_agreements(np.array([[1.0, 2, 3]])) == rank_agreements(np.array([[1.0], [2]])) == []


def test_pairs_without_a_ranking_are_left_out_and_told_and_orders_that_tie_are_all_named():
    hard, easy, random = ORDERS
    equal = {name: [0.5, 0.5] for name in ("ln", "bn", "cn")}
    text = make_orders_table(frame({**ORDERS, hard: equal}), metrics=["accuracy"], format="markdown")
    assert "(undefined for 2 of 3 pairs, where all norms are equal)." in text
    same = {name: [0.3, 0.3] for name in ("ln", "bn", "cn")}
    text = make_orders_table(frame({hard: same, easy: same, random: equal}), metrics=["accuracy"], format="markdown")
    assert rows_of(text)["bn"][-2:] == [f"{hard}, {easy}", random]
    assert "between two orders, undefined." in text


def test_a_missing_run_makes_empty_cells_and_is_left_out_of_tau():
    df = frame()
    df = df[~((df["norm"] == "cn") & (df["order"] == "o1") & (df["seed"] == 1))]
    text = make_orders_table(df, metrics=["accuracy"], format="markdown")
    assert rows_of(text)["cn"][2:] == ["--"] * 6
    assert rows_of(text)["ln"][2] == "3"
    assert "tau of the ranking of 2 norms" in text
    assert "without a finished run for every order and seed" in text


def test_an_order_that_the_seed_draws_is_an_order_a_seed():
    parts = [
        runs({("ln", "naive"): [0.2, 0.4], ("bn", "naive"): [0.3, 0.9]}, protocol="even:experiences=3").assign(
            order=["o0", "o1"] * 2
        )
    ]
    rows = rows_of(make_orders_table(pd.concat(parts), metrics=["accuracy"], format="markdown"))
    assert rows["ln"][2:] == ["2", "20.0", "30.0", "40.0", "even:experiences=3, seed 0", "even:experiences=3, seed 1"]


def test_csv_has_every_order():
    table = pd.read_csv(io.StringIO(make_orders_table(frame(), metrics=["accuracy"], format="csv")))
    found = table.set_index(["norm", "order"])["value"]
    assert found["bn", "even:experiences=3,order=easy"] == pytest.approx(0.8)
    assert len(found) == 9


@pytest.mark.parametrize(
    ("df", "options", "word"),
    [
        (frame(dict([next(iter(ORDERS.items()))])), {}, "all runs have the same order of classes.*sweep"),
        (frame(status="unfinished"), {}, "no finished run"),
        (frame().assign(protocol=["even:experiences=3", *["even:experiences=4"] * 17]), {}, "differ in protocol"),
        (frame(), {"metrics": ["acuracy"]}, "unknown metric 'acuracy'; did you mean 'accuracy'"),
        (frame(), {"format": "latex"}, "there is no 'latex' of orders; legal: csv, markdown, rich"),
        (
            frame().assign(**{"train.lr": [0.1] * 6 + [0.2] * 12}),
            {},
            "differ in train.lr: 0.1 | 0.2.*--where train.lr=0.1",
        ),
    ],
)
def test_what_cannot_be_compared(df, options, word):
    with pytest.raises(UserError, match=word):
        make_orders_table(df, **{"metrics": ["accuracy"], **options})


@pytest.mark.slow
def test_a_sweep_over_orders_makes_the_table(tiny, capsys):
    from clnorm.cli.main import main

    for order in ("hard", "easy"):
        for norm in ("ln", "bn"):
            config = tiny(norm=norm, protocol=f"even:experiences=2,order={order}", train__epochs=1)
            clnorm.run(config)
    assert main(["table", config.out, "--orders", "--format", "markdown"]) == 0
    text = capsys.readouterr().out
    assert rows_of(text)["bn"][2] == "2"
    assert "Kendall's tau of the ranking of 2 norms" in text
    assert main(["table", config.out, "--orders", "--versus", "ln"]) == 2
    assert main(["table", config.out]) == 2
    assert "protocol: even:experiences=2,order=easy | even:experiences=2,order=hard" in capsys.readouterr().err
