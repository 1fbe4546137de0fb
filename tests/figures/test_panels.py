"""Where panels stand: on pages, in one scale, with labels at the edges, and all that is written within the figure."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clnorm.cli.main import main
from clnorm.figures.names import wrap_name
from clnorm.figures.of_matrices import plot_accuracy, plot_forgetting, plot_matrix, plot_tradeoff
from clnorm.figures.panels import TALLEST
from clnorm.figures.registry import FIGURES
from clnorm.results.folder import RunFolder
from tests.figures.drawn import draw
from tests.figures.test_figures import JOINT, SEEDS, matrices
from tests.results.records import FINISHED

LONG = {
    "cn": "mypackage.norms:MyNorm:axis=token,groups=16",
    "replay": "mypackage.strategies:MyReplay:per_class=5,mix=true",
}


def many(count):
    return matrices(**{f"s{number:02d}": SEEDS for number in range(count)}, joint=JOINT)


def titles(page):
    return [axes.get_title() for axes in page.axes]


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("name", [name for name in FIGURES if name != "differences"])
def test_all_that_is_drawn_is_within_the_figure_whatever_the_names(name, columns, folder):
    """A layout that finds no room warns, which fails, too."""
    for page in draw(name, folder, renamed=LONG, columns=columns):
        page.draw_without_rendering()
        box, (wide, high) = page.get_tightbbox(), page.get_size_inches()
        assert box.x0 >= -0.02
        assert box.y0 >= -0.02
        assert box.x1 <= wide + 0.02
        assert box.y1 <= high + 0.02
        for axes in page.axes[:1]:
            assert axes.get_window_extent().width > 0.6 * page.dpi, "room is left for what the figure is about"


def test_the_ticks_of_ranks_name_norms_in_lines(folder):
    (page,) = draw("ranks", folder, renamed=LONG, columns=1)
    named = [text.get_text() for text in page.axes[0].get_yticklabels()]
    assert "mypackage.norms:\nMyNorm:axis=token,\ngroups=16" in named


@given(st.text("ab:,= \n", max_size=60), st.integers(1, 12))
def test_a_wrapped_name_loses_no_letter_and_no_line_is_too_long(name, most):
    lines = wrap_name(name, most).split("\n")
    assert "".join(lines).replace(" ", "") == name.replace(" ", "").replace("\n", "")
    assert all(len(line) <= most for line in lines)


def test_panels_go_on_on_a_second_page_with_the_same_scale_looks_and_legend():
    first, second = pages = plot_forgetting.pages(many(17))
    assert [len(page.axes) for page in pages] == [12, 5], "rows of four are shared out"
    assert titles(first) + titles(second) == [f"s{number:02d}" for number in range(17)]
    assert len({axes.get_ylim() for page in pages for axes in page.axes}) == 1
    legends = [[text.get_text() for text in page.legends[0].get_texts()] for page in pages]
    assert legends[0] == legends[1] == ["LN", "CN"]
    assert first.axes[0].patches[0].get_facecolor() == second.axes[0].patches[0].get_facecolor()
    assert all(page.get_figheight() <= TALLEST for page in pages)


@pytest.mark.parametrize("columns", [1, 2])
def test_no_page_is_taller_than_a_papers(columns):
    for page in plot_matrix.pages(many(8), columns=columns):
        assert page.get_figheight() <= TALLEST


def test_what_stands_apart_in_one_panel_is_not_at_the_edge_of_the_scale_of_all():
    low = {seed: [(after, on, value * 0.2) for after, on, value in rows] for seed, rows in SEEDS.items()}
    frame = matrices(naive={0: SEEDS[0]}, replay={0: low[0]})
    for axes in plot_tradeoff(frame).axes:
        for scale, at in ((axes.get_xlim(), 0), (axes.get_ylim(), 1)):
            points = [line.get_xydata()[0][at] for line in axes.lines]
            room = 0.03 * (scale[1] - scale[0])
            assert scale[0] + room < min(points) <= max(points) < scale[1] - room or max(points) == 100


def test_one_value_alone_has_room_around_it():
    frame = matrices(naive={0: SEEDS[0]})
    (axes,) = plot_tradeoff(frame[frame["norm"] == "cn"]).axes
    assert (axes.get_xlim(), axes.get_ylim()) == ((49.5, 50.5), (24.5, 25.5))


def test_intervals_are_cut_where_no_accuracy_is():
    for axes in plot_tradeoff(matrices()).axes:
        assert (axes.get_ylim(), axes.get_xlim()[1]) == ((-5, 105), 105)


def test_scales_are_named_where_rows_begin_and_columns_end():
    (page,) = plot_accuracy.pages(many(6))  # four and two
    assert [bool(axes.get_ylabel()) for axes in page.axes] == [True, False, False, False, True, False]
    assert [bool(axes.get_xlabel()) for axes in page.axes] == [False, False, True, True, True, True]
    page.draw_without_rendering()
    numbered = [any(text.get_visible() for text in axes.get_xticklabels()) for axes in page.axes]
    assert numbered == [False, False, True, True, True, True]


def test_a_matrix_has_as_many_rows_as_experiences_also_for_joint_training():
    shapes = {axes.images[0].get_array().shape for axes in plot_matrix(matrices()).axes}
    assert shapes == {(2, 2)}


def test_shades_have_a_scale_where_there_are_no_numbers():
    steps = range(1, 12)
    frame = matrices(naive={0: [(after, on, 1.0) for after in steps for on in steps if on <= after]})
    *panels, bar = plot_matrix(frame).axes
    assert not any(axes.texts for axes in panels)
    assert bar.get_ylabel() == "accuracy (%)"
    assert np.allclose(bar.get_yticks(), [0, 0.25, 0.5, 0.75, 1])


def test_joint_training_is_in_the_legend():
    (legend,) = plot_accuracy(matrices()).legends
    assert [text.get_text() for text in legend.get_texts()] == ["LN", "CN", "joint training"]


def test_a_page_is_chosen_by_number(tmp_path, capsys):
    for number in range(17):
        folder = tmp_path / "runs" / f"r{number}"
        folder.mkdir(parents=True)
        record = replace(FINISHED, run=folder.name, names={**FINISHED.names, "strategy": f"s{number:02d}"})
        RunFolder(folder).write("record.json", record.to_json())
    out = tmp_path / "accuracy.svg"
    command = ["plot", str(tmp_path / "runs"), "--figure", "accuracy", "--out", str(out)]
    assert main(command) == 2
    assert "it takes 2 pages; take one, such as --page 1, or some of the runs" in capsys.readouterr().err
    assert main([*command, "--page", "3"]) == 2
    assert "there is no page 3; legal: 1 to 2" in capsys.readouterr().err
    assert not out.exists()
    assert main([*command, "--page", "2"]) == 0
    shown = [f"s{number:02d}" in out.read_text() for number in range(17)]
    assert shown == [False] * 12 + [True] * 5
