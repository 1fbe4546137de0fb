"""What figures call norms and strategies: what tables call them, and what the user does."""

import pytest

from clnorm.cli.main import main
from clnorm.errors import UserError
from clnorm.figures.names import title_runs
from clnorm.figures.of_matrices import plot_accuracy
from clnorm.figures.registry import FIGURES
from clnorm.results.load import load_results
from clnorm.tables.make import make_table
from tests.figures.drawn import draw, keep_runs
from tests.figures.test_figures import matrices


def written(pages):
    from matplotlib.text import Text

    return " ".join(text.get_text() for page in pages for text in page.findobj(Text)).replace("\n", " ")


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_names_things_as_tables_do_or_as_the_user(name, folder):
    told = written(draw(name, folder))
    assert "LN" in told
    assert not {"ln", "cn", "naive", "replay"} & set(told.replace(",", " ").split())
    told = written(draw(name, folder, names={"ln": "Layers"}))
    assert "Layers" in told
    assert "LN" not in told


def test_titles_are_those_of_tables_with_options_and_labels(folder):
    frame = load_results(folder).replace({"bn": "bn:momentum=0.5", "joint": "er_ace:per_class=20"})
    table = make_table(frame, metrics=["accuracy"], format="latex")
    titles = title_runs(frame, {})
    assert titles.norms["bn:momentum=0.5"] == "BN (momentum=0.5)"
    assert all(title in table for title in [*titles.norms.values(), *titles.strategies.values()])
    titles = title_runs(frame.assign(label="transductive"), {"bn:momentum=0.5": "Ours"})
    assert titles.norms["bn:momentum=0.5 (transductive)"] == "Ours (transductive)"


def test_a_title_is_text_that_can_be_seen():
    frame = matrices().assign(norm="a.b:\x1b[2J$x$").replace({"naive": "x\u202ey"})
    axes = plot_accuracy(frame).axes[0]
    assert axes.get_title() == "x\\u202ey"
    assert next(line.get_label() for line in axes.lines if len(line.get_xdata()) == 2) == "a.b:\\x1b[2J$x$"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ({"bnn": "A"}, "--name: nothing that is shown is called 'bnn'"),
        ({"ln": "CN"}, "would both be called 'CN'"),
        ({"ln": "\x1b"}, "is no name for ln"),
    ],
)
def test_names_are_refused_as_those_of_tables(names, words):
    with pytest.raises(UserError, match=words):
        plot_accuracy(matrices(), names=names)


def test_the_command_takes_names_as_clnorm_table_does(tmp_path, capsys):
    keep_runs(tmp_path / "runs")
    out = tmp_path / "figure.svg"
    command = ["plot", str(tmp_path / "runs"), "--figure", "tradeoff", "--out", str(out)]
    assert main([*command, "--name", "cn=Continual Norm", "--name", "replay=Rehearsal <5>"]) == 0
    assert "Continual Norm" in out.read_text()
    assert "Rehearsal &lt;5&gt;" in out.read_text()
    assert main([*command, "--name", "cn"]) == 2
    assert "is not of the form NAME=TITLE" in capsys.readouterr().err
