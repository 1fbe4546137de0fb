"""Predicting videos with a run's model: from Python and from the command line."""

import csv
import json

import pytest
import torch
import torch.nn.functional as F
from torchcodec.decoders import VideoDecoder

import clnorm
from clnorm.cli.main import main
from clnorm.data.store.video import DecodeError
from clnorm.deploy.saved import read_model, save_model
from clnorm.errors import ClnormError, UserError

CLASSES = ["wave", "run", "sit", "[red]jump"]  # of each output


def frames_at(path, indices):
    """These frames of a video as a model's input, (1, T, 3, 16, 16), by hand."""
    frames = VideoDecoder(str(path)).get_frames_at(indices).data
    return (F.interpolate(frames, size=(16, 16), mode="bilinear", antialias=True).float() / 127.5 - 1)[None]


@torch.no_grad()
def probabilities_of(run, path, indices):
    """By class name: the softmax of the kept model on these frames."""
    model = read_model(run / "model.safetensors").model
    softmax = model(frames_at(path, indices)).double().softmax(1)[0].tolist()
    return dict(zip(CLASSES, softmax, strict=True))


def by_action(prediction):
    return {item.action: item.probability for item in prediction.predictions}


def test_a_prediction_is_the_softmax_over_all_classes_of_the_sampled_frames(run, video):
    (prediction,) = clnorm.predict(run, [video])
    assert (prediction.video, prediction.clips) == (str(video), 1)
    expected = probabilities_of(run, video, [2, 7, 12, 17])
    assert by_action(prediction) == pytest.approx(expected, rel=1e-4)
    assert sum(by_action(prediction).values()) == pytest.approx(1, abs=1e-12)
    assert [item.action for item in prediction.predictions] == sorted(expected, key=expected.get, reverse=True)
    assert max(expected.values()) - min(expected.values()) > 0.01


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keep", "frames", "shown"),
    [("T", 20, [2, 7, 12, 17]), ("2T", 20, [3, 8, 13, 18]), ("all", 20, [2, 7, 12, 17]), ("2T", 6, [0, 2, 3, 5])],
)
def test_the_frames_shown_are_those_of_evaluation(tiny, tmp_path, keep, frames, shown, write_run, write_video):
    run = write_run(tmp_path / "runs" / "run", tiny(norm="cn", data__keep=keep))
    path = write_video(tmp_path / "clip.avi", frames=frames)
    (prediction,) = clnorm.predict(run, [path])
    assert by_action(prediction) == pytest.approx(probabilities_of(run, path, shown), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("clips", ["auto", 2, "2"])
def test_a_long_video_is_the_mean_of_its_parts(run, tmp_path, clips, write_video):
    path = write_video(tmp_path / "long.avi", frames=101)
    (prediction,) = clnorm.predict(run, [path], clips=clips)
    halves = [probabilities_of(run, path, [6, 18, 31, 43]), probabilities_of(run, path, [56, 69, 81, 94])]
    expected = {action: (halves[0][action] + halves[1][action]) / 2 for action in CLASSES}
    assert prediction.clips == 2
    assert by_action(prediction) == pytest.approx(expected, rel=1e-4)
    assert by_action(prediction) != pytest.approx(halves[0], rel=1e-2)


@pytest.mark.slow
def test_more_parts_than_pass_the_model_at_once(run, tmp_path, write_video):
    path = write_video(tmp_path / "long.avi", frames=36)
    (prediction,) = clnorm.predict(run, [path], clips=9)
    parts = [probabilities_of(run, path, [start, start + 1, start + 2, start + 3]) for start in range(0, 36, 4)]
    expected = {action: sum(part[action] for part in parts) / 9 for action in CLASSES}
    assert by_action(prediction) == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_several_videos_in_their_order_and_top(run, tmp_path, write_video):
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


@pytest.mark.slow
def test_what_is_no_video_is_named_and_the_others_are_printed(run, video, tmp_path, capsys):
    text, broken = tmp_path / "notes.txt", tmp_path / "broken.avi"
    text.write_text("a line of text\n" * 50)
    broken.write_bytes(video.read_bytes()[:200])
    for path, code, word in [
        (tmp_path / "none.avi", 2, "there is no such file"),
        (broken, 1, "no frame"),
        (text, 1, "it is a text file"),
    ]:
        assert main(["predict", str(run), str(path), str(video), "--csv", "--top", "1"]) == code
        captured = capsys.readouterr()
        assert [row["video"] for row in csv.DictReader(captured.out.splitlines())] == [str(video)]
        assert captured.err.startswith(f"error: {path}: ")
        assert word in captured.err
        assert main(["predict", str(run), str(path), "--csv"]) == code
        assert capsys.readouterr().out == "", "nothing was predicted"
    with pytest.raises(DecodeError):
        clnorm.predict(run, [video, text])
    with pytest.raises(UserError, match="there is no such file"):
        clnorm.predict(run, [tmp_path / "none.avi"])
    with pytest.raises(UserError, match="is a folder, not a video"):
        clnorm.predict(run, [tmp_path])


@pytest.mark.slow
def test_several_bad_videos_are_all_named(run, video, tmp_path, capsys):
    nowhere, elsewhere, empty = tmp_path / "a.mp4", tmp_path / "b.mp4", tmp_path / "c.mp4"
    empty.write_bytes(b"")
    assert main(["predict", str(run), str(nowhere), str(video), str(elsewhere), "--json"]) == 2
    captured = capsys.readouterr()
    assert [item["video"] for item in json.loads(captured.out)] == [str(video)]
    assert [line.split(": ")[1] for line in captured.err.splitlines()] == [str(nowhere), str(elsewhere)]
    assert main(["predict", str(run), str(nowhere), str(empty), str(video)]) == 1
    captured = capsys.readouterr()
    assert str(video) in captured.out.replace("\n", "")
    assert captured.err.startswith(f"error: 2 of 3 videos are left out: {nowhere}: there is no such file; ")
    assert f"{empty}: the file is empty" in captured.err


@pytest.mark.slow
def test_of_a_folder_what_is_no_video_by_its_suffix_is_left_out_with_a_note(run, video, tmp_path, capsys):
    folder = tmp_path / "golf"
    (folder / "below.mp4").mkdir(parents=True)
    (folder / "notes.txt").write_text("notes")
    assert main(["predict", str(run), str(folder), "--csv"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"error: {folder}: holds no video, by the suffixes of its files" in captured.err
    for name in ("b.MP4", "a.avi"):
        (folder / name).write_bytes(video.read_bytes())
    assert main(["predict", str(run), str(folder), "--csv", "--top", "1"]) == 0
    captured = capsys.readouterr()
    rows = csv.DictReader(captured.out.splitlines())
    assert [row["video"] for row in rows] == [str(folder / name) for name in ("a.avi", "b.MP4")]
    assert captured.err == f"note: {folder}: no videos by their suffix, and left out: 1 file ('notes.txt')\n"


def test_json_is_all_that_stdout_holds(run, video, capsys):
    assert main(["predict", str(run), str(video), "--json", "--top", "3", "--clips", "2"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    (prediction,) = clnorm.predict(run, [video], top=3, clips=2)
    best = [{"action": item.action, "probability": item.probability} for item in prediction.predictions]
    assert json.loads(captured.out) == [{"video": str(video), "clips": 2, "predictions": best, "note": ""}]
    assert len(best) == 3


def test_names_are_shown_as_they_are_within_80_columns(tiny, tmp_path, monkeypatch, capsys, write_run, write_video):
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


def test_csv_of_a_folder_of_videos(run, video, tmp_path, capsys):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("b.mp4", "a,1.mp4", ".hidden"):
        (folder / name).write_bytes(video.read_bytes())
    assert main(["predict", str(run), str(folder), "--csv", "--top", "2"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["video"] for row in rows] == [str(folder / name) for name in ("a,1.mp4", "a,1.mp4", "b.mp4", "b.mp4")]
    assert [row["rank"] for row in rows] == ["1", "2", "1", "2"]
    (expected,) = clnorm.predict(run, [video], top=2)
    assert [float(row["probability"]) for row in rows[:2]] == [item.probability for item in expected.predictions]
    assert main(["predict", str(run), str(video), "--csv", "--json"]) == 2


def test_an_empty_folder_and_an_onnx_model_are_named(run, video, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["predict", str(run), str(tmp_path / "empty")]) == 2
    assert "empty: holds no file" in capsys.readouterr().err
    (tmp_path / "model.onnx").write_bytes(b"onnx")
    assert main(["predict", str(tmp_path / "model.onnx"), str(video)]) == 2
    assert "model.onnx: is an ONNX model, which other programs run; give the run's folder" in capsys.readouterr().err
