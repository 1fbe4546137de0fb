"""The file of a search, and its trials: the same points for every norm and strategy."""

import pytest

from clnorm.errors import SeveralMistakesError, UserError
from clnorm.tuning.axis import draw_points
from clnorm.tuning.search import list_trials
from clnorm.tuning.search_file import read_search


def test_every_cell_gets_the_same_points_of_the_keys_that_it_has(write_search):
    search = read_search(write_search(seeds=[3, 4]), {"train.warmup": "0.5"})
    points = draw_points(search.axes, search.trials, seed=search.sampler_seed)
    trials = list_trials(search, points)
    assert len(trials) == 2 * 2 * 4 * 2
    for trial in trials:
        config, point = trial.config, points[trial.index]
        assert (config.train.lr, config.train.warmup, config.train.epochs) == (point["train.lr"], 0.5, 2)
        assert config.strategy.kwargs.get("lam") == (point["ewc.lam"] if trial.strategy == "ewc" else None)
        assert (config.train.experiences, config.data.validation, config.keep_model) == (2, 0.2, False)
        assert trial.values.keys() == ({"train.lr", "ewc.lam"} if trial.strategy == "ewc" else {"train.lr"})
    assert {trial.config.seed for trial in trials} == {3, 4}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"search": None}, "search: needs a range, or a list of values, for each key"),
        ({"search": ["train.lr"]}, "search: needs a range"),
        ({"search": {"train.lrr": [1, 2]}}, "search.train.lrr: it is not searched; did you mean 'train.lr'"),
        ({"search": {"train.batch_size": [4, 8]}}, "train.batch_size: it is not searched; .*legal: ewc.fisher"),
        ({"search": {"ewc.lamda": [1, 2]}}, "ewc has no option 'lamda'; did you mean 'ewc.lam'"),
        (
            {"search": {"replay.share": [0.1, 0.5]}},
            "no strategy of the grid is replay; legal: .*ewc.lam",
        ),
        ({"search": {"ewc.fisher": ["exact", "exakt"]}}, "'exakt' is not legal; did you mean 'exact'"),
        ({"grid": None}, "needs lists of values under `grid`"),
        (
            {"grid": {"norm": ["bn"], "strategy": ["ewc"], "seed": [0]}},
            "grid.seed: a search is for .* `seeds` is a list",
        ),
        (
            {"grid": [{"norm": ["bn"], "strategy": ["ewc"]}, {"norm": ["cn"], "strategy": ["ewc"], "seed": [0]}]},
            "grid.1.seed: a search is for",
        ),
        ({"grid": {"norm": ["bm"]}}, "^norm: unknown norm 'bm'; did you mean 'bn'"),
        ({"grid": {"strategy": ["ewc:lam=5"]}}, "ewc:lam=5.0 has a value for lam, which is searched"),
        ({"config": {"train": {"lr": 0.1}}}, "train.lr: it is searched, and given too"),
        ({"config": {"data": {"validation": 0.1}}}, "data.validation: the search decides it; give 'validation' in"),
        ({"config": {"seed": 1}}, "seed: the search decides it; give 'seeds' in"),
        ({"tirals": 3}, "unknown key 'tirals'; did you mean 'trials'"),
        ({"trials": 0}, "trials: 0 is not legal; legal: an int >= 1"),
        ({"trials": 1000, "seeds": [0, 1, 2]}, "makes 12,000 runs; legal: at most 10,000"),
        ({"experiences": 10**9}, "experiences: 1000000000 is not legal"),
        ({"validation": 0}, "validation: 0 is not legal; legal: a number >= 0.01 and <= 0.9"),
        ({"seeds": [0, 0]}, r"seeds: \[0, 0\] is not legal"),
        ({"metric": "acuracy"}, "metric: 'acuracy' is not legal; did you mean 'accuracy'"),
        ({"metric": "forgetting", "experiences": 1}, "forgetting is undefined in a run with experiences=1"),
        ({"metric": "retention"}, "retention is undefined"),
        ({"metric": "fwt"}, "fwt is undefined in a run with experiences=2: .*eval.unseen"),
        (
            {"metric": "forgetting", "grid": {"strategy": ["ewc", "joint"]}},
            "forgetting is undefined in joint training: it did not learn two or more .*; leave joint out",
        ),
    ],
)
def test_a_search_that_cannot_be_is_refused_with_one_reason(write_search, changes, word):
    with pytest.raises(UserError, match=word) as caught:
        read_search(write_search(**changes), {})
    assert not isinstance(caught.value, SeveralMistakesError)


def test_an_option_that_names_rows_of_tables_is_not_searched(write_search):
    file = write_search(grid={"strategy": ["replay"]}, search={"replay.per_class": [1, 5]})
    with pytest.raises(UserError, match="per_class is part of what replay is called in tables, and is not searched"):
        read_search(file, {})


def test_all_that_is_wrong_is_said_at_once(write_search):
    file = write_search(trials=-1, metric="a", search={"train.lr": 3}, seeds=[])
    with pytest.raises(SeveralMistakesError) as caught:
        read_search(file, {})
    assert len(caught.value.errors) == 4


def test_metrics_that_a_run_may_have_are_taken(write_search):
    for metric in ("forgetting", "head", "new_accuracy", "bwt"):
        assert read_search(write_search(metric=metric), {}).metric == metric
    assert read_search(write_search(metric="fwt"), {"eval.unseen": "true"}).metric == "fwt"
