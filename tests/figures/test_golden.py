"""Figures look as they did: the first page of each is compared with a picture of it in `golden/`.

After a change that is meant, make these anew, look at them, and commit them:

    CLNORM_REMAKE_GOLDENS=1 .venv/bin/pytest tests/figures/test_golden.py

The tolerance is of the root mean square over all pixels and colours, 0 to 255. One build of matplotlib draws the same
to the bit; 0.5 is left for another of the same version with the FreeType of the system. The least change that is to be
seen, the dashes of one thin line, is 0.8. Another version of matplotlib has other letters and so another layout, by
10 to 40, where nobody could tell what was changed: there these tests are left out and named.
"""

import os
import shutil
from pathlib import Path

import pytest
from matplotlib.testing.compare import compare_images
from matplotlib.testing.exceptions import ImageComparisonFailure

from clnorm.figures import looks, style
from clnorm.figures.registry import FIGURES
from tests.figures.drawn import draw

GOLDEN = Path(__file__).parent / "golden"
TOLERANCE = 0.5
DPI = 60


def paint(figure, path):
    """A figure as a small picture."""
    with style.styled():
        figure.savefig(path, dpi=DPI)


def check(golden, found):
    """Fail where two pictures differ by more than the tolerance, with the places of both and of their difference."""
    try:
        message = compare_images(golden, found, TOLERANCE)
    except ImageComparisonFailure as error:  # they are not of one size
        message = f"{error}\n  Expected:\n    {golden}\n  Actual:\n    {found}"
    if message is not None:
        pytest.fail(message)


@pytest.mark.usefixtures("golden_versions")
@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("name", FIGURES)
def test_golden(name, columns, folder, tmp_path):
    found, golden = tmp_path / f"{name}-{columns}.png", GOLDEN / f"{name}-{columns}.png"
    paint(draw(name, folder, columns=columns)[0], found)
    if os.environ.get("CLNORM_REMAKE_GOLDENS") == "1":
        shutil.copy(found, golden)
        pytest.fail(f"{golden} is made anew: look at it before you commit it")
    check(golden, found)


def test_no_picture_is_of_a_figure_that_is_no_more():
    assert {path.name for path in GOLDEN.iterdir()} == {
        f"{name}-{columns}.png" for name in FIGURES for columns in (1, 2)
    }


def change_colours(monkeypatch):
    monkeypatch.setattr(looks, "_COLOURS", looks._COLOURS[::-1])


def change_lines(monkeypatch):
    monkeypatch.setattr(looks, "_LINES", looks._LINES[1:] + looks._LINES[:1])


def change_size(monkeypatch):
    monkeypatch.setattr(style, "WIDTHS", {1: 3.35, 2: 7.5})
    monkeypatch.setattr("clnorm.figures.panels.WIDTHS", style.WIDTHS)


@pytest.mark.parametrize("change", [change_colours, change_lines, change_size])
def test_a_changed_figure_fails_with_the_places_of_both_pictures(change, folder, tmp_path, monkeypatch):
    """Whatever version draws: both pictures are made here."""
    for name in ("before", "after"):
        if name == "after":
            change(monkeypatch)
        paint(draw("accuracy", folder)[0], tmp_path / f"{name}.png")
    check(tmp_path / "before.png", tmp_path / "before.png")
    with pytest.raises(pytest.fail.Exception) as caught:
        check(tmp_path / "before.png", tmp_path / "after.png")
    for name in ("before.png", "after.png"):
        assert str(tmp_path / name) in str(caught.value)
    if change is not change_size:
        assert str(tmp_path / "after-failed-diff.png") in str(caught.value)
        assert (tmp_path / "after-failed-diff.png").is_file()
