"""A table as a document or a page: pdflatex compiles it, nothing of a name is taken for markup, its runs are named."""

import subprocess
from html.parser import HTMLParser

import pandas as pd
import pytest

from clnorm import load_results
from clnorm.tables.make import make_table
from tests.tables.frames import SMALL, runs

HOSTILE = r"--> <script>alert(1)</script> & \input{/etc/passwd} $x^2_3$ %~#{}|" + "\x1b[2J\u202e"


def compile_latex(text, folder):
    (folder / "table.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "table.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


@pytest.mark.parametrize("metrics", [["accuracy"], ["accuracy", "forgetting"], ["accuracy", "forgetting", "bwt"]])
def test_a_document_compiles(pdflatex, tmp_path, metrics):
    wide = runs({(norm, s): [0.1, 0.2, 0.3] for norm in ("bn", "cn") for s in ("naive", "replay", "ewc", "joint")})
    wide = pd.concat([wide.assign(metric=metric) for metric in metrics])
    said = compile_latex(make_table(wide, format="document", metrics=metrics, versus="bn"), tmp_path)
    assert "Overfull" not in said
    assert (tmp_path / "table.pdf").stat().st_size > 10_000


@pytest.mark.parametrize(("own", "found"), [("", "6.0pt"), ("8pt", "8.0pt"), ("1pt", "6.0pt")])
def test_a_caption_keeps_off_the_table_below_it_and_a_class_may_say_how_far(pdflatex, tmp_path, own, found):
    text = make_table(runs({("bn", "naive"): [0.1, 0.2, 0.3]}), format="document", metrics=["accuracy"])
    told = r"\let\old\label \def\label#1{\typeout{SKIP \the\belowcaptionskip}\old{#1}}"
    begin = r"\begin{document}"
    set_by_class = rf"\setlength{{\belowcaptionskip}}{{{own}}}" if own else ""
    assert f"SKIP {found}" in compile_latex(text.replace(begin, f"{set_by_class}{begin}{told}"), tmp_path)


def test_a_hostile_name_is_text_on_paper(pdflatex, tmp_path):
    df = runs({("bn", "naive"): [0.1, 0.2, 0.3], ("ln", HOSTILE): [0.1, 0.2, 0.3]}, **{"versions.torch": HOSTILE})
    text = make_table(df, format="document", metrics=["accuracy"])
    assert "\x1b" not in text
    compile_latex(text, tmp_path)


def test_the_committed_table_compiles_as_it_is(pdflatex, tmp_path):
    df = load_results("results/synthetic", columns=["versions"])
    text = make_table(df, format="document")
    assert make_table(df, format="latex") in text
    compile_latex(text, tmp_path)


class Reader(HTMLParser):
    """The tags and the texts of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.cells, self.comments = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)

    def handle_data(self, data):
        self.cells.append(data.strip())

    def handle_comment(self, data):
        self.comments.append(data)


def test_a_page_holds_the_cells_and_nothing_of_a_name_is_markup():
    page = Reader(make_table(SMALL, format="html"))
    for cell in ("LN", "my_norm&co", "50.0 ± 24.8", "62.0 ± 5.0", "--"):
        assert cell in page.cells
    df = runs({("bn", "naive"): [0.1, 0.2, 0.3], ("ln", HOSTILE): [0.1, 0.2, 0.3]}, **{"versions.torch": HOSTILE})
    text = make_table(df, format="html", metrics=["accuracy"])
    hostile = Reader(text)
    assert "script" not in hostile.tags
    assert len(hostile.comments) == 1
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("format_", ["latex", "document", "html"])
def test_the_runs_behind_a_table_are_named_in_it(format_):
    df = runs({("bn", "naive"): [0.1, 0.2]}, **{"versions.clnorm": "0.1.0", "versions.torch": "2.15.0"})
    df.loc[df["seed"] == 1, "status"] = "unfinished"
    text = make_table(df, format=format_, metrics=["accuracy"])
    assert "Of 2 runs made with clnorm 0.1.0, torch 2.15.0:" in text
    assert "bn-naive-0\n" in text
    assert "bn-naive-1 (unfinished)\n" in text


def test_a_long_name_may_be_broken_in_a_caption_and_takes_no_more_width(pdflatex, tmp_path):
    options = ",".join(f"{name}=0.25" for name in ("brightness", "contrast", "erase", "min_scale", "saturation") * 4)
    df = runs({("bn", "naive"): [0.1, 0.2, 0.3]}, **{"data.augment": f"light:{options}"})
    text = make_table(df, format="document", metrics=["accuracy"])
    assert r"contrast=0.25,\allowbreak{}erase=0.25,\allowbreak{}min\_scale=0.25" in text
    assert "Overfull" not in compile_latex(text, tmp_path)
