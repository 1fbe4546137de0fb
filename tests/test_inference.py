"""Loading a run's model, predicting videos with it and exporting it: from Python and from the command line."""

import json
import shutil
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchcodec.decoders import VideoDecoder
from torchcodec.encoders import VideoEncoder

import clnorm
from clnorm.cli import main
from clnorm.data.decode import DecodeError
from clnorm.errors import ClnormError, UserError
from clnorm.inference import export_model
from clnorm.models.factory import create_model
from clnorm.models.lsvit import VideoViT
from clnorm.models.saved import describe_model, read_model, save_model
from clnorm.records import LABELS, RunFolder, RunRecord
from clnorm.seeding import torch_generator

CLASSES = ["run", "[red]jump", "wave", "sit"]
ORDER = [2, 0, 3, 1]  # the class id of each output


def draw(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def write_run(path, config, *, status="finished", keep=True, classes=CLASSES):
    """A run's folder as a run leaves it, with a model whose every number is off its start."""
    model = create_model(config.backbone, norm=config.norm, num_classes=4, image_size=16, num_frames=4, seed=1).train()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)  # of stochastic depth
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
        for seed in range(3):
            model(draw(4, 4, 3, 16, 16, seed=seed))
    path.mkdir(parents=True)
    record = RunRecord(
        run=path.name,
        status=status,
        names={"norm": config.norm.short},
        label=LABELS[config.eval.stats],
        seed=0,
        setting="",
        config=config.to_dict(),
        classes=list(classes),
        experiences=[[2, 0], [3, 1]],
    )
    RunFolder(path).write("record.json", record.to_json())
    if keep:
        info = describe_model(config, classes=classes, order=ORDER, precision="fp32")
        save_model(path / "model.safetensors", model, info)
    return path


@pytest.fixture
def run(tiny, tmp_path):
    return write_run(tmp_path / "runs" / "cn-run", tiny(norm="cn"))


def write_video(path, *, frames, rate=10, seed=0):
    """Frames of different smooth colours, so that each frame of a clip counts and survives the encoder."""
    noise = np.random.default_rng(seed).integers(0, 256, (frames, 3, 3, 4), dtype=np.uint8)
    pixels = F.interpolate(torch.from_numpy(noise).float(), size=(24, 32), mode="bilinear").to(torch.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    VideoEncoder(pixels, frame_rate=rate).to_file(path, codec="mpeg4", extra_options={"bf": "0"})
    return path


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "clip.avi", frames=20)


def frames_at(path, indices):
    """These frames of a video as a model's input, (1, T, 3, 16, 16), by hand."""
    frames = VideoDecoder(str(path)).get_frames_at(indices).data
    return (F.interpolate(frames, size=(16, 16), mode="bilinear", antialias=True).float() / 127.5 - 1)[None]


@torch.no_grad()
def probabilities_of(run, path, indices):
    """By class name: the softmax of the kept model on these frames."""
    model = read_model(run / "model.safetensors").model
    softmax = model(frames_at(path, indices)).double().softmax(1)[0].tolist()
    return {CLASSES[label]: value for label, value in zip(ORDER, softmax, strict=True)}


def by_action(prediction):
    return {item.action: item.probability for item in prediction.predictions}


# Loading


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
def test_a_run_without_a_usable_model_says_what_to_do(tiny, tmp_path, settings, words, video, capsys):
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


@pytest.mark.parametrize("verb", ["predict", "export"])
def test_an_oracle_is_refused_by_name(tiny, tmp_path, video, verb, capsys):
    config = tiny(norm="bn_task:tasks=2", eval__stats="task")
    folder = tmp_path / "oracle"
    folder.mkdir()
    model = create_model(config.backbone, norm=config.norm, num_classes=4, image_size=16, num_frames=4)
    info = describe_model(config, classes=CLASSES, order=ORDER, precision="fp32")
    save_model(folder / "model.safetensors", model, info)
    file = str(folder / "model.safetensors")
    assert main([verb, file, *([str(video)] if verb == "predict" else [])]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    for word in (file, "bn_task", "oracle", "another norm, such as bn", "read_model"):
        assert word in captured.err
    with pytest.raises(UserError, match=r"bn_task.* is an oracle"):
        clnorm.load_model(file)


@pytest.mark.parametrize("stats", ["running", "batch"])
def test_a_transductive_accuracy_is_not_that_of_the_model_in_use(tiny, tmp_path, video, stats, capsys):
    folder = write_run(tmp_path / "run", tiny(norm="bn", eval__stats=stats))
    said = "note: the model goes by its running statistics here; the run's accuracy is transductive (eval.stats=batch)"
    for arguments in (["predict", str(folder), str(video), str(video)], ["export", str(folder)]):
        assert main(arguments) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines.count(said) == (stats == "batch")
    (prediction,) = clnorm.predict(folder / "export.safetensors", [video])
    assert f"note: {prediction.note}" == (said if stats == "batch" else "note: ")


# Predicting


def test_a_prediction_is_the_softmax_over_all_classes_of_the_sampled_frames(run, video):
    (prediction,) = clnorm.predict(run, [video])
    assert (prediction.video, prediction.clips) == (str(video), 1)
    expected = probabilities_of(run, video, [2, 7, 12, 17])
    assert by_action(prediction) == pytest.approx(expected, rel=1e-4)
    assert sum(by_action(prediction).values()) == pytest.approx(1, abs=1e-12)
    assert [item.action for item in prediction.predictions] == sorted(expected, key=expected.get, reverse=True)
    assert max(expected.values()) - min(expected.values()) > 0.01


@pytest.mark.parametrize(
    ("keep", "frames", "shown"),
    [("T", 20, [2, 7, 12, 17]), ("2T", 20, [3, 8, 13, 18]), ("all", 20, [2, 7, 12, 17]), ("2T", 6, [0, 2, 3, 5])],
)
def test_the_frames_shown_are_those_of_evaluation(tiny, tmp_path, keep, frames, shown):
    run = write_run(tmp_path / "runs" / "run", tiny(norm="cn", data__keep=keep))
    path = write_video(tmp_path / "clip.avi", frames=frames)
    (prediction,) = clnorm.predict(run, [path])
    assert by_action(prediction) == pytest.approx(probabilities_of(run, path, shown), rel=1e-4)


@pytest.mark.parametrize("clips", ["auto", 2, "2"])
def test_a_long_video_is_the_mean_of_its_parts(run, tmp_path, clips):
    path = write_video(tmp_path / "long.avi", frames=101)
    (prediction,) = clnorm.predict(run, [path], clips=clips)
    halves = [probabilities_of(run, path, [6, 18, 31, 43]), probabilities_of(run, path, [56, 69, 81, 94])]
    expected = {action: (halves[0][action] + halves[1][action]) / 2 for action in CLASSES}
    assert prediction.clips == 2
    assert by_action(prediction) == pytest.approx(expected, rel=1e-4)
    assert by_action(prediction) != pytest.approx(halves[0], rel=1e-2)


def test_more_parts_than_pass_the_model_at_once(run, tmp_path):
    path = write_video(tmp_path / "long.avi", frames=36)
    (prediction,) = clnorm.predict(run, [path], clips=9)
    parts = [probabilities_of(run, path, [start, start + 1, start + 2, start + 3]) for start in range(0, 36, 4)]
    expected = {action: sum(part[action] for part in parts) / 9 for action in CLASSES}
    assert by_action(prediction) == pytest.approx(expected, rel=1e-4)


def test_several_videos_in_their_order_and_top(run, tmp_path):
    paths = [write_video(tmp_path / f"{seed}.avi", frames=8, seed=seed) for seed in range(3)]
    together = clnorm.predict(run, paths, top=2)
    assert [item.video for item in together] == [str(path) for path in paths]
    for path, prediction in zip(paths, together, strict=True):
        full = clnorm.predict(run, [path], top=4)[0]
        assert prediction.predictions == full.predictions[:2]


def test_one_path_in_place_of_a_list_is_refused(run, video):
    with pytest.raises(UserError, match="is one path; legal: a list of paths"):
        clnorm.predict(run, str(video))


def test_outputs_that_are_not_finite_are_an_error(run, video):
    loaded = read_model(run / "model.safetensors")
    loaded.model.head.bias.data[1] = float("nan")
    save_model(run / "model.safetensors", loaded.model, loaded.info)
    with pytest.raises(ClnormError, match="not finite"):
        clnorm.predict(run, [video])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--top", "5"], ["top: '5' is not legal", ">= 1 and <= 4"]),
        (["--top", "0"], ["top: '0' is not legal"]),
        (["--top", "many"], ["top: 'many' is not legal"]),
        (["--clips", "0"], ["clips: '0' is not legal", "or auto"]),
        (["--clips", "21"], ["clip.avi: 20 frames do not make 21 parts", "1 to 20"]),
    ],
)
def test_options_out_of_range(run, video, options, words, capsys):
    assert main(["predict", str(run), str(video), *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    for word in words:
        assert word in captured.err


def test_what_is_no_video_is_an_error_and_nothing_is_printed(run, video, tmp_path, capsys):
    text, broken = tmp_path / "notes.txt", tmp_path / "broken.avi"
    text.write_text("a line of text\n" * 50)
    broken.write_bytes(video.read_bytes()[:200])
    for path, code, word in [
        (tmp_path / "none.avi", 1, "No such file"),
        (broken, 1, "no frame"),
        (text, 1, "it is a text file"),
        (tmp_path, 2, "is a folder, not a video"),
    ]:
        assert main(["predict", str(run), str(video), str(path)]) == code
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith(f"error: {path}: ")
        assert word in captured.err
    with pytest.raises(DecodeError):
        clnorm.predict(run, [text])


def test_json_is_all_that_stdout_holds(run, video, capsys):
    assert main(["predict", str(run), str(video), "--json", "--top", "3", "--clips", "2"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    (prediction,) = clnorm.predict(run, [video], top=3, clips=2)
    best = [{"action": item.action, "probability": item.probability} for item in prediction.predictions]
    assert json.loads(captured.out) == [{"video": str(video), "clips": 2, "predictions": best, "note": ""}]
    assert len(best) == 3


def test_names_are_shown_as_they_are_within_80_columns(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    long = "a_very_long_action_name_" * 5
    write_run(tmp_path / "run", tiny(), classes=["run", "[red]jump", long, "sit"])
    write_video(tmp_path / "[bold]clip[/bold].avi", frames=8)
    assert main(["predict", "run", "[bold]clip[/bold].avi", "--clips", "2"]) == 0
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    assert lines[0] == "[bold]clip[/bold].avi"
    assert max(map(len, lines)) <= 80
    assert "[red]jump" in shown
    assert "P(action | clip) in %, mean of 2 parts" in shown
    best = clnorm.predict("run", ["[bold]clip[/bold].avi"], clips=2)[0].predictions
    assert f"{100 * best[0].probability:.1f}" in shown
    letters = "".join(line.split("│")[1].strip() for line in lines if line.count("│") == 3)
    assert long in letters, "a long name goes on in the next line"


# Exporting


@pytest.mark.parametrize(
    ("norm", "said"),
    [
        ("cn:axis=clip", "13 ContinualNorm became GroupNorm"),
        ("bn", "13 BatchNorm folded into the linear layer behind"),
        ("gn:groups=4", "13 GroupNorm kept"),
    ],
)
def test_the_exported_file_predicts_as_the_run_does(tiny, tmp_path, video, norm, said, capsys):
    run = write_run(tmp_path / "run", tiny(norm=norm))
    assert main(["export", str(run)]) == 0
    captured = capsys.readouterr()
    file = run / "export.safetensors"
    for word in (str(file), said, "random pixels", "input: clips (batch, 4, 3, 16, 16)"):
        assert word in captured.out
    assert captured.err == ""
    trained, exported = clnorm.predict(run, [video])[0], clnorm.predict(file, [video])[0]
    assert by_action(exported) == pytest.approx(by_action(trained), rel=1e-4)
    model, other = clnorm.load_model(run).model, clnorm.load_model(file).model
    clips = draw(3, 4, 3, 16, 16, seed=8)
    assert torch.allclose(model(clips), other(clips), rtol=1e-4, atol=1e-4)
    assert ("running_mean" in "".join(other.state_dict())) is False


def test_the_report_states_the_difference_it_measured(run):
    report = export_model(run, out=run / "other")
    assert report.file == run / "other"
    clips = torch.rand(4, 4, 3, 16, 16, generator=torch_generator(0, "export check")) * 2 - 1
    trained, exported = (clnorm.load_model(path).model(clips).detach() for path in (run, run / "other"))
    assert report.difference == pytest.approx((trained - exported).abs().max().item())
    assert report.largest == pytest.approx(trained.abs().max().item())
    assert 0 < report.difference < 1e-4 * report.largest
    assert f"differ by at most {report.difference:.1e} from the trained model's" in report.summary()


def test_an_exported_file_can_be_exported_again(run):
    first = export_model(run).file
    with pytest.raises(UserError, match="is the model to export"):
        export_model(first)
    again = export_model(first, out=run / "again")
    assert again.norms.summary() == "13 GroupNorm kept"
    clips = draw(2, 4, 3, 16, 16)
    assert torch.equal(clnorm.load_model(first).model(clips), clnorm.load_model(run / "again").model(clips))


def test_an_export_that_computes_something_else_is_not_written(run, monkeypatch):
    from clnorm.models.deploy import simplify_norms

    def wrong(model):
        done = simplify_norms(model)
        done.model.head.bias.data[0] += 1
        return done

    monkeypatch.setattr("clnorm.inference.simplify_norms", wrong)
    with pytest.raises(ClnormError, match=r"export\.safetensors: the exported model's logits differ by 1\.0e\+00"):
        export_model(run)
    assert not (run / "export.safetensors").exists()


def test_the_model_of_the_run_is_not_overwritten(run):
    before = (run / "model.safetensors").read_bytes()
    with pytest.raises(UserError, match="is the model to export"):
        export_model(run, out=run / ".." / run.name / "model.safetensors")
    assert (run / "model.safetensors").read_bytes() == before


def test_an_unknown_format_and_a_folder_that_is_not_there(run, capsys):
    assert main(["export", str(run), "--format", "onx"]) == 2
    assert "did you mean 'onnx'?" in capsys.readouterr().err
    assert main(["export", str(run), "--out", str(run / "no" / "file")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_onnx_without_the_extra_says_how_to_install_it(run, monkeypatch):
    monkeypatch.setattr("clnorm.models.onnx_export._PACKAGES", ("onnx", "no_such_package"))
    with pytest.raises(ClnormError, match=r"ONNX needs no_such_package; pip install 'clnorm\[onnx\]'"):
        export_model(run, format="onnx")


def test_a_model_that_onnx_cannot_express_is_one_error(run, monkeypatch, capsys):
    def broken(*_, **__):
        sys.stdout.write("an exporter talks")
        raise RuntimeError("no such operator\nmore lines")

    monkeypatch.setattr("torch.export.export", broken)
    assert main(["export", str(run), "--format", "onnx"]) == 1
    said = "error: onnx: torch cannot export this model: RuntimeError: no such operator\n"
    assert capsys.readouterr() == ("", said)
    assert sorted(path.name for path in run.iterdir()) == ["model.safetensors", "record.json"]


def shallow(num_classes, image_size, num_frames, variant: str = "lsvit"):
    """A plug-in backbone: all that lsvit_nano has, at less depth, since ONNX's exporter takes its time."""
    sizes = {
        "width": 96,
        "depth": 1,
        "heads": 3,
        "patch_size": 8,
        "drop_path": 0.0,
        "drop_path_per": "clip",
        "ffn_bn": True,
    }
    return VideoViT(
        variant, num_classes=num_classes, image_size=image_size, num_frames=num_frames, dropout=0.0, **sizes
    )


@pytest.mark.parametrize("variant", ["lsvit", "lsvit_signed"])
def test_onnx_runtime_computes_the_same(tiny, tmp_path, variant, capsys):
    import onnx
    import onnxruntime

    run = write_run(tmp_path / "run", tiny(norm="cn", backbone=f"{__name__}:shallow:variant={variant}"))
    assert main(["export", str(run), "--format", "onnx", "--out", str(tmp_path / "m.onnx")]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"wrote {tmp_path / 'm.onnx'} (onnx, ")
    assert captured.out.count("\n") == 4
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    model = clnorm.load_model(run).model
    for batch in (1, 3):
        clips = draw(batch, 4, 3, 16, 16, seed=batch)
        (logits,) = session.run(None, {"clips": clips.numpy()})
        expected = model(clips).detach().numpy()
        assert np.abs(logits - expected).max() <= 1e-4 * np.abs(expected).max()
    stated = {item.key: item.value for item in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert json.loads(stated["classes"]) == [CLASSES[label] for label in ORDER]
    assert "(batch, 4, 3, 16, 16), RGB, pixel value / 127.5 - 1" in stated["input"]
    assert session.get_inputs()[0].shape == ["batch", 4, 3, 16, 16]


def test_nothing_is_read_with_pickle(run, video, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("pickle")

    for name in ("torch.load", "pickle.load", "pickle.loads"):
        monkeypatch.setattr(name, refuse)
    export_model(run)
    shutil.move(run / "export.safetensors", run.parent / "alone.safetensors")
    assert clnorm.predict(run.parent / "alone.safetensors", [video])[0].clips == 1
