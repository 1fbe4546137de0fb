"""Exporting a run's model to one file: from Python and from the command line."""

import pytest
import torch

import clnorm
from clnorm.cli.main import main
from clnorm.deploy.export import compare_logits, draw_colours, export_model
from clnorm.errors import ClnormError, UserError


@pytest.mark.slow
@pytest.mark.parametrize(
    ("norm", "said"),
    [
        ("cn:axis=clip", "13 ContinualNorm became GroupNorm"),
        ("bn", "13 BatchNorm folded into the linear layer behind"),
        ("gn:groups=4", "13 GroupNorm kept"),
    ],
)
def test_the_exported_file_predicts_as_the_run_does(tiny, tmp_path, video, norm, said, capsys, write_run, draw):
    run = write_run(tmp_path / "run", tiny(norm=norm))
    assert main(["export", str(run)]) == 0
    captured = capsys.readouterr()
    file = run / "export.safetensors"
    for word in (str(file), said, "random colours", "input: clips (batch, 4, 3, 16, 16)"):
        assert word in captured.out
    assert captured.err == ""
    trained, exported = (
        {item.action: item.probability for item in clnorm.predict(path, [video])[0].predictions} for path in (run, file)
    )
    assert exported == pytest.approx(trained, rel=1e-4)
    model, other = clnorm.load_model(run).model, clnorm.load_model(file).model
    clips = draw(3, 4, 3, 16, 16, seed=8)
    assert torch.allclose(model(clips), other(clips), rtol=1e-4, atol=1e-4)
    assert ("running_mean" in "".join(other.state_dict())) is False


@pytest.mark.slow
def test_the_report_states_the_difference_it_measured(run):
    report = export_model(run, out=run / "other")
    assert report.file == run / "other"
    clips = draw_colours(4, (4, 3, 16, 16))
    trained, exported = (clnorm.load_model(path).model(clips).detach() for path in (run, run / "other"))
    assert report.difference == pytest.approx((trained - exported).abs().max().item())
    assert report.largest == pytest.approx(trained.abs().max().item())
    assert 0 < report.difference < 1e-4 * report.largest
    assert f"differ by at most {report.difference:.1e} from the trained model's" in report.summary()


@pytest.mark.slow
def test_an_exported_file_can_be_exported_again(run, draw):
    first = export_model(run).file
    with pytest.raises(UserError, match="is the model to export"):
        export_model(first)
    again = export_model(first, out=run / "again")
    assert again.norms.summary() == "13 GroupNorm kept"
    clips = draw(2, 4, 3, 16, 16)
    assert torch.equal(clnorm.load_model(first).model(clips), clnorm.load_model(run / "again").model(clips))


def test_an_export_that_computes_something_else_is_not_written(run, monkeypatch):
    from clnorm.deploy.simplify import simplify_norms

    def wrong(model):
        done = simplify_norms(model)
        done.model.head.bias.data[0] += 1
        return done

    monkeypatch.setattr("clnorm.deploy.export.simplify_norms", wrong)
    with pytest.raises(ClnormError, match=r"export\.safetensors: the exported model's logits differ by 1\.0e\+00"):
        export_model(run)
    assert not (run / "export.safetensors").exists()


class Cancelling(torch.nn.Module):
    """Of the mean of each frame, what is left after adding and taking away a million."""

    def forward(self, clips):
        return (clips.mean((2, 3, 4)) + 1e6) - 1e6


def test_the_rounding_of_the_trained_model_is_no_difference_of_the_export(tmp_path):
    shape = (2, 3, 8, 8)
    difference, largest = compare_logits(Cancelling(), lambda clips: clips.mean((2, 3, 4)), shape, tmp_path)
    assert 0.01 < difference < 0.07, "more than is legal, but for rounding: a float32 near 1e6 has steps of 1/16"
    assert largest < 1
    with pytest.raises(ClnormError, match="differ by"):
        compare_logits(Cancelling(), lambda clips: clips.mean((2, 3, 4)) + 0.2, shape, tmp_path)


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
