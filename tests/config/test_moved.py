"""Keys that are options of the norm now: refused everywhere, with the very norm to write."""

import pytest

from clnorm import Config, load_config
from clnorm.config.load import merge_config
from clnorm.errors import UserError
from clnorm.launch.grid import read_sweep


@pytest.mark.parametrize(
    ("norm", "overrides", "words"),
    [
        ("bn", ["train.stats_update=balanced"], "is an option of the norm now; write --norm bn:update=balanced"),
        ("cn", ["train.recalibrate_after_exp=buffer"], "write --norm cn:recalibrate=buffer"),
        ("cn", ["train.freeze_after_exp=2"], "write --norm cn:freeze_after=2"),
        ("bn", ["eval.stats=batch"], "eval.stats is an option of the norm now; write --norm bn:eval=batch"),
        (
            "cn:groups=16",
            ["train.recalibrate_after_exp=buffer", "train.stats_update=balanced"],
            "train.stats_update and train.recalibrate_after_exp are options of the norm now; "
            "write --norm cn:groups=16,update=balanced,recalibrate=buffer",
        ),
        # A norm that has no such option: one that has it.
        ("ln", ["train.stats_update=balanced"], "write --norm bn:update=balanced"),
        ("bn_frozen", ["train.freeze_after_exp=2"], "write --norm bn:freeze_after=2"),
        # An oracle is evaluated as one by itself.
        ("bn", ["eval.stats=task"], "write --norm bn_task"),
        ("bn_task:tasks=9", ["eval.stats=task"], "leave it out, since bn_task does task without"),
        ("bn_task", ["eval.stats=task", "train.stats_update=none"], "write --norm bn_task:update=none"),
        # What a norm does anyway.
        ("ln", ["train.stats_update=all"], "leave it out, since ln does all without"),
        (
            "cn",
            ["train.freeze_after_exp=0", "eval.stats=running"],
            "leave them out, since cn does 0 and running without",
        ),
        # What was never legal is not proposed.
        (
            "bn",
            ["train.stats_update=balancd"],
            "option 'update' of 'bn': 'balancd' is not legal; did you mean",
        ),
    ],
)
def test_a_key_that_moved_names_what_to_write(norm, overrides, words):
    with pytest.raises(UserError) as caught:
        load_config(None, [f"norm={norm}", *overrides])
    assert words in str(caught.value)


def test_it_is_refused_in_a_file_from_python_and_in_a_sweep(tmp_path):
    told = r"train\.stats_update is an option of the norm now; write --norm bn:update=balanced"
    (tmp_path / "old.yaml").write_text("norm: bn\ntrain: {epochs: 2, stats_update: balanced}\n")
    with pytest.raises(UserError, match=told):
        load_config(tmp_path / "old.yaml")
    with pytest.raises(UserError, match=told):
        Config(norm="bn", train={"stats_update": "balanced"})
    (tmp_path / "sweep.yaml").write_text("config: {norm: bn}\ngrid: {train.stats_update: [balanced, none]}\n")
    with pytest.raises(UserError, match=told):
        read_sweep(tmp_path / "sweep.yaml", {})


def test_what_it_says_to_write_is_legal():
    with pytest.raises(UserError) as caught:
        merge_config({"norm": "cn:groups=16"}, {"train.stats_update": "balanced", "eval.stats": "batch"})
    norm = str(caught.value).rpartition("--norm ")[2]
    assert merge_config({}, {"norm": norm}).norm.short == norm == "cn:groups=16,update=balanced,eval=batch"
