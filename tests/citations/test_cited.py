"""What a paper must cite for its runs: nothing without a paper is passed over, and no paper is made up."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from clnorm import load_results
from clnorm.catalogue import AUGMENTATIONS, BACKBONES, DATASETS, IMBALANCE, MIXES, NORMS, PROTOCOLS, STRATEGIES
from clnorm.citations.cited import list_cited
from clnorm.citations.write import write_bibtex, write_sentence
from clnorm.cli.main import main
from clnorm.evaluation.metrics import METRICS
from clnorm.tables.make import make_bibliography, make_table
from clnorm.tables.names import cite_metrics
from tests.tables.frames import runs

CITED = (NORMS, STRATEGIES, DATASETS, PROTOCOLS, BACKBONES, AUGMENTATIONS, MIXES, IMBALANCE)
SOFTWARE = {"clnorm", "carta2023avalanche", "paszke2019pytorch"}


def keys_of(text):
    return re.findall(r"^@\w+\{(\w+),$", text, flags=re.MULTILINE)


def cited_of(df, kind, metrics=("accuracy",)):
    return {each.name: each for each in list_cited(df, metrics=metrics) if each.kind == kind}


@pytest.mark.parametrize("registry", CITED, ids=lambda registry: registry.kind)
def test_each_built_in_has_a_paper_or_the_reason_why_it_has_none(registry):
    entries = [entry for entry in registry._entries.values() if isinstance(entry.target, str)]
    assert len(entries) >= 3
    for entry in entries:
        assert bool(entry.papers) != bool(entry.unpublished), entry.name


@pytest.mark.parametrize("registry", CITED, ids=lambda registry: registry.kind)
def test_an_option_or_a_paper_goes_by_a_legal_value_of_another_option_and_a_paper_always_stays(registry):
    for entry in registry._entries.values():
        assert entry.papers_with.keys() < {*entry.papers} or not entry.papers_with
        needs = [option.only for option in entry.options.values() if option.only is not None]
        for name, value in [*needs, *entry.papers_with.values()]:
            assert entry.options[name].parse(value, where=entry.name) == value


def test_an_option_without_effect_beside_the_others_is_not_captioned_nor_its_paper_cited():
    df = runs({("bn", "ewc"): [0.1], ("bn", "ewc:mode=online"): [0.2]})
    accumulated, online = (df[df["strategy"] == name] for name in ("ewc", "ewc:mode=online"))
    caption = make_table(accumulated, format="markdown", metrics=["accuracy"])
    assert "EWC: fisher empirical, lam 10000000, mode accumulated." in caption
    assert "EWC (mode=online): fisher empirical, gamma 0.9, lam 10000000, mode online." in make_table(
        online, format="markdown", metrics=["accuracy"]
    )
    assert [p.key for p in cited_of(accumulated, "strategy")["ewc"].papers] == ["kirkpatrick2017overcoming"]
    assert [p.key for p in cited_of(online, "strategy")["ewc:mode=online"].papers] == [
        "kirkpatrick2017overcoming",
        "schwarz2018progress",
    ]
    assert "schwarz2018progress" not in make_bibliography(accumulated, metrics=["accuracy"])
    assert "schwarz2018progress" in make_bibliography(online, metrics=["accuracy"])


def test_each_metric_has_a_paper_or_is_clnorms_own():
    for key, metric in METRICS.items():
        assert bool(cite_metrics([key])["metric", key]) != (metric.source == "clnorm"), key


def test_what_committed_runs_cite():
    df = load_results("results/hmdb21", columns=["versions"])
    text = write_bibtex(list_cited(df, metrics=["accuracy", "base_drop"]), runs=15)
    assert keys_of(text) == sorted(
        SOFTWARE
        | {"ba2016layer", "ioffe2015batch", "pham2022continual"}
        | {
            "chaudhry2019tiny",
            "buzzega2020dark",
            "rebuffi2017icarl",
            "kirkpatrick2017overcoming",
        }
        | {"kuehne2011hmdb", "villa2022vclimb", "chen2024lsvit", "lopezpaz2017gradient"}
    )
    assert "  note = {Version 0.1.0}\n" in text
    assert "%   strategy naive: fine-tuning" in text
    assert "%   augmentation light: " in text
    assert "%   metric base_drop: clnorm's own\n" in text
    (weights,) = (line for line in text.splitlines() if line.startswith("%   weights"))
    assert "vit_tiny_patch16_224" in weights
    assert weights.endswith("cite who trained them")


def test_the_sentence_names_all_by_kind():
    df = runs({("bn", "naive"): [0.1], ("cn:groups=8", "ewc"): [0.2]}).assign(dataset="hmdb51")
    assert write_sentence(list_cited(df, metrics=["accuracy"])) == (
        r"Norms: BN~\cite{ioffe2015batch}, CN (groups=8)~\cite{pham2022continual}; "
        r"strategies: Naive, EWC~\cite{kirkpatrick2017overcoming}; "
        r"data: HMDB51 (split 1)~\cite{kuehne2011hmdb}; protocols: even:experiences=3; "
        r"backbones: LS-ViT-nano~\cite{chen2024lsvit}; metrics: $\mathrm{ACC}$~\cite{lopezpaz2017gradient}; "
        r"software: clnorm~\cite{clnorm}, Avalanche~\cite{carta2023avalanche}, PyTorch~\cite{paszke2019pytorch}."
    )


@pytest.mark.parametrize("name", ["mynorm:MyNorm", "mynorm:MyNorm:eps=0.1", "bn:never=1", "median"])
def test_a_plugin_and_a_name_that_is_none_are_said_and_cite_nothing(name):
    norm = cited_of(runs({(name, "naive"): [0.1]}), "norm")[name]
    assert norm.papers == ()
    assert "clnorm knows no paper of it; cite where it comes from" in norm.reason
    text = write_bibtex([norm], runs=1)
    assert f"%   norm {name}: a plug-in" in text
    assert keys_of(text) == []


def test_a_registered_plugin_is_said_too(monkeypatch):
    monkeypatch.setattr(NORMS, "_entries", dict(NORMS._entries))
    NORMS.register("median")(lambda channels: None)
    assert "clnorm knows no paper" in cited_of(runs({("median", "naive"): [0.1]}), "norm")["median"].reason


def test_what_training_was_done_with_is_cited_where_there_was_any():
    df = runs({("bn", "replay"): [0.1]}).assign(
        **{
            "data.augment": "strong:operations=2",
            "data.mix": ["videomix"],
            "imbalance": "logit_adjustment",
            "fine_tuning": "2 epochs",
            "weights": "from scratch",
        }
    )
    found = {each.kind: [p.key for p in each.papers] for each in list_cited(df, metrics=[])}
    assert found["augmentation"] == ["cubuk2020randaugment"]
    assert found["mix"] == ["yun2020videomix"]
    assert found["imbalance method"] == ["menon2021longtail", "ren2020balanced"]
    assert found["fine-tuning"] == ["castro2018end"]
    assert "weights" not in found
    plain = df.assign(**dict.fromkeys(("data.augment", "data.mix", "imbalance", "fine_tuning"), "none"))
    assert {each.kind for each in list_cited(plain, metrics=[])} == {
        *("norm", "strategy", "dataset", "protocol", "backbone", "software")
    }
    old = df.assign(**{"data.augment": "unknown", "weights": "unknown"})
    for kind in ("augmentation", "weights"):
        assert cited_of(old, kind)["unknown"].reason == "records of older versions do not tell it"


def test_timm_is_cited_where_a_backbone_is_its():
    df = runs({("bn", "naive"): [0.1]})
    assert "timm" not in cited_of(df, "software")
    (paper,) = cited_of(df.assign(backbone="timm:vit_tiny_patch16_224"), "software")["timm"].papers
    assert (paper.key, paper.year) == ("rw2019timm", 2019)


@pytest.mark.parametrize(
    ("versions", "note"),
    [
        (["0.1.0", "0.1.0"], "Version 0.1.0"),
        (["0.2.0", "0.1.0"], "Versions 0.1.0, 0.2.0"),
        (["unknown", "0.1.0"], "Versions 0.1.0, unknown"),
        (["0.1.0", "0.1} @evil{x"], "Versions 0.1.0, unknown"),
    ],
)
def test_clnorm_is_cited_with_the_versions_of_the_runs(versions, note):
    df = runs({("bn", "naive"): [0.1, 0.2]}).assign(**{"versions.clnorm": versions})
    (paper,) = cited_of(df, "software")["clnorm"].papers
    assert paper.note == note
    (paper,) = cited_of(df.drop(columns="versions.clnorm"), "software")["clnorm"].papers
    assert paper.note == ""


def test_a_metric_of_a_plugin_is_said_with_its_source_and_cites_nothing(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mymetrics.py").write_text(
        "from clnorm.evaluation.metrics import Metric\n"
        "lowest = Metric('lowest', 'low', '', 'min R', '', 'Wu et al. 2019', True, lambda run: 0.0)\n"
    )
    name = "mymetrics:lowest"
    metric = cited_of(runs({("bn", "naive"): [0.1]}), "metric", [name])[name]
    assert metric.papers == (), "another Wu et al. 2019 than clnorm knows, for all that it knows"
    assert metric.reason == "a plug-in; its source, as it says: Wu et al. 2019"


FOLDER = Path(__file__).parents[1] / "results" / "earlier"


def test_the_command_cites_all_that_the_tables_bibliography_does(capsys):
    assert main(["cite", str(FOLDER), "--metrics", "accuracy,vclimb_forgetting"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    table = make_bibliography(load_results(FOLDER), metrics=["accuracy", "vclimb_forgetting"])
    assert set(keys_of(said.out)) == set(keys_of(table)) | SOFTWARE
    assert said.out.startswith("% What a table of 9 runs of clnorm cites")
    assert main(["cite", str(FOLDER), "--where", "strategy=naive", "--where", "seed=0"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("% What a table of 1 run of clnorm cites")
    assert "chaudhry2019tiny" not in said


def test_runs_of_several_settings_are_cited_together(tmp_path, capsys):
    shutil.copytree(FOLDER, tmp_path / "synthetic")
    shutil.copytree("results/hmdb21", tmp_path / "hmdb21")
    assert main(["cite", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "data: synthetic videos, HMDB51 (split 1)~\\cite{kuehne2011hmdb}" in said
    (record,) = tmp_path.glob("synthetic/*-joint-s0-*/record.json")
    record.write_text("{")
    assert main(["cite", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "What a table of 23 runs" in said.out
    assert "1 run is left out, because it cannot be read" in said.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["/nowhere"], "there is no such folder"),
        ([str(FOLDER / "table.tex")], "there is no such folder"),
        ([str(FOLDER), "--metrics", "acuracy"], "error: --metrics: unknown metric 'acuracy'; did you mean 'accuracy'"),
        ([str(FOLDER), "--where", "norm=bn"], "no run has norm=bn"),
    ],
)
def test_what_cannot_be_cited_is_refused(words, message, capsys):
    assert main(["cite", *words]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""


def test_citing_needs_no_torch(packages_loaded):
    loaded = packages_loaded("cite", str(FOLDER))
    assert not loaded & {"avalanche", "timm", "torch", "torchcodec", "torchvision"}


def test_a_frame_without_a_name_of_the_catalogue_is_whole():
    df = pd.concat([runs({(norm, "other"): [0.1]}) for norm in ("zz", "cn", "aa", "ln")])
    assert list(cited_of(df, "norm")) == ["ln", "cn", "aa", "zz"], "as in a table"
