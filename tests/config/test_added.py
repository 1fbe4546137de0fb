"""What a configuration is too old to have: filled in as it ran, and nothing else of it is touched."""

import pytest

from clnorm.config.added import ADDED_KEYS, fill_added
from clnorm.config.config import Config
from clnorm.config.identity import flatten, run_id
from clnorm.config.load import merge_config


def test_options_that_came_later_have_the_values_by_which_the_run_was_made_and_not_todays_defaults():
    filled = fill_added({"strategy": "icarl:per_class=5,share=0.5", "protocol": "even:experiences=5"})
    assert filled["strategy"] == "icarl:per_class=5,select=random,share=0.5,total=none"
    assert filled["protocol"] == "even:experiences=5,order=seed,similarity=names"


def test_a_run_keeps_its_id_when_it_is_filled():
    config = merge_config({"strategy": "ewc:lam=5", "norm": "cn", "data": {"augment": "light"}}, {})
    old = config.to_dict()
    for dotted in ADDED_KEYS:
        section, _, key = dotted.rpartition(".")
        del (old[section] if section else old)[key]
    for name, options in (("strategy", ("mode", "gamma")), ("norm", ("parts",))):
        head, _, words = old[name].partition(":")
        left = [word for word in words.split(",") if word.partition("=")[0] not in options]
        old[name] = f"{head}:{','.join(left)}"
    assert "gamma" not in old["strategy"]
    assert flatten(fill_added(old)) == flatten(config.to_dict())
    assert run_id(merge_config(fill_added(old), {})) == run_id(config)


@pytest.mark.parametrize(
    "config",
    [
        {"strategy": "own.module:Replay", "norm": "no such"},
        {"train": 5, "eval": None, "model": [], "strategy": ["replay"], "norm": 1},
    ],
)
def test_what_is_no_configuration_of_ours_stays_as_it_is(config):
    assert fill_added(config) == {**config, "tuned": None}


def test_what_it_has_stays():
    config = Config().to_dict()
    assert fill_added(config) == config
    assert fill_added({"train": {"forward": "separate"}})["train"]["forward"] == "separate"
