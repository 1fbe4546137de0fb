"""Parts of a run that do not fit are found before any video is made or decoded, by dry runs too."""

import pytest

import clnorm
from clnorm.cli.main import main
from clnorm.config.identity import flatten
from clnorm.data.store.store import ClipStore
from clnorm.data.synthetic.reader import list_clips, read
from clnorm.errors import UserError

TCD = "tcd:base=26,step=5"


@pytest.fixture
def videos(tmp_path):
    """Six classes of files that are no videos: only their names may be read."""
    for label in "abcdef":
        (tmp_path / "videos" / label).mkdir(parents=True)
        for take in range(4):
            (tmp_path / "videos" / label / f"{label}{take}.avi").write_bytes(b"no video")
    return tmp_path / "videos"


@pytest.fixture
def _decodes_nothing(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("videos are read")

    monkeypatch.setattr(ClipStore, "open", refuse)
    monkeypatch.setattr("clnorm.data.synthetic.reader.read", refuse)


@pytest.mark.usefixtures("_decodes_nothing")
@pytest.mark.parametrize("dataset", ["synthetic:classes=21", "folder"])
def test_a_run_finds_it_before_the_first_frame(dataset, tiny, videos):
    config = tiny(dataset=dataset, protocol=TCD, data__root=str(videos) if dataset == "folder" else None)
    with pytest.raises(UserError, match=r"protocol: 26 \+ k x 5 classes never make (21|6)"):
        clnorm.run(config)


@pytest.mark.usefixtures("_decodes_nothing")
def test_dry_runs_find_it_too(videos, tmp_path, capsys):
    given = ["--set", "dataset=folder", "--data-root", str(videos)]
    for protocol, code in ((TCD, 2), ("even:experiences=7", 2), ("even:experiences=6", 0)):
        assert main(["run", *given, "--set", f"protocol={protocol}", "--dry-run"]) == code
        assert ("protocol: " in capsys.readouterr().err) == bool(code)
    grid = tmp_path / "grid.yaml"
    grid.write_text("grid: {protocol: ['even:experiences=2', 'even:experiences=7'], seed: [0, 1]}\n")
    assert main(["sweep", str(grid), *given, "--dry-run"]) == 2
    assert "7 experiences cannot be made of 6 classes" in capsys.readouterr().err
    assert main(["run", "--dataset", "synthetic:classes=21", "--set", f"protocol={TCD}", "--dry-run"]) == 2


def test_a_dry_run_without_a_folder_says_what_it_could_not_check(capsys):
    assert main(["run", "--dataset", "folder", "--dry-run"]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith("Nothing is checked against the clips, which cannot be listed: ")
    assert "pass --data-root FOLDER" in captured.err
    assert "dataset: folder" in captured.out


@pytest.mark.parametrize("dataset", ["folder", "hmdb51", "ucf101"])
def test_a_folder_that_a_dry_run_was_given_must_be_one_of_the_dataset(dataset, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    grid = tmp_path / "grid.yaml"
    grid.write_text("grid: {norm: [ln, bn], seed: [0, 1]}\n")
    for name in ("nowhere", "file", "empty"):
        given = ["--dataset", dataset, "--data-root", str(tmp_path / name)]
        for command in (["run"], ["sweep", str(grid)]):
            assert main([*command, *given, "--dry-run"]) == 2, (command, name)
            error = capsys.readouterr().err
            assert error.startswith("error: "), error
            assert error.count("\n") == 1, "said once, whatever the number of runs"
            assert str(tmp_path / name) in error


def test_a_class_without_test_clips_is_found_by_a_dry_run(videos, capsys):
    (videos / "clips.csv").write_text("path,label,split\na/a0.avi,a,train\na/a1.avi,a,test\nb/b0.avi,b,train\n")
    given = ["--dataset", "folder", "--data-root", str(videos), "--set", "protocol=even:experiences=1"]
    assert main(["run", *given, "--dry-run"]) == 2
    assert "no test clips for: b" in capsys.readouterr().err


MISFITS = {
    "norm=cn:groups=7": "groups=7 does not divide",
    "norm=bn:update=memory_only": "update=memory_only with the strategy naive, whose batches have none of a memory",
    "norm=bn:recalibrate=buffer": "recalibrate=buffer with the strategy naive, whose batches have none of a memory",
    "norm=bn:freeze_after=2": "freeze_after=2 of 2 experiences leaves none",
    "norm=bn:update=none": "update=none, with an evaluation by running statistics that are never estimated",
    "norm=bn:freeze_after=1 strategy=joint": "freeze_after=1 of 1 experiences",
    "norm=adab2n:tasks=1": "tasks=1, fewer than the 2 experiences",
    "eval.nearest=exemplars": "eval.nearest: the strategy naive keeps no clips, which would be the exemplars",
    "eval.nearest=both strategy=joint": "eval.nearest: the strategy joint keeps no clips",
    "eval.views=2": "eval.views: 2 views with data.keep=T, of whose frames some would be the same; legal: 1;",
    "eval.views=3 data.keep=2T": "legal: 1 to 2;",
    "eval.views=2 data.keep=2T eval.every=2": "eval.every: 2 with eval.views=2: tests within an experience are of one",
    "norm=bn_task eval.unseen=true": "eval.unseen: true with the norm bn_task",
    "train.freeze_blocks=99": "train.freeze_blocks: 99 blocks of",
    "train.accumulate=99": "99 pieces of a batch of 4 clips",
    "train.checkpointing=true train.compile=true": "train.checkpointing: a compiled model decides itself",
    "strategy=replay train.batch_size=1": "replay needs a batch of at least 2 clips",
    "train.imbalance=ldam train.compile=true": "ldam needs a model that is not compiled",
    "norm=bn:eval=batch train.imbalance=feature_smote": "feature_smote needs features that do not depend on the batch",
    "model.calibrate=true": "no norm of the model has running statistics",
    "data.image_size=17": "17",
    "model.input=imagenet": "model.input: 'imagenet' without weights",
    "data.augment=light:unflipped=turn": "there is no class 'turn' to leave unflipped",
}


@pytest.mark.slow
@pytest.mark.usefixtures("_decodes_nothing")
@pytest.mark.parametrize("dataset", ["synthetic:classes=6", "folder"])
def test_what_does_not_fit_is_refused_before_the_first_frame_and_by_dry_runs(dataset, tiny, videos, capsys):
    root = {"data.root": str(videos)} if dataset == "folder" else {}
    for given, words in MISFITS.items():
        asked = {"dataset": dataset, **root, **dict(word.split("=", 1) for word in given.split(" "))}
        config = tiny(**{key.replace(".", "__"): value for key, value in asked.items()})
        with pytest.raises(UserError) as caught:
            clnorm.run(config)
        assert words in str(caught.value), given
        flags = [
            word for key, value in flatten(config.to_dict()).items() for word in ("--set", f"{key}={_text(value)}")
        ]
        assert main(["run", "--dry-run", *flags]) == 2, given
        assert words in capsys.readouterr().err, given


@pytest.mark.slow
def test_a_dry_run_of_a_sweep_says_each_misfit_once(tmp_path, capsys):
    grid = tmp_path / "grid.yaml"
    grid.write_text(
        "config: {dataset: 'synthetic:classes=4', protocol: 'even:experiences=2'}\n"
        "grid: {norm: [ln, 'cn:groups=7', 'bn:update=balanced'], strategy: [naive, replay], seed: [0, 1]}\n"
    )
    assert main(["sweep", str(grid), "--dry-run"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2, lines
    assert "groups=7" in lines[0]
    assert "update=balanced with the strategy naive" in lines[1]


@pytest.mark.slow
@pytest.mark.usefixtures("_decodes_nothing")
def test_a_strategy_that_reads_clips_when_it_is_built_is_checked_when_there_are_some(tmp_path, monkeypatch, capsys):
    (tmp_path / "reads_clips_here.py").write_text(
        "from clnorm.strategies.baselines import naive\n"
        "def reading(setup):\n    assert len(setup.store)\n    return naive(setup)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["run", "--dry-run", "--strategy", "reads_clips_here:reading"]) == 0


@pytest.mark.slow
def test_the_clips_of_the_synthetic_dataset_are_listed_as_they_are_made():
    options = {"classes": 4, "train": 4, "test": 2}
    listed, made = list_clips(None, **options, cues="both", imbalance=1.0, variant=0), read(None, **options)
    assert listed.classes == made.classes
    for column in ("label", "split", "group"):
        assert listed.frame[column].tolist() == made.frame[column].tolist(), column


def _text(value):
    return "" if value is None else str(value)
