"""The entries as BibTeX takes them, whatever a record says; and clnorm's own, which is that of CITATION.cff."""

import re
import subprocess
from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

import clnorm
from clnorm.catalogue import REGISTRIES
from clnorm.catalogue.metric_papers import list_metric_papers
from clnorm.citations import software
from clnorm.citations.cited import list_cited
from clnorm.citations.software import CLNORM
from clnorm.citations.write import write_bibtex, write_sentence
from clnorm.cli.main import main
from clnorm.evaluation.metrics import METRICS
from tests.tables.frames import runs

ROOT = Path(__file__).parents[2]
HOSTILE = '@article{evil, title="x"} % \\input{/etc/passwd} \n@comment{ {{{ \x1b[2J\u2028 $&#_^~'


def read_bibtex(text):
    """Entries by key, by the grammar of BibTeX: outside of them all but @ is passed over, and braces are balanced."""
    entries, place = {}, 0
    while (place := text.find("@", place)) >= 0:
        begun = re.compile(r"@(\w+)\{(\w+),\n").match(text, place)
        assert begun, f"an @ that begins no entry: {text[place : place + 40]!r}"
        assert place == 0 or text[place - 1] == "\n"
        depth, end = 1, begun.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        body = text[begun.end() : end - 1]
        fields = dict(re.findall(r"^  (\w+) = \{(.*)\},?$", body, flags=re.MULTILINE))
        assert body.count("\n") == len(fields)
        assert begun[2] not in entries
        entries[begun[2]], place = {"kind": begun[1], **fields}, end
    return entries


def all_papers():
    of_entries = [p for registry in REGISTRIES.values() for entry in registry._entries.values() for p in entry.papers]
    of_metrics = [p for metric in METRICS.values() for p in list_metric_papers(metric.source)]
    programs = [paper for name, paper in vars(software).items() if name.isupper()]
    return [*of_entries, *of_metrics, *programs]


def test_each_entry_is_whole_and_each_key_is_one_work():
    works = {paper.key: paper for paper in all_papers()}
    assert len(works) >= 50
    assert len({paper.title for paper in works.values()}) == len(works), "one work under two keys"
    assert all(works[paper.key] == paper for paper in all_papers()), "two works under one key"
    for key, paper in works.items():
        ((found, fields),) = read_bibtex(paper.to_bibtex()).items()
        assert found == key
        assert fields["author"] == paper.authors
        assert fields["title"].replace(r"\&", "&") == f"{{{paper.title}}}"
        assert fields.get("year") == (None if key == "clnorm" else str(paper.year))
        assert key == "clnorm" or 1950 <= paper.year <= 2100
        assert fields["kind"] in ("article", "inproceedings", "misc")
        venue = {"article": "journal", "inproceedings": "booktitle", "misc": "howpublished"}[fields["kind"]]
        assert fields.get(venue, "") == paper.venue
        if "arXiv" in paper.venue:
            number = re.fullmatch(r"arXiv preprint arXiv:(\d\d)\d\d\.\d{4,5}", paper.venue)
            assert 2000 + int(number[1]) == paper.year, "an arXiv number begins with the year"


texts = st.text(st.characters(codec="utf-8"), min_size=1) | st.just(HOSTILE)


@given(norm=texts, strategy=texts, dataset=texts, version=texts, weights=texts)
def test_no_text_of_a_record_makes_an_entry_or_ends_a_comment(norm, strategy, dataset, version, weights):
    df = runs({(norm, strategy): [0.1]}, **{"versions.clnorm": version, "weights": weights}).assign(dataset=dataset)
    text = write_bibtex(list_cited(df, metrics=["accuracy"]), runs=1)
    head, separator, _ = text.partition("\n\n")
    assert separator
    assert all(line.startswith("% ") for line in head.split("\n"))
    expected = {"lopezpaz2017gradient", "chen2024lsvit", "carta2023avalanche", "paszke2019pytorch", "clnorm"}
    assert set(read_bibtex(text)) == expected
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u2028]", text)


def compile_document(folder, body):
    document = r"\documentclass{article}\usepackage[utf8]{inputenc}\usepackage[T1]{fontenc}\begin{document}"
    ending = r"\bibliographystyle{plain}\bibliography{works}\end{document}"
    (folder / "paper.tex").write_text(f"{document}\n{body}\n{ending}\n", encoding="utf-8")
    latex = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper"]
    said = []
    for command in (latex, ["bibtex", "paper"], latex, latex):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout[-2000:]
        said.append(done.stdout)
    return said[1], said[3], (folder / "paper.bbl").read_text()


def test_bibtex_and_latex_take_every_entry(pdflatex, tmp_path):
    papers = {paper.key: paper for paper in all_papers()}
    (tmp_path / "works.bib").write_text("\n".join(paper.to_bibtex() for paper in papers.values()), encoding="utf-8")
    of_bibtex, of_latex, listed = compile_document(tmp_path, rf"\cite{{{','.join(papers)}}}")
    assert "warning" not in of_bibtex.lower()
    assert "undefined" not in of_latex
    assert listed.count(r"\bibitem") == len(papers)


def test_the_sentence_and_the_file_compile_with_hostile_names(pdflatex, tmp_path):
    df = runs({("cn", HOSTILE): [0.1], (HOSTILE, "ewc"): [0.1]}, **{"versions.clnorm": "0.1.0"})
    cited = list_cited(df, metrics=["accuracy", "forgetting", "nme_accuracy", "bwt"])
    (tmp_path / "works.bib").write_text(write_bibtex(cited, runs=2), encoding="utf-8")
    of_bibtex, of_latex, listed = compile_document(tmp_path, write_sentence(cited).replace("\u2028", ""))
    assert "warning" not in of_bibtex.lower()
    assert "undefined" not in of_latex
    assert "evil" not in listed
    assert "Version 0.1.0" in listed


def test_the_command_gives_a_file_that_bibtex_takes(pdflatex, tmp_path, capsys):
    assert main(["cite", "results/synthetic"]) == 0
    text = capsys.readouterr().out
    (tmp_path / "works.bib").write_text(text, encoding="utf-8")
    (sentence,) = (line[2:] for line in text.splitlines() if line.startswith("% Norms: "))
    of_bibtex, of_latex, listed = compile_document(tmp_path, sentence)
    assert "warning" not in of_bibtex.lower()
    assert "undefined" not in of_latex
    assert listed.count(r"\bibitem") == len(read_bibtex(text)), "the sentence cites each entry"


def test_clnorms_entry_is_that_of_the_citation_file():
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(cff), "what the format asks for"
    assert (cff["cff-version"], cff["type"], cff["license"]) == ("1.2.0", "software", "MIT")
    assert cff["version"] == clnorm.__version__
    assert CLNORM.title == cff["title"]
    assert CLNORM.authors == " and ".join(f"{{{author['name']}}}" for author in cff["authors"])
    assert "clnorm cite" in cff["message"]
