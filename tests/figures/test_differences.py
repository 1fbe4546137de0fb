"""The critical-difference diagram: mean ranks worked by hand, bars of groups, and what is no block."""

import pandas as pd
import pytest

from clnorm.cli.main import main
from clnorm.errors import UserError
from clnorm.figures.of_differences import plot_differences
from tests.tables.frames import EARLIER, runs

STRATEGIES = ("naive", "replay", "ewc", "lwf", "der", "joint")


def blocks(*, settings=("a", "b"), worst="gn"):
    """ln always the best and `worst` the worst of three, in six strategies of each setting, with two seeds."""
    level = {"ln": 0.9, "bn": 0.5, "gn": 0.5}
    level[worst] -= 0.2
    values = {(norm, strategy): [level[norm], level[norm] + 0.05] for norm in level for strategy in STRATEGIES}
    return pd.concat([runs(values, setting=setting) for setting in settings], ignore_index=True)


def texts(figure):
    return [text.get_text().strip() for text in figure.axes[0].texts]


def test_mean_ranks_stand_by_their_names_and_the_difference_is_nemenyis():
    figure = plot_differences(blocks())
    assert {"LN  1.00", "BN  2.00", "GN  3.00"} <= set(texts(figure))
    assert "mean rank by ACC over 12 blocks" in texts(figure)
    # q(0.05; 3) = 2.343 (Demsar 2006, Table 5a) times sqrt(3 x 4 / (6 x 12))
    (said,) = (text for text in texts(figure) if text.startswith("critical difference"))
    assert said.startswith(f"critical difference {2.343 * (12 / 72) ** 0.5:.2f};")


def test_a_bar_joins_what_cannot_be_told_apart():
    def bars(figure):
        return [tuple(line.get_xdata()) for line in figure.axes[0].lines if line.get_linewidth() > 2]

    assert bars(plot_differences(blocks())) == []  # ranks differ by 1, and the critical difference is 0.96
    joined = bars(plot_differences(blocks(settings=("a",))))  # 1.35 with six blocks
    assert joined == [pytest.approx((0.97, 2.03)), pytest.approx((1.97, 3.03))]


def test_lower_is_better_where_the_metric_says_so():
    figure = plot_differences(blocks().assign(metric="forgetting"), metric="forgetting")
    assert {"LN  3.00", "BN  2.00", "GN  1.00"} <= set(texts(figure))


@pytest.mark.parametrize(("columns", "name"), [(1, "identity"), (2, "gn:groups=16,axis=token"), (1, "gn"), (2, "gn")])
def test_names_are_within_the_figure(columns, name):
    frame = blocks().replace({"gn": name})
    figure = plot_differences(frame, columns=columns)
    figure.canvas.draw()
    width = figure.bbox.width
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= width


def test_a_name_without_room_is_refused():
    frame = blocks().replace({"gn": "gn:groups=16,axis=token"})
    with pytest.raises(UserError, match=r"'GN \(axis=token, groups=16\)' is too long a name .*; give it --columns 2"):
        plot_differences(frame, columns=1)


def test_too_few_blocks_or_a_gap_is_refused():
    few = blocks(settings=("a",))
    few = few[few["strategy"] != "joint"]
    with pytest.raises(UserError, match="blocks: there are 5; legal: 6 or more; a block is a strategy"):
        plot_differences(few)
    frame = blocks()
    gap = frame[~((frame["norm"] == "gn") & (frame["strategy"] == "der") & (frame["setting"] == "b"))]
    with pytest.raises(UserError, match="gn has no finished run with der in the setting b"):
        plot_differences(gap)
    lacks_seed = frame.drop(index=frame[(frame["norm"] == "gn") & (frame["seed"] == 1)].index[:1])
    with pytest.raises(UserError, match="gn with naive has no finished run with seed 1"):
        plot_differences(lacks_seed)


def test_the_command_says_what_lacks(tmp_path, capsys):
    assert main(["plot", str(EARLIER), "--figure", "differences", "--out", str(tmp_path / "a.svg")]) == 2
    assert "there are 3; legal: 6 or more" in capsys.readouterr().err
