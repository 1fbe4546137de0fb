"""The choice of an execution, with measured times given; one real probe; and compilation."""

import shutil

import pytest
import torch
from torch import nn

from clnorm.config.sections import TrainConfig
from clnorm.errors import ClnormError, UserError
from clnorm.execution import timing as probe
from clnorm.execution.execution import Execution, compile_errors, compile_model, prepare_model, run_eagerly
from clnorm.execution.timing import choose_execution, time_steps
from clnorm.models.create import create_model

CPU, SHAPE = torch.device("cpu"), (2, 3, 16, 16)


@pytest.fixture
def model():
    return create_model("lsvit_nano", norm="cn", num_classes=3, image_size=16, num_frames=2)


def choose(model, *, times=None, device=CPU, measure=None, **recipe):
    """The execution, and the names of what was measured, call by call, where `times` are the seconds of each way."""
    asked = []

    def given(steps, device):
        asked.append(list(steps))
        return {name: times[name] for name in steps}

    recipe = TrainConfig(**{"precision": "auto", "compile": False, **recipe})
    chosen = choose_execution(model, recipe, device=device, input_shape=SHAPE, measure=measure or given)
    return chosen, asked


ALL = {"fp32 fused": 1.0, "fp32 explicit": 1.0, "bf16 fused": 1.0, "bf16 explicit": 1.0}


def test_without_auto_nothing_is_measured(model):
    for precision in ("fp32", "bf16", "fp16"):
        assert choose(model, precision=precision, compile="auto") == (Execution(precision=precision), [])
    chosen, _ = choose(model, precision="fp32", attention="explicit", compile=True)
    assert chosen == Execution(attention="explicit", compile=True)


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
def test_the_fastest_is_taken_if_it_saves_a_twentieth(model, faster, label):
    chosen, asked = choose(model, times=ALL | faster)
    assert chosen.label == label
    assert asked == [list(ALL)]
    assert chosen.measured == ALL | faster


@pytest.fixture
def compilable(monkeypatch):
    """As on a GPU, and steps that do nothing."""
    monkeypatch.setattr(probe, "_can_compile", lambda device: True)
    monkeypatch.setattr(probe, "_create_step", lambda *parts: lambda: None)


def test_compilation_is_tried_on_the_best_alone_and_must_save_a_twentieth_more(model, compilable):
    times = ALL | {"bf16 explicit": 0.6}
    for seconds, compiled in ((0.59, False), (0.5, True)):
        now = times | {"bf16 explicit compiled": seconds}
        chosen, asked = choose(model, times=now, compile="auto")
        assert asked == [list(ALL), ["bf16 explicit", "bf16 explicit compiled"]]
        assert chosen == Execution(precision="bf16", attention="explicit", compile=compiled, measured=now)


def test_a_model_that_cannot_be_compiled_is_run_without_and_the_record_says_so(model, compilable, monkeypatch):
    def create(model, recipe, way, clips):
        def step():
            if way.compile:
                raise ClnormError("it cannot be compiled")

        return step

    monkeypatch.setattr(probe, "_create_step", create)
    chosen, asked = choose(model, times=ALL, compile="auto")
    assert chosen == Execution(measured=ALL | {"fp32 fused compiled": None})
    assert asked == [list(ALL)]
    with pytest.raises(ClnormError, match="it cannot be compiled"):
        choose(model, times=ALL, compile=True)


def test_compilation_is_not_tried_on_a_cpu_or_with_checkpointing(model, monkeypatch):
    assert choose(model, times=ALL, compile="auto")[1] == [list(ALL)]
    monkeypatch.setattr(probe, "_can_compile", lambda device: True)
    assert choose(model, times=ALL, compile="auto", checkpointing=True)[1] == [list(ALL)]


def test_what_the_recipe_fixes_is_not_varied(model, compilable):
    chosen, asked = choose(model, times={"fp32 explicit": 1.0, "bf16 explicit": 0.9}, attention="explicit")
    assert asked == [["fp32 explicit", "bf16 explicit"]]
    assert chosen.label == "bf16 explicit"
    times = {f"{name} compiled": seconds for name, seconds in ALL.items()}
    assert choose(model, times=times, compile=True)[1] == [list(times)]


def test_a_model_without_switch_keeps_its_attention():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, 2)

        def forward(self, clips):
            return self.head(clips.mean((1, 3, 4)))

    assert choose(Plain(), times=ALL)[1] == [["fp32 fused", "bf16 fused"]]
    with pytest.raises(UserError, match=r"train\.attention"):
        choose(Plain(), times=ALL, attention="explicit")


def test_on_a_gpu_bf16_is_tried_where_it_is_supported_and_attention_stays_fused(model, monkeypatch):
    recipe = TrainConfig(precision="auto")
    for supported, labels in ((True, ["fp32 fused", "bf16 fused"]), (False, ["fp32 fused"])):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda answer=supported: answer)
        ways = probe._list_ways(model, recipe, Execution(), torch.device("cuda"))
        assert [way.label for way in ways] == labels


def test_compilation_with_checkpointing_is_refused(model):
    for precision in ("fp32", "auto"):
        with pytest.raises(UserError, match=r"train\.checkpointing"):
            choose(model, precision=precision, compile=True, checkpointing=True)


def test_a_real_probe_times_two_blocks_and_leaves_model_and_generators_alone(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    draws = torch.get_rng_state()
    ran = []

    def counting(steps, device):
        for step in steps.values():
            step()
        ran.extend(steps)
        return time_steps({name: steps[name] for name in list(steps)[:1]}, device) | dict.fromkeys(list(steps)[1:], 9.0)

    handle = model.blocks[2].register_forward_hook(lambda *args: pytest.fail("the third block ran"))
    chosen, _ = choose(model, measure=counting, batch_size=2)
    handle.remove()
    assert ran == list(ALL)
    assert 0 < chosen.measured["fp32 fused"] < 9
    assert torch.equal(torch.get_rng_state(), draws)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert len(model.blocks) == 4
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model.training


@pytest.mark.parametrize("norm", ["brn", "adab2n", "bn_task", "bn_frozen:source=pretrained"])
def test_norms_that_need_a_context_or_statistics_can_be_probed(norm):
    model = create_model("lsvit_nano", norm=norm, num_classes=3, image_size=16, num_frames=2)
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def measure(steps, device):
        for step in steps.values():
            step()
        return dict.fromkeys(steps, 1.0)

    choose(model, measure=measure)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_steps_run_in_turns_after_a_round_of_warming_up():
    ran = []
    seconds = time_steps({"a": lambda: ran.append("a"), "b": lambda: ran.append("b")}, CPU)
    assert ran == ["a", "b"] * 6
    assert set(seconds) == {"a", "b"}


def test_a_hopeless_step_is_run_once_and_keeps_its_time(monkeypatch):
    now, ran = [0.0], []
    monkeypatch.setattr(probe.time, "perf_counter", lambda: now[0])

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


def test_an_execution_reads_back():
    execution = Execution(precision="bf16", attention="explicit", compile=True, measured={"fp32 fused": 1.5, "x": None})
    assert Execution.from_dict(execution.to_dict()) == execution


def test_prepare_applies_the_recipe_and_keeps_names(model):
    names = list(model.state_dict())
    prepare_model(model, TrainConfig(checkpointing=True), Execution(attention="explicit"))
    assert not any(block.attn.fused for block in model.blocks)
    assert all("forward" in vars(block) for block in model.blocks)
    assert list(model.state_dict()) == names


class Counting:
    """A backend that runs graphs as they are, and counts them."""

    def __init__(self):
        self.graphs = 0

    def __call__(self, graph, inputs):
        self.graphs += 1
        return graph.forward


@pytest.mark.slow
def test_a_compiled_model_has_one_graph_for_all_batch_sizes_of_a_mode(model):
    del model.blocks[1:]
    backend, names = Counting(), list(model.state_dict())
    prepare_model(model, TrainConfig(), Execution(compile=True), backend=backend)
    with torch.random.fork_rng():
        for size in (5, 4, 3, 2, 6):
            model(torch.rand(size, *SHAPE))
        assert backend.graphs == 2
        model.eval()
        with torch.no_grad():
            for size in (7, 3, 4):
                model(torch.rand(size, *SHAPE))
        assert backend.graphs == 3
        with run_eagerly(Execution(compile=True)):
            model(torch.rand(1, *SHAPE))
        assert backend.graphs == 3
    assert list(model.state_dict()) == names


def test_a_graph_break_is_an_error_that_names_the_option():
    class Breaking(nn.Module):
        def forward(self, x):
            torch._dynamo.graph_break()
            return x + 1

    model, execution = Breaking(), Execution(compile=True)
    compile_model(model, backend="eager")
    with (
        pytest.raises(
            ClnormError, match=r"train\.compile: the model cannot be compiled: .*train\.compile=false"
        ) as caught,
        compile_errors(execution),
    ):
        model(torch.ones(2))
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler")
def test_inductor_gives_the_same_up_to_rounding_dropout_included():
    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, x):
            return nn.functional.dropout(self.linear(x), 0.5, self.training)

    model, x = Small(), torch.ones(8, 4)
    outputs = []
    with torch.random.fork_rng():
        for compiled in (False, True):
            if compiled:
                compile_model(model)
            torch.manual_seed(0)
            outputs.append(model(x))
    torch.testing.assert_close(outputs[0], outputs[1])
    assert (outputs[0] == 0).any()
