"""Tuned values: taken by configurations, part of a run's identity but not of the setting, and refused where unfit."""

from dataclasses import replace

import pytest

from clnorm.catalogue import STRATEGIES
from clnorm.config.identity import run_id, setting_id
from clnorm.config.load import load_config, merge_config
from clnorm.config.tuned import read_tuning
from clnorm.errors import ClnormError, SeveralMistakesError, UserError
from clnorm.launch.manifest import read_cells, write_manifest
from clnorm.launch.plan import Cell
from tests.config.tunings import TUNING

DEFAULT = STRATEGIES.parse("ewc").kwargs["lam"]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tuned.yaml"
    path.write_bytes(TUNING.to_yaml())
    return path


@pytest.fixture
def build(file):
    """A configuration with the tuned values."""
    return lambda norm, strategy, **keys: merge_config(
        {}, {"norm": norm, "strategy": strategy, "tuned": str(file), **keys}
    )


def test_a_file_is_read_back(file):
    tuning = read_tuning(file)
    assert replace(tuning, digest="") == TUNING
    assert len(tuning.digest) == 64


def test_each_norm_and_strategy_takes_its_own(build):
    found = {
        (norm, strategy): (config.train.lr, config.strategy.kwargs.get("lam"))
        for norm, strategy in (("bn", "naive"), ("bn", "ewc"), ("cn", "ewc:fisher=exact"))
        for config in [build(norm, strategy)]
    }
    assert found == {
        ("bn", "naive"): (0.001, None),
        ("bn", "ewc"): (0.002, 1.0),
        ("cn", "ewc:fisher=exact"): (0.003, 100.0),
    }


def test_the_configuration_that_has_them_is_read_back_to_the_same_one(build, tmp_path):
    config = build("cn", "ewc:fisher=exact", out=str(tmp_path / "runs"))
    again = tmp_path / "config.yaml"
    again.write_text(config.to_yaml())
    assert load_config(again) == config
    cells = [Cell("name", "run", config)]
    assert read_cells(write_manifest(cells)) == cells


def test_norms_with_tuned_values_share_a_setting_and_count_with_them(build):
    bn, cn, plain = build("bn", "ewc"), build("cn", "ewc:fisher=exact"), load_config(None, {"norm": "bn"})
    assert setting_id(bn) == setting_id(cn) != setting_id(plain)
    same = replace(bn, tuned=None)
    assert run_id(bn) != run_id(same)
    assert setting_id(bn) != setting_id(same), "tuned and untuned runs are no one table"
    assert setting_id(build("bn", "ewc", **{"train.epochs": 3})) != setting_id(bn)


def test_another_result_is_another_setting_and_another_place_is_not(build, file, tmp_path):
    before, copied = build("bn", "ewc"), tmp_path / "copy.yaml"
    copied.write_bytes(file.read_bytes())
    moved = merge_config({}, {"norm": "bn", "strategy": "ewc", "tuned": str(copied)})
    assert (run_id(moved), setting_id(moved)) == (run_id(before), setting_id(before))
    old = run_id(before)
    file.write_bytes(replace(TUNING, trials=5).to_yaml())
    assert run_id(build("bn", "ewc")) != old


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({"norm": "ln"}, r"has no values for ln with ewc; legal: bn with ewc, bn with naive, cn with ewc:fisher=exact"),
        ({"strategy": "replay"}, "has no values for bn with replay"),
        ({"strategy": "ewc:fisher=exact"}, "has no values for bn with ewc:fisher=exact"),
        ({"train.lr": "0.01"}, "train.lr: 0.01 is given, and 0.002 is tuned; leave it out"),
        ({"strategy": "ewc:lam=5"}, "ewc.lam: 5.0 is given, and 1.0 is tuned"),
        ({"strategy": f"ewc:lam={DEFAULT:g}"}, "ewc.lam: .* is given, and 1.0 is tuned"),
    ],
)
def test_what_does_not_fit_the_file_is_refused(build, keys, word):
    with pytest.raises(UserError, match=word):
        build(**{"norm": "bn", "strategy": "ewc", **keys})


def test_all_that_does_not_fit_is_said_and_the_tuned_values_themselves_may_be_given(build):
    with pytest.raises(SeveralMistakesError) as caught:
        build("bn", "ewc:lam=5", **{"train.lr": "0.01"})
    assert len(caught.value.errors) == 2
    assert build("bn", "ewc:lam=1", **{"train.lr": "2e-3"}) == build("bn", "ewc")


def test_a_configuration_made_by_hand_has_no_other_values(build):
    config = build("bn", "ewc")
    other = replace(config, train=replace(config.train, lr=0.5))
    with pytest.raises(UserError, match=r"train.lr: 0.5 is given, and 0.002 is tuned"):
        run_id(other)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("train.lr: 0.002", "train.lr: 0.004"),
        lambda text: text.replace("trials: 4", "trials: 400"),
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "schema: 1\n",
        lambda text: "[" * 50,
    ],
)
def test_an_edited_or_damaged_file_is_refused(build, file, damage):
    file.write_text(damage(file.read_text()))
    with pytest.raises(ClnormError, match=r"is no result of clnorm tune, or was changed .*give clnorm tune again"):
        build("bn", "ewc")


def test_a_file_that_is_not_there_is_named(build, file):
    file.unlink()
    with pytest.raises(UserError, match=r"tuned .*tuned.yaml: cannot be read \(No such file"):
        build("bn", "ewc")
