"""What `clnorm protocol show` says, with clips and without."""

import json

import pytest

from clnorm.catalogue import DATASETS, PROTOCOLS
from clnorm.cli.main import main
from clnorm.data.datasets.published import PUBLISHED
from clnorm.errors import UserError
from clnorm.streams.view import describe_stream


def view(protocol, dataset="hmdb51", root=None, seed=0):
    return describe_stream(PROTOCOLS.parse(protocol), DATASETS.parse(dataset), root, seed=seed)


def test_published_classes_are_known_without_a_clip():
    found = view("tcd-5x5:order=1993")
    assert [len(part.classes) for part in found.experiences] == [26, 5, 5, 5, 5, 5]
    names = sorted(PUBLISHED["hmdb51"].names)
    published = [12, 6, 15, 20, 25]  # of order 1993
    assert found.experiences[1].classes == tuple(names[label] for label in published)
    assert found.experiences[0].train_clips is None
    assert len(view("even:experiences=101", "ucf101").experiences) == 101


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_names_are_as_many_as_there_are_classes(name):
    published = PUBLISHED[name]
    assert len(set(published.names)) == published.classes
    assert list(published.names) == sorted(published.names, key=str.lower)


def test_synthetic_clips_are_counted_without_making_them(tmp_path, monkeypatch):
    monkeypatch.setenv("CLNORM_CACHE", str(tmp_path))
    found = view("blurry:experiences=2,share=0.25", "synthetic:classes=4,train=8,test=3")
    assert [(part.train_clips, part.test_clips, part.other_classes) for part in found.experiences] == [(16, 6, 2)] * 2
    assert found.said == (
        "blurry: a share of 0.25 of each class's training clips is spread over the other experiences",
    )
    assert not list(tmp_path.iterdir())
    looks = view("domain-incremental:experiences=3,strength=0.6", "synthetic:classes=4,train=8,test=3")
    assert [part.look for part in looks.experiences] == [{}, {"brightness": 0.3}, {"brightness": 0.6}]
    assert looks.similarity is None


def test_hard_is_less_alike_than_easy():
    hard, easy = (view(f"vclimb:experiences=10,order={order}", "ucf101") for order in ("hard", "easy"))
    assert hard.similarity < view("vclimb", "ucf101").similarity < easy.similarity
    assert hard.by == "names"


def test_clips_that_are_not_known_cannot_be_divided():
    with pytest.raises(UserError, match=r"it divides clips, which are not known.*--data-root"):
        view("domain-incremental")
    with pytest.raises(UserError, match="pass --data-root"):
        view("even", "folder")


def test_real_clips_are_counted(shared_data):
    found = view("vclimb:experiences=4", "hmdb51", shared_data / "data" / "hmdb21")
    assert [len(part.classes) for part in found.experiences] == [5, 5, 5, 6]
    assert found.said == ("21 classes are not 4 equal experiences: they are 3 experiences of 5 and 1 experience of 6",)
    assert sum(part.train_clips for part in found.experiences) == 665
    sources = view("domain-incremental:change=source,experiences=2", "hmdb51", shared_data / "data" / "hmdb21")
    assert sum(part.test_clips for part in sources.experiences) == 257


def test_the_command_prints_a_table_or_json(capsys):
    assert main(["protocol", "show", "task-incremental:experiences=3", "--dataset", "hmdb51"]) == 0
    text = capsys.readouterr().out
    assert "task-incremental:experiences=3 on hmdb51, seed 0" in text
    assert "Task-incremental: the experience of each clip is known" in text
    assert main(["protocol", "show", "even:experiences=2", "--seed", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["seed"], len(found["experiences"])) == (3, 2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tcd-5x6"], "did you mean 'tcd-5x5'"),
        (["even:order=hrad", "--dataset", "hmdb51"], "did you mean 'hard'"),
        (["even", "--seed", "x"], "seed"),
        (["even", "--dataset", "hmdb5"], "did you mean 'hmdb51'"),
        (["list", "--dataset", "hmdb51"], "needs a value for its option 'file'"),
        (["list:file=none.txt", "--dataset", "hmdb51"], "cannot be read"),
        (["even:order=hard,similarity=none.json", "--dataset", "hmdb51"], "cannot be read"),
        (["blurry:experiences=1"], "is not legal"),
    ],
)
def test_mistakes_are_told(words, said, capsys):
    assert main(["protocol", "show", *words]) == 2
    assert said in capsys.readouterr().err
