"""Figures of what runs keep beside their records: the numbers that they draw, and the tables that these come from."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from clnorm.cli.main import main
from clnorm.errors import ClnormError, UserError
from clnorm.figures.of_confusion import plot_confusion
from clnorm.figures.of_explanations import plot_explanation
from clnorm.figures.of_losses import plot_losses
from clnorm.figures.of_sites import plot_sites
from clnorm.results.explanation import write_explanation
from clnorm.results.folder import PLASTICITY_FILE, RunFolder, write_frame
from clnorm.results.frames.confusion import load_confusion
from clnorm.results.frames.explanations import load_explanations
from clnorm.results.frames.losses import load_losses
from clnorm.results.frames.sites import load_sites
from tests.results.kept import EXPLANATION, keep_run

EXPLAINED = replace(
    EXPLANATION,
    best=[0.9],
    final=[0.5],
    statistics=[-0.1],
    head=[0.3],
    features=[0.2],
    head_before_statistics=[0.3],
)
SITES = pd.DataFrame(
    {
        "after": [0, 0, 1, 1],
        "site": ["b.norm", "a.norm"] * 2,
        "effective_rank": [10.0, 20.0, 8.0, 12.0],
        "drift_probe": [np.nan, np.nan, 0.5, 0.25],
    }
)
LOG = [
    {"experience": 0, "epoch": 1, "loss": 2.0, "clips": 4, "clips_per_second": 9.0},
    {"experience": 0, "loss": 0.1, "head": "made anew"},
    {"experience": 1, "epoch": 1, "loss": 1.0, "clips": 4, "clips_per_second": 9.0},
]


@pytest.fixture
def kept(tmp_path):
    """A folder with two finished runs of one norm, two seeds, that keep everything."""
    for seed in (0, 1):
        path = tmp_path / f"r{seed}"
        names = {**dict.fromkeys(("dataset", "protocol", "backbone"), "a"), "norm": "ln", "strategy": "naive"}
        keep_run(path, seed=seed, names=names)
        write_explanation(path, replace(EXPLAINED, run=path.name, head=[0.3 + 0.1 * seed], final=[0.5 - 0.1 * seed]))
        write_frame(path / PLASTICITY_FILE, SITES.assign(effective_rank=SITES["effective_rank"] + 2 * seed))
        log = [{**line, "loss": line["loss"] + seed} for line in LOG]
        (path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    return tmp_path


def test_the_parts_of_forgetting_are_stacked_and_their_sum_is_marked(kept):
    frame = load_explanations(kept)
    assert frame.groupby("seed")["value"].sum().tolist() == pytest.approx([0.4, 0.5])
    axes = plot_explanation(frame).axes[0]
    bars = {container.get_label(): container.patches[0] for container in axes.containers}
    heights = {part: (bar.get_y(), bar.get_height()) for part, bar in bars.items()}
    assert heights["statistics"] == pytest.approx((0, -10))
    assert heights["head"] == pytest.approx((0, 35))
    assert heights["features"] == pytest.approx((35, 20))
    (mark,) = (line for line in axes.lines if line.get_label() == "forgetting")
    assert mark.get_ydata().tolist() == pytest.approx([45])


def test_losses_count_the_epochs_that_passed_and_leave_out_what_is_none(kept):
    frame = load_losses(kept)
    assert frame[frame["seed"] == 0][["experience", "epoch", "passed", "loss"]].to_numpy().tolist() == [
        [1, 1, 1, 2.0],
        [2, 1, 2, 1.0],
    ]
    axes = plot_losses(frame).axes[0]
    (mean,) = (line for line in axes.lines if line.get_label() == "LN")
    assert mean.get_xydata().tolist() == [[1, 2.5], [2, 1.5]]
    assert [1.5, 1.5] in [list(line.get_xdata()) for line in axes.lines], "where the second experience begins"


def losses_of(**of_norms):
    """Losses of each norm under naive in two experiences of as many epochs, and of ln under ewc, from 1 to 2."""
    rows = [
        {"norm": norm, "strategy": strategy, "label": "", "seed": 0, "run": norm, "passed": passed, "loss": loss}
        for strategy, own in (("naive", of_norms), ("ewc", {"ln": [1.0, 2.0]}))
        for norm, losses in own.items()
        for passed, loss in enumerate(losses, start=1)
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(experience=(frame["passed"] + 1) // 2)


def test_a_run_that_diverged_hides_no_other_and_the_axis_says_so():
    panels = {axes.get_title(): axes for axes in plot_losses(losses_of(ln=[2.0, 1.0, 0.5], bn=[3.0, 1e12, 1e9])).axes}
    naive, ewc = panels["Naive"], panels["EWC"]
    assert (naive.get_yscale(), naive.get_ylabel()) == ("log", "training loss (log scale)")
    assert (ewc.get_yscale(), ewc.get_ylabel()) == ("linear", "training loss")
    (ln,) = (line for line in naive.lines if line.get_label() == "LN")
    heights = naive.transData.transform(ln.get_xydata())[:, 1]
    assert heights.max() - heights.min() > 3, "pixels"
    naive.figure.draw_without_rendering()
    assert "10\u00b9\u00b2" in [text.get_text() for text in naive.get_yticklabels()]
    (plain, _) = plot_losses(losses_of(ln=[999.0, 1.0])).axes
    assert (plain.get_yscale(), plain.get_ylabel()) == ("linear", "training loss")
    assert plain.get_ylim()[0] == 0


def test_a_loss_of_none_has_a_place_on_a_logarithmic_axis_too():
    naive = plot_losses(losses_of(ln=[5000.0, 1.0, 0.0, float("inf")])).axes[0]
    assert naive.get_yscale() == "symlog"
    assert naive.get_ylim()[0] <= 0 < 5000 < naive.get_ylim()[1] < 1e5
    naive.figure.draw_without_rendering()


def test_ticks_of_losses_stand_at_the_ends_of_experiences():
    assert sorted(plot_losses(losses_of(ln=[1.0] * 6)).axes[0].get_xticks()) == [2, 4, 6]
    assert sorted(plot_losses(losses_of(ln=[1.0] * 20)).axes[0].get_xticks()) == [4, 8, 12, 16, 20]


def test_sites_stand_in_the_order_of_the_forward_pass(kept):
    frame = load_sites(kept)
    assert frame[["site", "depth"]].drop_duplicates().to_numpy().tolist() == [["b.norm", 1], ["a.norm", 2]]
    figure = plot_sites(frame)
    titles = {axes.get_title(): axes.lines[0].get_xydata().tolist() for axes in figure.axes}
    assert titles == {"Naive, after 1": [[1, 11], [2, 21]], "Naive, after 2": [[1, 9], [2, 13]]}
    drift = plot_sites(frame, measure="drift_probe")
    assert [axes.get_title() for axes in drift.axes] == ["Naive, after 2"]
    with pytest.raises(UserError, match="measure: there is no 'drift'; did you mean 'drift_probe'"):
        plot_sites(frame, measure="drift")
    with pytest.raises(UserError, match="drift_running is defined at no site"):
        plot_sites(frame.assign(drift_running=np.nan), measure="drift_running")


def test_confusion_is_the_share_of_each_class_over_all_seeds(kept):
    frame = load_confusion(kept)
    assert frame["clips"].sum() == 8
    axes = plot_confusion(frame).axes[0]
    # After the last step both clips of the first class are taken for the second, and one of the second for the first.
    assert axes.images[0].get_array().tolist() == [[0.0, 1.0], [0.5, 0.5]]
    assert len(axes.lines) == 2, "a line each way between the experiences"
    other = frame.assign(place=1 - frame["place"]).sort_values("place").assign(run="other", seed=frame["seed"] + 2)
    with pytest.raises(UserError, match="2 orders of their classes; choose one with --where seed=0"):
        plot_confusion(pd.concat([frame, other], ignore_index=True))


LOADERS = {
    load_explanations: "keeps explain.json; make it with: clnorm explain RUN",
    load_sites: "plasticity.parquet; make them with --set eval.plasticity=true",
    load_losses: "no finished run keeps log.jsonl",
    load_confusion: "no finished run keeps predictions.parquet",
}


@pytest.mark.parametrize("load", LOADERS)
def test_what_no_run_keeps_is_named(kept, load):
    for name in ("explain.json", PLASTICITY_FILE, "log.jsonl", "predictions.parquet"):
        for file in kept.glob(f"*/{name}"):
            file.unlink()
    with pytest.raises(UserError, match=LOADERS[load]):
        load(kept)


def test_a_run_that_lacks_them_is_left_out_and_named_and_so_is_a_damaged_file(kept, capsys):
    (kept / "r0" / "explain.json").unlink()
    lacking = []
    assert set(load_explanations(kept, on_lacking=lacking.append)["seed"]) == {1}
    assert lacking == [kept / "r0"]
    out = str(kept.parent / "explain.svg")
    assert main(["plot", str(kept), "--figure", "explain", "--out", out]) == 0
    assert "left out, since they do not keep what it is drawn from: r0" in capsys.readouterr().err
    (kept / "r1" / "explain.json").write_text("{}")
    with pytest.raises(ClnormError, match=r"r1/explain.json"):
        load_explanations(kept)


@pytest.mark.parametrize("load", LOADERS)
def test_only_finished_runs_count(kept, load):
    for folder in kept.iterdir():
        record = RunFolder(folder).load()
        RunFolder(folder).write("record.json", replace(record, status="unfinished").to_json())
    with pytest.raises(UserError, match="holds no finished run; go on with them: clnorm runs"):
        load(kept)
