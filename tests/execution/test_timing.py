"""The ways that `clnorm time` tries, with measured times given; one real measurement; what it prints."""

import json

import pytest
import torch
from torch import nn

from clnorm.cli.main import main
from clnorm.config.sections import TrainConfig
from clnorm.errors import ClnormError, UserError
from clnorm.execution import timing
from clnorm.execution.timing import time_steps, time_ways
from clnorm.models.create import create_model

CPU, SHAPE = torch.device("cpu"), (2, 3, 16, 16)
ALL = {"fp32 fused": 1.0, "fp32 explicit": 1.0, "bf16 fused": 1.0, "bf16 explicit": 1.0}


@pytest.fixture
def model():
    return create_model("lsvit_nano", norm="cn", num_classes=3, image_size=16, num_frames=2)


@pytest.fixture(autouse=True)
def _no_compiler(monkeypatch):
    """No way is compiled but where a test says so."""
    monkeypatch.setattr(timing, "_can_compile", lambda device: False)


@pytest.fixture
def compilable(monkeypatch):
    """As with a compiler, and steps that do nothing."""
    monkeypatch.setattr(timing, "_can_compile", lambda device: True)
    monkeypatch.setattr(timing, "_create_step", lambda *parts: lambda: None)


def measured(model, *, times=None, device=CPU, measure=None, fixed=(), **recipe):
    """The timing, and the names of what was measured, call by call, where `times` are the seconds of each way."""
    asked = []

    def given(steps, device):
        asked.append(list(steps))
        return {name: times[name] for name in steps}

    recipe = TrainConfig(**recipe)
    found = time_ways(model, recipe, device=device, input_shape=SHAPE, fixed=fixed, measure=measure or given)
    return found, asked


@pytest.mark.parametrize(
    ("faster", "label"),
    [
        ({}, "fp32 fused"),
        ({"bf16 explicit": 0.96}, "fp32 fused"),
        ({"bf16 explicit": 0.94}, "bf16 explicit"),
        ({"bf16 explicit": 0.8, "bf16 fused": 0.7}, "bf16 fused"),
        ({"fp32 explicit": 0.5}, "fp32 explicit"),
    ],
)
def test_the_fastest_is_named_if_it_saves_a_twentieth(model, faster, label):
    found, asked = measured(model, times=ALL | faster)
    assert found.best.label == label
    assert asked == [list(ALL)]
    assert found.seconds == ALL | faster
    precision, attention = label.split()
    keys = [f"train.precision={precision}", f"train.attention={attention}", "train.compile=false"]
    assert found.settings == keys


def test_compilation_is_tried_on_the_fastest_alone(model, compilable):
    times = ALL | {"bf16 explicit": 0.6, "bf16 explicit compiled": 0.5}
    found, asked = measured(model, times=times)
    assert asked == [list(ALL), ["bf16 explicit", "bf16 explicit compiled"]]
    assert found.best.label == "bf16 explicit compiled"
    assert found.settings[2] == "train.compile=true"
    assert [way.label for way in found.ways] == list(times)


def test_a_model_that_cannot_be_compiled_is_timed_without(model, compilable, monkeypatch):
    def create(model, recipe, way, clips):
        def step():
            if way.compile:
                raise ClnormError("it cannot be compiled")

        return step

    monkeypatch.setattr(timing, "_create_step", create)
    found, _ = measured(model, times=ALL)
    assert found.seconds == ALL | {"fp32 fused compiled": None}
    assert found.best.label == "fp32 fused"
    assert found.to_dict()["ways"][-1] == {
        "precision": "fp32",
        "attention": "fused",
        "compile": True,
        "seconds": None,
        "ratio": None,
    }
    with pytest.raises(ClnormError, match="it cannot be compiled"):
        measured(model, times=ALL, compile=True, fixed=["compile"])


@pytest.mark.parametrize(
    "recipe", [{"checkpointing": True}, {"kernels": "native"}, {"compile": False, "fixed": ["compile"]}]
)
def test_compilation_is_not_tried_where_it_cannot_be_or_is_not_wanted(model, compilable, recipe):
    assert measured(model, times=ALL, **recipe)[1] == [list(ALL)]


def test_what_is_fixed_is_not_varied_but_auto_is(model, compilable):
    found, asked = measured(
        model,
        times={"bf16 explicit": 1.0, "bf16 explicit compiled": 1.0},
        precision="bf16",
        attention="explicit",
        fixed=["precision", "attention"],
    )
    assert asked[0] == ["bf16 explicit"]
    assert found.best.label == "bf16 explicit"
    times = {f"{name} compiled": seconds for name, seconds in ALL.items()}
    assert measured(model, times=times, compile=True, fixed=["compile"])[1] == [list(times)]
    monkeypatched = measured(model, times=ALL, precision="auto", attention="auto", compile=False, fixed=timing.KEYS)
    assert monkeypatched[1] == [list(ALL)]


def test_a_model_without_switch_keeps_its_attention():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, 2)

        def forward(self, clips):
            return self.head(clips.mean((1, 3, 4)))

    found, asked = measured(Plain(), times=ALL)
    assert asked == [["fp32 fused", "bf16 fused"]]
    assert found.blocks == "all"
    with pytest.raises(UserError, match=r"train\.attention"):
        measured(Plain(), times=ALL, attention="explicit", fixed=["attention"])


@pytest.mark.parametrize(("supported", "precisions"), [(True, ["fp32", "bf16", "fp16"]), (False, ["fp32", "fp16"])])
def test_on_a_gpu_fp16_is_tried_and_bf16_where_it_is_supported(model, monkeypatch, supported, precisions):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    ways = timing._list_ways(model, TrainConfig(), torch.device("cuda"), ())
    assert [way.label for way in ways] == [f"{p} {a}" for p in precisions for a in ("fused", "explicit")]


@pytest.mark.slow
def test_two_blocks_are_timed_and_model_and_generators_left_alone(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    draws = torch.get_rng_state()
    ran = []

    def counting(steps, device):
        for step in steps.values():
            step()
        ran.extend(steps)
        return time_steps({name: steps[name] for name in list(steps)[:1]}, device) | dict.fromkeys(list(steps)[1:], 9.0)

    handle = model.blocks[2].register_forward_hook(lambda *args: pytest.fail("the third block ran"))
    found, _ = measured(model, measure=counting, batch_size=2)
    handle.remove()
    assert ran == list(ALL)
    assert (found.clips, found.blocks, found.device) == (2, 2, "cpu")
    assert 0 < found.seconds["fp32 fused"] < 9
    assert torch.equal(torch.get_rng_state(), draws)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert len(model.blocks) == 4
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model.training


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["brn", "adab2n", "bn_task", "bn_frozen:source=pretrained"])
def test_norms_that_need_a_context_or_statistics_can_be_timed(norm):
    model = create_model("lsvit_nano", norm=norm, num_classes=3, image_size=16, num_frames=2)
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def measure(steps, device):
        for step in steps.values():
            step()
        return dict.fromkeys(steps, 1.0)

    measured(model, measure=measure)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_steps_run_in_turns_after_a_round_of_warming_up():
    ran = []
    seconds = time_steps({"a": lambda: ran.append("a"), "b": lambda: ran.append("b")}, CPU)
    assert ran == ["a", "b"] * 6
    assert set(seconds) == {"a", "b"}


def test_a_hopeless_step_is_run_once_and_keeps_its_time(monkeypatch):
    now, ran = [0.0], []
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

    def step(name, seconds):
        def run():
            ran.append(name)
            now[0] += seconds

        return run

    given = {"quick": 0.5, "slow": 1.4, "hopeless": 1.6}
    assert time_steps({name: step(name, taken) for name, taken in given.items()}, CPU) == pytest.approx(given)
    assert [ran.count(name) for name in given] == [6, 6, 1]
    small = {"quick": 0.01, "slow": 0.9}
    time_steps({name: step(name, taken) for name, taken in small.items()}, CPU)
    assert ran[-2:] == ["quick", "slow"]


def test_a_first_step_that_is_slow_for_being_the_first_is_not_hopeless(model, monkeypatch):
    made = []

    def create(model, recipe, way, clips, label=None):
        made.append(way.label)
        runs = []
        monkeypatch.setattr(timing, "_synchronize", lambda device: None)
        return lambda: runs.append(1) or ran.append((way.label, len(runs)))

    ran = []
    monkeypatch.setattr(timing, "_create_step", create)
    measured(model, times=ALL)
    assert ran == [("fp32 fused", 1)]


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    """Runs `clnorm time` with times given, where no dataset can be read, and returns stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("clnorm.data.open.read_table", None)
    times = ALL | {"bf16 explicit": 0.5}
    monkeypatch.setattr(timing, "time_steps", lambda steps, device: {name: times[name] for name in steps})

    def run(*arguments):
        assert main(["time", "--norm", "cn", "--set", "train.device=cpu", *arguments]) == 0
        assert not list(tmp_path.iterdir())
        return capsys.readouterr()

    return run


def test_the_command_prints_a_table_and_the_keys_to_set(command):
    out, err = command()
    lines = [line.split() for line in out.splitlines()]
    assert ["fp32", "fused", "1000.0", "1.00"] in lines
    assert ["bf16", "explicit", "500.0", "0.50"] in lines
    keys = "--set train.precision=bf16 --set train.attention=explicit --set train.compile=false"
    assert out.rstrip().endswith(f"bf16 explicit: {keys}")
    assert "timing fp32 fused" in err


def test_the_command_prints_json_and_keeps_what_is_set(command, tmp_path):
    found = json.loads(command("--json", "--set", "train.precision=bf16", "--dataset", "hmdb51").out)
    assert [way["precision"] for way in found["ways"]] == ["bf16", "bf16"]
    assert [way["ratio"] for way in found["ways"]] == [1.0, 0.5]
    assert found["set"] == ["train.precision=bf16", "train.attention=explicit", "train.compile=false"]
    assert (found["device"], found["clips"], found["blocks"]) == ("cpu", 4, 2)


def test_the_command_refuses_what_a_run_would(command, capsys):
    assert main(["time", "--norm", "cm"]) == 2
    assert "did you mean 'cn'" in capsys.readouterr().err
    assert main(["time", "--set", "train.compile=true", "--set", "train.checkpointing=true"]) == 2
    assert "train.checkpointing" in capsys.readouterr().err
