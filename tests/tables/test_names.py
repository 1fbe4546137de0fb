"""What papers call the rows and columns of a table, what the user calls them, and what is cited for them."""

import re

import pandas as pd
import pytest

from clnorm import load_results
from clnorm.catalogue import BACKBONES, DATASETS, NORMS, PROTOCOLS, REGISTRIES, STRATEGIES
from clnorm.catalogue.metric_papers import list_metric_papers
from clnorm.catalogue.titles import write_title
from clnorm.cli.main import main
from clnorm.errors import UserError
from clnorm.evaluation.metrics import METRICS
from clnorm.tables.make import make_bibliography, make_table
from clnorm.tables.names import parse_names
from tests.tables.frames import EARLIER, runs

NAMES = {"norm": ["bn", "cn:groups=8", "my.module:Norm"], "strategy": ["naive", "replay:per_class=10", "other"]}
DF = runs({(norm, strategy): [0.4, 0.5, 0.6] for norm in NAMES["norm"] for strategy in NAMES["strategy"]})
DF = DF.assign(dataset="hmdb51:split=2", protocol="tcd", backbone="lsvit_signed_tiny:smif=frames")


@pytest.mark.parametrize(
    ("registry", "name", "title"),
    [
        (NORMS, "bn", "BN"),
        (NORMS, "gn:groups=8,axis=token", "GN (axis=token, groups=8)"),
        (STRATEGIES, "naive", "Naive"),
        (STRATEGIES, "replay", "Replay (5 a class)"),
        (STRATEGIES, "replay:per_class=none,total=200", "Replay (total=200)"),
        (STRATEGIES, "replay:share=0.25,per_class=1", "Replay (1 a class, share=0.25)"),
        (STRATEGIES, "ewc:lam=50", "EWC (lam=50)"),
        (DATASETS, "hmdb51", "HMDB51 (split 1)"),
        (DATASETS, "ucf101:split=3,imbalance=10", "UCF101 (split 3, imbalance=10)"),
        (PROTOCOLS, "tcd:base=11,step=2", "TCD (base 11, step 2, class order 1000)"),
        (BACKBONES, "timm:vit_tiny_patch16_224", "vit_tiny_patch16_224"),
        (NORMS, "not.there:Norm:a=1", "not.there:Norm:a=1"),
        (NORMS, "bn:no=1", "bn:no=1"),
    ],
)
def test_what_papers_call_a_name(registry, name, title):
    assert write_title(registry, name) == title


def test_no_two_entries_of_a_kind_are_called_alike():
    for registry in (NORMS, STRATEGIES, DATASETS, PROTOCOLS, BACKBONES):
        titles = [write_title(registry, name) for name in registry.names() if not name.endswith(":NAME")]
        assert len(set(titles)) == len(titles), registry.kind


def test_a_paper_has_one_key_and_each_key_one_paper():
    papers = {p for registry in REGISTRIES.values() for entry in registry._entries.values() for p in entry.papers}
    for metric in METRICS.values():
        found = list_metric_papers(metric.source)
        assert len(found) == (re.search(r"\d{4}", metric.source) is not None), metric.source
        assert all(metric.source.find(str(paper.year)) > 0 for paper in found)
        papers |= {*found}
    assert len({paper.key for paper in papers}) == len(papers) > 15
    for paper in papers:
        entry = paper.to_bibtex()
        assert entry.count("{") == entry.count("}")
        assert entry.startswith(f"@{paper.kind}{{{paper.key},\n  author = {{")
        assert re.search(rf"year = \{{{paper.year}\}}\n\}}\n$", entry)
        assert all("," in author for author in paper.authors.split(" and ") if author != "others"), "no given name"
        assert not re.search(r"(?<!\\)[&%#_]", entry), "a character that LaTeX takes for itself"


def without_runs(text):
    """A LaTeX table without the comment that names its runs."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("%"))


def test_papers_and_docs_have_papers_names_and_the_terminal_and_csv_those_of_commands():
    for format_ in ("latex", "markdown"):
        text = without_runs(make_table(DF, format=format_, metrics=["accuracy"], versus="bn"))
        for title in ("BN", "CN (groups=8)", "Naive", "Replay (10 a class)", "HMDB51 (split 2)", "signed LS-ViT-tiny"):
            assert title in text.replace("\\", ""), (format_, title)
        assert "my.module:Norm" in text
        assert "bn" not in re.findall(r"\w+", text.replace(r"\label{tab:", ""))
    assert "cn:groups=8,replay:per_class=10,accuracy" in make_table(DF, format="csv", metrics=["accuracy"])
    assert "cn:groups=8" in make_table(DF, metrics=["accuracy"])


@pytest.mark.parametrize("format_", ["latex", "markdown", "rich", "csv"])
def test_a_users_name_stands_in_every_format(format_):
    names = {"cn:groups=8": "Continual Norm", "replay:per_class=10": "ER", "hmdb51:split=2": "HMDB21"}
    text = without_runs(make_table(DF, format=format_, metrics=["accuracy"], names=names))
    assert "Continual Norm" in text
    assert "ER" in re.findall(r"\w+", text)
    assert "groups=8" not in text
    if format_ != "csv":
        assert "HMDB21" in text
        behind = r"ER: per\\?_class 10, select random, share 0.5"
        assert re.search(behind, text), "the caption still says what is behind the name"


def test_a_label_stands_behind_the_users_name():
    df = pd.concat([runs({("bn", "naive"): [0.4]}), runs({("bn", "naive"): [0.5]}, label="transductive")])
    text = make_table(df, format="markdown", metrics=["accuracy"], names={"bn": "Batch"})
    assert "| Batch | 40.0 |" in text
    assert "| Batch (transductive) | 50.0 |" in text


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"cn:group=8": "CN"}, r"nothing that is shown is called 'cn:group=8'; did you mean 'cn:groups=8'"),
        ({"bn": " "}, "is no name for bn"),
        ({"bn": "B\nN"}, "is no name for bn"),
        ({"bn": 3}, "is no name for bn"),
        ({"bn": "my.module:Norm"}, "would both be called 'my.module:Norm'"),
    ],
)
def test_a_name_that_cannot_be_is_refused(names, message):
    with pytest.raises(UserError, match=message):
        make_table(DF, format="latex", names=names)


def test_names_of_a_command_line():
    assert parse_names(["cn:groups=8=a=b", "bn=é", "naive="], DF) == {"cn:groups=8": "a=b", "bn": "é", "naive": ""}
    with pytest.raises(UserError, match="not of the form NAME=TITLE"):
        parse_names(["bn"], DF)
    with pytest.raises(UserError, match="'bn' is given twice"):
        parse_names(["bn=a", "bn=b"], DF)


def test_what_is_cited_is_in_the_bibliography_and_the_other_way_round():
    text, entries = make_table(DF, format="latex", cite=True), make_bibliography(DF)
    cited = {key for found in re.findall(r"\\cite\{(.*?)\}", text) for key in found.split(",")}
    assert cited == set(re.findall(r"^@\w+\{(\w+),$", entries, flags=re.MULTILINE))
    metrics = {"lopezpaz2017gradient", "chaudhry2018riemannian"}
    assert cited == metrics | {
        "chaudhry2019tiny",
        "ioffe2015batch",
        "pham2022continual",
        "kuehne2011hmdb",
        "park2021class",
        "chen2024lsvit",
    }
    assert r"(Chaudhry et al. 2018~\cite{chaudhry2018riemannian})" in text
    more = ["base_drop", "vclimb_forgetting"]
    text, entries = make_table(DF, format="latex", cite=True, metrics=more), make_bibliography(DF, metrics=more)
    assert r"(Villa et al. 2022, published code~\cite{villa2022vclimb})" in text
    assert r"(clnorm)." in text, "clnorm's own metric has no paper"
    assert "villa2022vclimb" in entries
    assert "lopezpaz2017gradient" not in entries
    text = make_table(DF, format="latex", cite=True)
    assert r"CN (groups=8)~\cite{pham2022continual} &" in text
    assert text.count("{") == text.count("}")
    assert r"\cite" not in make_table(DF, format="latex")


def test_citations_are_for_latex_and_a_plug_in_has_none(tmp_path):
    with pytest.raises(UserError, match="citations are for latex, not for markdown"):
        make_table(DF, format="markdown", cite=True)
    only = DF.query("norm == 'my.module:Norm' and strategy == 'naive'").assign(
        dataset="synthetic", protocol="even", backbone="a.b:C"
    )
    assert "@" not in make_bibliography(only, metrics=["base_drop"])
    assert r"\cite" not in make_table(only, format="latex", cite=True, metrics=["base_drop"])


def test_the_command_writes_the_bibliography_and_cites_it(tmp_path, capsys):
    file = tmp_path / "clnorm.bib"
    words = ["table", str(EARLIER), "--format", "latex", "--bib", str(file), "--name", "cn=Continual Norm & more"]
    assert main(words) == 0
    assert r"Continual Norm \& more~\cite{pham2022continual}" in capsys.readouterr().out
    assert "@inproceedings{pham2022continual," in file.read_text()
    assert main([*words[:4], "--bib", str(tmp_path)]) == 2
    assert "is no regular file" in capsys.readouterr().err
    entries = file.read_text()
    assert main([*words, "--metrics", "cka"]) == 0
    gathered = file.read_text()
    assert "kornblith2019similarity" in gathered, "its own file gathers the entries of several tables"
    assert set(re.findall(r"^@\w+\{\w+,$", entries, flags=re.MULTILINE)) < set(
        re.findall(r"^@\w+\{\w+,$", gathered, flags=re.M)
    )
    assert main(words) == 0
    assert file.read_text() == gathered, "each entry once"
    kept = f"{gathered}\n@misc{{mine, title={{Kept by hand}}}}\n"
    file.write_text(kept)
    capsys.readouterr()
    assert main(words) == 2
    assert "clnorm has not written '@misc{mine, title={Kept by hand}}', which would be lost" in capsys.readouterr().err
    assert file.read_text() == kept
    file.write_text("@article{mine, title={Kept by hand}}\n")
    capsys.readouterr()
    assert main(words) == 2
    told = capsys.readouterr()
    assert f"--bib {file}: is not of clnorm table, and is not replaced; name another file" in told.err
    assert (told.out, file.read_text()) == ("", "@article{mine, title={Kept by hand}}\n")
    assert main(["table", str(EARLIER), "--name", "c=x"]) == 2
    assert "nothing that is shown is called 'c'" in capsys.readouterr().err
    assert main(["table", str(EARLIER), "--bib", str(tmp_path / "other.bib")]) == 2
    assert "--format latex" in capsys.readouterr().err


def test_a_caption_states_the_experiment_as_chosen():
    caption = make_table(load_results(EARLIER), format="markdown").split("\n\n")[1]
    assert "protocol even: 10 classes in 5 experiences of 2 each." in caption
    assert "from scratch on 16 frames of 32 by 32 pixels; 10 epochs, learning rate 0.002, batches of 16" in caption
    assert r"Replay (5 a class): per\_class 5, select random, share 0.5." in caption


@pytest.mark.parametrize(
    ("experiences", "said"),
    [
        ("26, 5, 5", "36 classes in 3 experiences of 26, 5 and 5."),
        ("4", "4 classes in 1 experience."),
        ("unknown", "class order 1000)."),
    ],
)
def test_a_caption_says_how_many_classes_are_learned_when(experiences, said):
    assert said in make_table(DF.assign(experiences=experiences), format="markdown")


def test_a_caption_counts_one_and_several():
    count = {"train.epochs": 1, "train.batch_size": 1, "data.frames": 1, "experiences": "1"}
    for columns in (count, {key: str(value) for key, value in count.items()}):
        text = make_table(DF.assign(**columns), format="markdown")
        assert "1 class in 1 experience." in text
        assert re.search(r" on 1 frame\b[^.]*; 1 epoch, .*batches of 1 clip\b", text), text
    text = make_table(DF.assign(**{"train.epochs": 11, "train.batch_size": 21, "data.frames": 10}), format="markdown")
    assert re.search(r" on 10 frames\b[^.]*; 11 epochs, .*batches of 21 clips\b", text), text


def test_a_caption_says_what_else_was_done_and_what_the_weights_were():
    more = {"weights": "from a_b.safetensors", "data.augment": "light", "data.mix": "mixup", "imbalance": "sqrt"}
    text = make_table(DF.assign(**more), format="latex")
    assert r"from a\_b.safetensors; augmentation light, mix mixup, sqrt against unequal classes." in text


def test_weights_that_have_several_names_are_all_named():
    df = DF.assign(weights=["from a" if seed else "from b" for seed in DF["seed"]])
    assert r"from b \| from a" in make_table(df, format="markdown")
