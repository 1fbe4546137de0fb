"""What figures draw: the numbers of the frames that they are given, worked by hand; and how they are kept."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from clnorm.cli.main import main
from clnorm.errors import UserError
from clnorm.figures.looks import looks_of
from clnorm.figures.of_matrices import plot_accuracy, plot_forgetting, plot_matrix, plot_tradeoff
from clnorm.figures.of_ranks import plot_ranks
from clnorm.figures.style import save_figure
from clnorm.results.frames.matrices import load_matrices
from tests.results.records import FINISHED
from tests.tables.frames import runs

# Two seeds of two experiences with one and three test clips: R = [[1, --], [0.5, 1]] and [[0.8, --], [0.4, 0.6]].
SEEDS = {0: [(1, 1, 1.0), (2, 1, 0.5), (2, 2, 1.0)], 1: [(1, 1, 0.8), (2, 1, 0.4), (2, 2, 0.6)]}
JOINT = {0: [(2, 1, 1.0), (2, 2, 1.0)], 1: [(2, 1, 0.8), (2, 2, 1.0)]}


def matrices(**of_strategies):
    rows = [
        {
            "norm": norm,
            "label": "",
            "strategy": strategy,
            "seed": seed,
            "after": after,
            "on": on,
            "accuracy": accuracy * scale,
            "clips": 3 if on == 2 else 1,
        }
        for strategy, seeds in (of_strategies or {"naive": SEEDS, "joint": JOINT}).items()
        for norm, scale in (("ln", 1.0), ("cn", 0.5))
        for seed, entries in seeds.items()
        for after, on, accuracy in entries
    ]
    return pd.DataFrame(rows)


def lines(axes):
    return {line.get_label(): line.get_xydata() for line in axes.lines}


def test_the_accuracy_on_all_seen_is_weighted_by_clips_and_joint_training_is_a_line():
    figure = plot_accuracy(matrices())
    (axes,) = (each for each in figure.axes if each.get_title())
    assert axes.get_title() == "Naive"
    # of the first seed one clip half right and three right, of the second 0.4 and 1.8 of four
    np.testing.assert_allclose(lines(axes)["LN"], [[1, 90], [2, 100 * (0.875 + 0.55) / 2]])
    np.testing.assert_allclose(lines(axes)["CN"], [[1, 45], [2, 50 * (0.875 + 0.55) / 2]])
    levels = sorted({float(line.get_ydata()[0]) for line in axes.lines if len(set(line.get_ydata())) == 1})
    assert levels == pytest.approx([48.75, 97.5])  # (1 + 0.95) / 2


def test_a_band_is_the_interval_of_students_t_and_one_seed_has_none():
    (band, _) = plot_accuracy(matrices()).axes[0].collections
    low, high = band.get_paths()[0].get_extents().get_points()[:, 1]
    # of the first experience: 90 +- t(0.975, 1) 14.142 / sqrt(2), of the second one 71.25 +- 12.706 x 16.25
    assert (low, high) == pytest.approx((71.25 - 12.7062 * 16.25, 71.25 + 12.7062 * 16.25), rel=1e-4)
    assert not plot_accuracy(matrices(naive={0: SEEDS[0]})).axes[0].collections


def test_forgetting_is_from_the_best_before_the_end_for_each_experience_but_the_last():
    axes = plot_forgetting(matrices()).axes[0]
    heights = [bar.get_height() for bar in axes.patches]
    assert heights == pytest.approx([45.0, 22.5])  # ln: (0.5 + 0.4) / 2; cn: half of it
    assert list(axes.get_xticks()) == [1]


def test_the_best_may_come_later_than_right_after_learning():
    rising = {0: [(1, 1, 0.5), (2, 1, 0.9), (2, 2, 1.0), (3, 1, 0.3), (3, 2, 0.8), (3, 3, 1.0)]}
    frame = matrices(naive=rising)
    frame = frame[frame["norm"] == "ln"]
    assert [bar.get_height() for bar in plot_forgetting(frame).axes[0].patches] == pytest.approx([60.0, 20.0])


def test_what_is_learned_against_what_is_kept():
    axes = plot_tradeoff(matrices()).axes[0]
    points = {tuple(np.round(line.get_xydata()[0], 6)) for line in axes.lines if line.get_label() in ("LN", "CN")}
    # learned are 1 and 0.7 in the mean of both experiences, kept 0.5 and 0.4 of the first one
    assert points == {(85.0, 45.0), (42.5, 22.5)}


def test_a_matrix_is_the_mean_over_seeds_with_gaps_where_nothing_was_tested():
    panels = {axes.get_title(): axes.images[0].get_array().filled(-1) for axes in plot_matrix(matrices()).axes}
    np.testing.assert_allclose(panels["LN, Naive"], [[0.9, -1], [0.45, 0.8]])
    np.testing.assert_allclose(panels["CN, Joint"], [[-1, -1], [0.45, 0.5]])


def test_ranks_have_their_intervals():
    values = {
        ("bn", "naive"): [0.10, 0.11, 0.12],
        ("ln", "naive"): [0.5, 0.52, 0.51],
        ("cn", "naive"): [0.50, 0.51, 0.53],
    }
    axes = plot_ranks(runs(values)).axes[0]
    named = [text.get_text() for text in axes.get_yticklabels()]
    spans = {name: tuple(line.get_xdata()) for name, line in zip(named, axes.lines[::2], strict=True)}
    assert spans == {"CN": (1, 2), "LN": (1, 2), "BN": (3, 3)}
    assert named == ["CN", "LN", "BN"]


def test_the_legend_names_what_any_panel_shows():
    frame = matrices(naive=SEEDS, replay=SEEDS)
    frame = frame[~((frame["norm"] == "cn") & (frame["strategy"] == "naive"))]
    (legend,) = plot_accuracy(frame).legends
    assert [text.get_text() for text in legend.get_texts()] == ["LN", "CN"]


def test_a_name_is_text_and_no_formula(tmp_path):
    frame = matrices().assign(norm="$\\frac{$ <b>")
    save_figure(plot_matrix(frame), tmp_path / "figure.svg")
    assert "$\\frac{$ &lt;b&gt;" in (tmp_path / "figure.svg").read_text()


@pytest.mark.parametrize("ending", ["pdf", "svg", "png"])
def test_the_same_figure_is_the_same_file_and_the_settings_outside_stay(tmp_path, ending):
    before = dict(mpl.rcParams)
    for name in ("a", "b"):
        save_figure(plot_accuracy(matrices()), tmp_path / f"{name}.{ending}")
    assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()
    assert dict(mpl.rcParams) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a.{ending}", f"b.{ending}"]


@pytest.mark.parametrize("ending", ["pdf", "png"])
def test_a_letter_that_the_font_lacks_is_named_and_an_svg_keeps_it(tmp_path, ending):
    frame = matrices().replace({"naive": "\u70b9\u6ec5"})
    words = (
        "the font of figures lacks the letters \u70b9\u6ec5, such as of '\u70b9\u6ec5'; name a file that ends with .svg"
    )
    with pytest.raises(UserError, match=words):
        save_figure(plot_accuracy(frame), tmp_path / f"figure.{ending}")
    assert not list(tmp_path.iterdir())
    save_figure(plot_accuracy(frame), tmp_path / "figure.svg")
    assert "\u70b9\u6ec5" in (tmp_path / "figure.svg").read_text(encoding="utf-8")


def lacking():
    frame = matrices()
    return frame[~((frame["norm"] == "ln") & (frame["strategy"] == "naive") & (frame["seed"] == 1))]


def twice():
    frame = matrices()
    own = (frame["norm"] == "cn") & (frame["seed"] == 0) & (frame["strategy"] == "naive")
    return pd.concat([frame.assign(run="a"), frame[own].assign(run="b")], ignore_index=True)


REFUSED = [
    (lambda: plot_accuracy(matrices(joint=JOINT)), "all runs are joint training"),
    (lambda: plot_forgetting(matrices(joint=JOINT)), "no run has learned two experiences in turn"),
    (lambda: plot_tradeoff(matrices(joint=JOINT)), "no run has learned two experiences in turn"),
    (lambda: plot_accuracy(lacking()), "ln with naive has no finished run with seed 1, which others have; run it"),
    (lambda: plot_accuracy(twice()), "cn with naive has several runs with seed 0"),
    (lambda: plot_accuracy(matrices(), columns=3), "columns: 3 is not legal; legal: 1, 2"),
    (
        lambda: plot_accuracy(matrices(**{f"s{i}": SEEDS for i in range(17)})),
        "takes 2 pages; take one, .*--page 1, .*--where",
    ),
    (
        lambda: plot_accuracy.pages(matrices(**{f"s{i}": SEEDS for i in range(97)})),
        "97 panels take 7 pages; legal: up to 6; choose some with --where",
    ),
    (lambda: plot_ranks(runs({("bn", "naive"): [0.1, 0.2], ("ln", "naive"): [0.1, 0.2]})), "3 or more to compare"),
    (lambda: plot_ranks(runs({("bn", "naive"): [0.1] * 3}), metric="fwt"), "no finished run holds fwt; compute it"),
    (
        lambda: plot_ranks(runs({(norm, "joint"): [float("nan")] * 3 for norm in ("bn", "ln")})),
        "ACC under joint: ranks: bn has a value that is undefined",
    ),
    (lambda: save_figure(plot_accuracy(matrices()), "figure"), "'figure' ends with no format"),
]


@pytest.mark.parametrize(("draw", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_what_cannot_be_drawn_is_refused(draw, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=words):
        draw()
    assert not list(tmp_path.iterdir())


@pytest.fixture
def kept(tmp_path):
    """A folder with two finished runs and one that is not."""
    from dataclasses import replace

    from clnorm.results.folder import RunFolder

    folder = tmp_path / "runs"
    for seed, status in ((0, "finished"), (1, "finished"), (2, "unfinished")):
        path = folder / f"r{seed}"
        path.mkdir(parents=True)
        names = {**FINISHED.names, "norm": "ln", "strategy": "naive"}
        record = replace(FINISHED, run=path.name, seed=seed, status=status, names=names)
        RunFolder(path).write("record.json", record.to_json())
    return folder


def test_matrices_of_all_finished_runs_and_the_command(kept, capsys):
    frame = load_matrices(kept)
    assert frame[frame["seed"] == 0][["after", "on", "accuracy", "clips"]].to_numpy().tolist() == [
        [1, 1, 0.5, 4],
        [2, 1, 0.25, 4],
        [2, 2, 0.75, 4],
    ]
    assert set(frame["seed"]) == {0, 1}
    out = kept.parent / "figure.svg"
    assert main(["plot", str(kept), "--figure", "accuracy", "--out", str(out)]) == 0
    assert "experiences learned" in out.read_text()
    assert main(["plot", str(kept), "--figure", "ranks", "--out", str(out), "--metric", "accuracy"]) == 2
    assert main(["plot", str(kept), "--figure", "matrix", "--out", str(out), "--metric", "accuracy"]) == 2
    captured = capsys.readouterr()
    assert captured.out == f"wrote {out}\n"
    assert "--metric: matrix is of no one metric" in captured.err


def heads(axes):
    return {
        (line.get_marker(), *(round(float(each), 6) for each in line.get_xydata()[0]))
        for line in axes.lines
        if line.get_marker() in ("^", "v", "<", ">") and not line.get_clip_on()
    }


def test_a_whisker_that_goes_on_beyond_the_axis_has_an_arrow_head_there():
    """Two seeds lose 100 and 80 points: 90 +- 127, and in the axes from -37 to 102."""
    falls = {seed: [(1, 1, 1.0), (2, 1, 1.0 - lost), (2, 2, 1.0)] for seed, lost in ((0, 1.0), (1, 0.8))}
    frame = matrices(naive=falls)
    axes = plot_forgetting(frame[frame["norm"] == "ln"]).axes[0]
    assert axes.get_ylim()[0] < 90 - 127 < axes.get_ylim()[1] == 102
    assert heads(axes) == {("^", 1.0, 102.0)}
    same = dict.fromkeys((0, 1), falls[0])
    assert heads(plot_forgetting(matrices(naive=same)).axes[0]) == set()
    # learned are 1.0 and 0.7: 85 +- 191, kept 0.5 and 0.4: 45 +- 64
    axes = plot_tradeoff(matrices(naive=SEEDS)[lambda rows: rows["norm"] == "ln"], columns=1).axes[0]
    assert heads(axes) == {("<", -5.0, 45.0), (">", 105.0, 45.0), ("v", 85.0, -5.0), ("^", 85.0, 105.0)}


def test_a_bar_of_no_height_has_the_norms_marker():
    keeps = {seed: [(1, 1, 0.8), (2, 1, 0.8), (2, 2, 1.0)] for seed in (0, 1)}
    axes = plot_forgetting(matrices(naive=keeps)).axes[0]
    looks = looks_of(["ln", "cn"])
    marks = [line for line in axes.lines if len(line.get_xdata()) == 1]
    shown = {(line.get_marker(), line.get_color(), *line.get_xydata()[0].round(6)) for line in marks}
    assert shown == {(looks[norm].marker, looks[norm].color, x, 0.0) for norm, x in (("ln", 0.8), ("cn", 1.2))}
    high = [line.get_marker() for line in plot_forgetting(matrices()).axes[0].lines]
    assert not {looks[norm].marker for norm in looks} & set(high)


def test_a_marker_at_0_or_at_100_is_whole():
    """Half a marker is 1.75 points of 1/72 inch."""
    nothing = {0: [(1, 1, 1.0), (2, 1, 0.0), (2, 2, 1.0)]}
    page = plot_tradeoff(matrices(naive=nothing, replay={0: SEEDS[0]}), columns=1)
    page.draw_without_rendering()
    for axes in page.axes:
        box = axes.get_window_extent()
        for line in axes.lines:
            x, y = axes.transData.transform(line.get_xydata()[0])
            room = 1.75 * page.dpi / 72
            assert box.x0 + room < x < box.x1 - room
            assert box.y0 + room < y < box.y1 - room
