"""Runs that branch off from another one: alike, they are that run; otherwise, they share its beginning."""

from pathlib import Path

import pandas as pd
import pytest

import clnorm
from clnorm.cli.main import main
from clnorm.errors import UserError
from tests.training.states.continued import Notes, results

pytestmark = pytest.mark.slow

OPTIONS = {"norm": "cn", "strategy": "replay:per_class=2", "protocol": "even:experiences=4", "train__epochs": 1}


OTHER_CLIPS = "synthetic:classes=4,train=4,test=2,cues=shape"


@pytest.fixture
def first(tiny, tmp_path):
    """A run that keeps the states after all experiences: its folder, its configuration and what it leaves."""
    config = tiny(**OPTIONS, save__experiences=True, out=str(tmp_path / "first"))
    record = clnorm.run(config)
    return Path(config.out) / record.run, results(config, record)


@pytest.mark.parametrize("experience", [2, 4])
def test_a_branch_that_changes_nothing_is_the_run_itself(tiny, first, experience):
    folder, expected = first
    config, notes = tiny(**OPTIONS, begin__run=str(folder), begin__experience=experience), Notes()
    record = clnorm.run(config, reporter=notes)
    assert results(config, record) == expected
    assert [part["experience"] for part in record.reused] == list(range(experience - 1))
    assert f"The first {experience - 1} of 4 experiences are those of {folder}." in notes.texts


def test_a_branch_changes_what_comes_after_and_is_another_run(tiny, first):
    folder, expected = first
    config = tiny(**OPTIONS, begin__run=str(folder), begin__experience=3, train__lr=0.1)
    record = clnorm.run(config)
    assert record.run != folder.name
    frame, whole = (pd.DataFrame(part) for part in (results(config, record)[0], expected[0]))
    assert frame[frame["after"] < 2].equals(whole[whole["after"] < 2])
    assert not frame[frame["after"] == 3].equals(whole[whole["after"] == 3])
    assert clnorm.run(config).run == record.run


def test_the_content_of_the_state_is_in_the_id_and_its_place_is_not(tiny, first, tmp_path):
    folder, _ = first
    moved = tmp_path / "moved"
    folder.rename(moved)
    runs = {clnorm.run(tiny(**OPTIONS, begin__run=str(moved), begin__experience=k)).run for k in (2, 3)}
    assert len(runs) == 2
    moved.rename(folder)
    assert clnorm.run(tiny(**OPTIONS, begin__run=str(folder), begin__experience=2)).run in runs


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"strategy": "naive"}, "its strategy is replay, not naive"),
        ({"seed": 1}, "its first 2 experiences have other clips or classes"),
        ({"norm": "bn"}, "its norm is cn, not bn"),
        ({"data__image_size": 24}, "its clips have another content or another size"),
        ({"dataset": OTHER_CLIPS}, "its clips have another content or another size"),
        ({"backbone": "vit_nano"}, "its backbone is lsvit_nano, not vit_nano"),
        ({"backbone": "lsvit_nano:ffn_bn=true"}, "cannot go on from there"),
        ({"begin__experience": 5}, "there is no experience 5; legal: 2 to 4"),
        ({"begin__experience": 6}, "cannot be read"),
        ({"begin__experience": 1}, "int >= 2"),
        ({"begin__run": "nowhere"}, "cannot be read"),
        ({"eval__unseen": True}, "use eval.unseen as that run did"),
        ({"eval__every": 2}, r"it was evaluated with eval.every=0, and this run is with 2; legal: eval.every=0"),
        ({"eval__nearest": "all"}, "it was evaluated with eval.nearest=none, and this run is with all"),
    ],
)
def test_what_does_not_agree_is_refused(tiny, first, changes, word):
    with pytest.raises(clnorm.ClnormError, match=word):
        clnorm.run(tiny(**{**OPTIONS, "begin__run": str(first[0]), "begin__experience": 3, **changes}))


def test_a_run_that_kept_no_states_is_named(tiny, tmp_path):
    config = tiny(**OPTIONS)
    folder = Path(config.out) / clnorm.run(config).run
    with pytest.raises(UserError, match=r"begin\.run .*after_1\.pt: cannot be read .*save\.experiences=true"):
        clnorm.run(tiny(**OPTIONS, begin__run=str(folder)))


def test_the_command(first, tmp_path, capsys):
    folder, _ = first
    words = ["--config", str(folder / "config.yaml"), "--from-run", str(folder), "--experience", "4"]
    assert main(["run", *words, "--out", str(tmp_path / "out"), "--set", "train.epochs=2"]) == 0
    assert "The first 3 of 4 experiences" in capsys.readouterr().err
