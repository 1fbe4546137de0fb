"""Loading a run's model, or saying why there is none to load: from Python and from the command line."""

import shutil

import pytest

import clnorm
from clnorm.cli.main import main
from clnorm.deploy.export import export_model
from clnorm.deploy.saved import describe_model, save_model
from clnorm.errors import UserError
from clnorm.models.create import create_model


def test_a_runs_model_is_loaded_from_its_folder_or_its_file(run):
    for path in (run, str(run), run / "model.safetensors"):
        loaded = clnorm.load_model(path)
        assert loaded.info.classes == ("wave", "run", "sit", "[red]jump")
        assert loaded.file == run / "model.safetensors"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"status": "unfinished"}, ["not finished", "clnorm run --config"]),
        ({"keep": False}, ["kept no model", "delete the folder", "keep_model=true"]),
    ],
)
def test_a_run_without_a_usable_model_says_what_to_do(tiny, tmp_path, settings, words, video, capsys, write_run):
    folder = write_run(tmp_path / "run", tiny(), **settings)
    assert main(["predict", str(folder), str(video)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    for word in [str(folder), *words]:
        assert word in captured.err


def test_a_folder_of_runs_is_no_run_and_one_of_them_is_named(run):
    with pytest.raises(UserError, match=r"is not the folder of a run; give one of .*cn-run"):
        clnorm.load_model(run.parent)


def test_neither_a_run_nor_a_file(tmp_path):
    with pytest.raises(UserError, match="nowhere: there is no such file; give the folder of a finished run"):
        clnorm.load_model(tmp_path / "nowhere")


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["predict", "export"])
def test_a_trained_model_is_used_without_what_trains_and_evaluates(run, video, verb, packages_loaded):
    loaded = packages_loaded(verb, str(run), *([str(video)] if verb == "predict" else []))
    assert not loaded & {"avalanche", "matplotlib", "pandas", "scipy", "timm", "torchvision"}


@pytest.mark.parametrize("verb", ["predict", "export"])
def test_an_oracle_is_refused_by_name(tiny, tmp_path, video, verb, capsys):
    config = tiny(norm="bn_task:tasks=2")
    folder = tmp_path / "oracle"
    folder.mkdir()
    model = create_model(config.backbone, norm=config.norm, num_classes=4, image_size=16, num_frames=4)
    info = describe_model(config, classes=["run", "[red]jump", "wave", "sit"], order=[2, 0, 3, 1], precision="fp32")
    save_model(folder / "model.safetensors", model, info)
    file = str(folder / "model.safetensors")
    assert main([verb, file, *([str(video)] if verb == "predict" else [])]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    for word in (file, "bn_task", "oracle", "another norm, such as bn", "read_model"):
        assert word in captured.err
    with pytest.raises(UserError, match=r"bn_task.* is an oracle"):
        clnorm.load_model(file)


@pytest.mark.slow
@pytest.mark.parametrize("stats", ["running", "batch"])
def test_a_transductive_accuracy_is_not_that_of_the_model_in_use(tiny, tmp_path, video, stats, capsys, write_run):
    folder = write_run(tmp_path / "run", tiny(norm=f"bn:eval={stats}"))
    said = "note: the model goes by its running statistics here; the run's accuracy is transductive (eval=batch)"
    for arguments in (["predict", str(folder), str(video), str(video)], ["export", str(folder)]):
        assert main(arguments) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines.count(said) == (stats == "batch")
    (prediction,) = clnorm.predict(folder / "export.safetensors", [video])
    assert f"note: {prediction.note}" == (said if stats == "batch" else "note: ")


@pytest.mark.slow
def test_nothing_is_read_with_pickle(run, video, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("pickle")

    for name in ("torch.load", "pickle.load", "pickle.loads"):
        monkeypatch.setattr(name, refuse)
    export_model(run)
    shutil.move(run / "export.safetensors", run.parent / "alone.safetensors")
    assert clnorm.predict(run.parent / "alone.safetensors", [video])[0].clips == 1
