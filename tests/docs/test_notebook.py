"""The notebook of the guide: kept without outputs, and run as a reader runs it."""

import base64
import csv
import io
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from clnorm.cli.main import main
from clnorm.results.percent import percent

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs/guide/results.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The cells after a run in a kernel, in a folder laid out as the repository; the last one lists its packages."""
    place, home = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("home")
    (place / "results").symlink_to(ROOT / "results")
    (place / "docs/guide").mkdir(parents=True)
    notebook = nbformat.read(FILE, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("import sys\n'|'.join(sys.modules)"))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
            patch.setenv(name, str(home / name.lower()))
        patch.setenv("PYTHONPATH", str(ROOT), prepend=":")
        client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(place / "docs/guide")}})
        client.execute()
    assert list((place / "docs/guide").iterdir()) == []
    return notebook.cells


def outputs_of(cells, kind):
    """What cells gave as a kind of content, in their order."""
    outputs = (output for cell in cells if cell.cell_type == "code" for output in cell.outputs)
    return [output.data[kind] for output in outputs if kind in output.get("data", {})]


def test_it_is_kept_without_outputs():
    notebook = nbformat.read(FILE, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) >= 4
    for cell in code:
        assert cell.outputs == []
        assert cell.execution_count is None
    assert all(not cell.metadata for cell in notebook.cells)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"


def test_it_is_linked_to():
    assert "](results.ipynb)" in (FILE.parent / "python.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_two_figures_come_out_and_nothing_is_said_on_the_side(executed):
    figures = [base64.b64decode(text) for text in outputs_of(executed, "image/png")]
    assert len(figures) == 2
    assert figures[0] != figures[1]
    for figure in figures:
        assert figure.startswith(b"\x89PNG\r\n\x1a\n")
        assert int.from_bytes(figure[16:20], "big") > 1000, "pixels wide"
    kinds = {output.output_type for cell in executed if cell.cell_type == "code" for output in cell.outputs}
    assert kinds == {"execute_result"}, "no warning, which would be a stream"


@pytest.mark.slow
def test_its_numbers_are_those_of_the_table(executed, capsys):
    chosen = [part for name in ("naive", "ewc", "replay", "joint") for part in ("--where", f"strategy={name}")]
    words = ["table", str(ROOT / "results/synthetic"), *chosen, "--versus", "ln", "--metrics", "accuracy"]
    assert main([*words, "--format", "csv"]) == 0
    rows = {(row["norm"], row["strategy"]): row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    (said,) = (text for text in outputs_of(executed, "text/plain") if "cn less ln" in text)
    mean, width, n = re.search(r"([+-][\d.]+) ± ([\d.]+) points, n = (\d+)", said).groups()
    replay = rows["cn", "replay"]
    assert (mean, width) == (
        percent(float(replay["difference"]), sign="+"),
        percent(float(replay["difference_half_width"])),
    )
    assert n == "5"
    assert main([*words, "--format", "markdown"]) == 0
    (table,) = outputs_of(executed, "text/markdown")
    assert table == capsys.readouterr().out
    assert f"{mean} ± {width}" in table


@pytest.mark.slow
def test_it_needs_no_torch(executed):
    loaded = {name.partition(".")[0] for name in outputs_of(executed[-1:], "text/plain")[0].strip("'").split("|")}
    assert {"clnorm", "matplotlib", "pandas"} <= loaded
    assert not loaded & {"avalanche", "timm", "torch", "torchcodec", "torchvision"}
