"""Every plug-in of Avalanche's runs to a finished record and changes what is trained, or is refused with the reason."""

import importlib
import pkgutil
from importlib.util import find_spec
from pathlib import Path

import avalanche.training.plugins
import pandas as pd
import pytest
import torch
from avalanche.training.plugins import SynapticIntelligencePlugin
from torch import nn

import clnorm
from clnorm.catalogue import STRATEGIES
from clnorm.catalogue.avalanche import UNFIT
from clnorm.errors import UserError

# Avalanche imported as a whole imports what its plug-ins could need.
pytestmark = pytest.mark.filterwarnings("ignore:JAXopt is no longer maintained:DeprecationWarning")

HOME = "avalanche.training.plugins"
RUNS = {
    "AGEMPlugin": "patterns_per_experience=4,sample_size=4",
    "CWRStarPlugin": "",
    "EWCPlugin": "ewc_lambda=100",
    "FromScratchTrainingPlugin": "reset_optimizer=false",
    "GEMPlugin": "patterns_per_experience=4,memory_strength=0.5",
    "LwFPlugin": "alpha=2.5",
    "MASPlugin": "",
}
REFUSED = {
    "BiCPlugin": "replaces the loader.*strategy replay",
    "CheckpointPlugin": "clnorm keeps the state of a run itself",
    "Clock": "it counts steps",
    "CoPEPlugin": "replaces the loader.*and the loss; use the strategy replay",
    "CurrentDataFeCAMUpdate": "FeCAMClassifier",
    "CurrentDataNCMUpdate": "use the strategy ncm",
    "EarlyStoppingPlugin": "waits for a metric .* never comes",
    "EvaluationPlugin": "would measure nothing",
    "FeCAMOracle": "FeCAMClassifier",
    "FeatureDistillationPlugin": "features",
    "GDumbPlugin": "use the strategy gdumb",
    "GSS_greedyPlugin": "replaces the loader.*reservoir",
    "GenerativeReplayPlugin": "what a generator makes",
    "LFLPlugin": "get_features.*strategy lwf",
    "LRSchedulerPlugin": r"its own schedule: set train\.lr",
    "MIRPlugin": "replays no class of an experience's last batch.*strategy replay",
    "MemoryFeCAMUpdate": "FeCAMClassifier",
    "MemoryNCMUpdate": "use the strategy ncm",
    "NCMOracle": "use the strategy ncm",
    "RARPlugin": "replaces the loader.*strategy replay",
    "RWalkPlugin": "leaves the model in evaluation mode",
    "ReplayPlugin": "replaces the loader.*strategy replay",
    "SynapticIntelligencePlugin": "on a CPU it does nothing.*strategy si",
    "TrainGeneratorAfterExpPlugin": "what a generator makes",
}
QUICK = {"backbone": "vit_nano", "norm": "bn", "train__epochs": 1, "keep_model": False}


def find_plugins():
    """`module:Name` of every class in Avalanche's folder of plug-ins that has hooks."""
    found = set()
    for module in pkgutil.iter_modules(avalanche.training.plugins.__path__):
        if module.name == "gem" and find_spec("quadprog") is None:
            continue
        for name, value in vars(importlib.import_module(f"{HOME}.{module.name}")).items():
            here = getattr(value, "__module__", "") == f"{HOME}.{module.name}" and isinstance(value, type)
            if here and any(hasattr(value, hook) for hook in ("before_training_exp", "after_eval_exp", "before_eval")):
                found.add((module.name, name))
    return found


@pytest.mark.slow
def test_every_plugin_of_the_installed_release_is_known():
    found = find_plugins()
    names = {name for _, name in found}
    # Decorated, CheckpointPlugin is a function; GEM's module needs a solver that may not be there.
    assert names | {"GEMPlugin", "CheckpointPlugin"} == {*RUNS, *REFUSED}
    assert {f"{HOME}.{module}:{name}" for module, name in found if name in REFUSED} <= set(UNFIT)


@pytest.fixture(scope="module")
def naive(tmp_path_factory):
    """The predictions of fine-tuning after its last experience."""
    from clnorm.config.load import merge_config
    from tests.conftest import TINY

    quick = {key.replace("__", "."): value for key, value in QUICK.items()}
    config = merge_config({}, {**TINY, **quick, "out": str(tmp_path_factory.mktemp("naive"))})
    return read_last(config, clnorm.run(config))


def read_last(config, record):
    predictions = pd.read_parquet(Path(config.out) / record.run / "predictions.parquet")
    return predictions[predictions["after"] == 1]["confidence"].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_it_runs_and_does_something(tiny, naive, name):
    strategy = f"{HOME}:{name}" + (f":{RUNS[name]}" if RUNS[name] else "")
    if name == "GEMPlugin" and find_spec("quadprog") is None:
        with pytest.raises(UserError, match="quadprog, which is not installed"):
            tiny(strategy=strategy, **QUICK)
        return
    config = tiny(strategy=strategy, **QUICK)
    record = clnorm.run(config)
    assert record.status == "finished"
    assert read_last(config, record) != naive
    assert (record.memory["kept_megabytes"], record.memory["clips"]) == (None, None)
    assert record.memory["untold"] == [name]


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_by_its_name_with_the_reason(name):
    home = f"{HOME}.checkpoint" if name == "CheckpointPlugin" else f"{HOME}.clock" if name == "Clock" else HOME
    with pytest.raises(UserError, match=REFUSED[name]):
        STRATEGIES.parse(f"{home}:{name}")


def test_without_quadprog_gem_is_refused(monkeypatch):
    monkeypatch.setattr("clnorm.catalogue.avalanche.find_spec", lambda name: None)
    from clnorm.catalogue.avalanche import unfit_reason

    gem = type("GEMPlugin", (), {"__module__": f"{HOME}.gem", "__qualname__": "GEMPlugin"})
    assert "pip install quadprog" in unfit_reason(gem)


@pytest.mark.parametrize(
    "name", ["avalanche.training.supervised:EWC", "avalanche.training.supervised:Naive", "avalanche.training:Replay"]
)
def test_a_strategy_of_avalanches_is_refused(name):
    with pytest.raises(UserError, match=r"a loop, a loader and an optimizer of its own.*LwFPlugin.*ClipStrategy"):
        STRATEGIES.parse(name)


def test_the_weights_that_avalanches_si_holds_on_a_cpu_are_the_weights_themselves():
    plugin, layer = SynapticIntelligencePlugin(1.0), nn.Linear(2, 2)
    plugin.create_syn_data(layer, plugin.ewc_data, plugin.syn_data, set())
    plugin.pre_update(layer, plugin.syn_data, set())
    with torch.no_grad():
        layer.weight.add_(1)
    assert torch.equal(plugin.syn_data["old_theta"]["weight"].data, layer.weight.flatten())
