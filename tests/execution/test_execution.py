"""What a recipe says and a rule settles; the model made ready for it; and compilation."""

import shutil

import pytest
import torch
from torch import nn

from clnorm.config.sections import TrainConfig
from clnorm.errors import ClnormError, UserError
from clnorm.execution.execution import (
    Execution,
    choose_execution,
    compile_errors,
    compile_model,
    prepare_model,
    run_eagerly,
)
from clnorm.models.create import create_model

CPU, GPU, SHAPE = torch.device("cpu"), torch.device("cuda"), (2, 3, 16, 16)


@pytest.fixture
def model():
    return create_model("lsvit_nano", norm="cn", num_classes=3, image_size=16, num_frames=2)


@pytest.fixture
def processor(monkeypatch):
    """Lets the processor have the capabilities that a test names, and no others."""

    def set_capabilities(*names):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(names, True) | {"amx_bf16_no": False})

    return set_capabilities


def choose(model, *, device=CPU, **recipe):
    return choose_execution(model, TrainConfig(**recipe), device)


class Plain(nn.Module):
    """A model whose attention has no switch."""

    def forward(self, clips):
        return clips.mean((1, 3, 4))


@pytest.mark.parametrize("products", ["amx_bf16", "avx512_bf16", "bf16", "sve_bf16"])
def test_auto_is_bf16_on_a_cpu_with_its_products(model, processor, products):
    processor(products, "avx2")
    assert choose(model, precision="auto") == Execution(precision="bf16", attention="explicit")


def test_auto_is_fp32_on_a_cpu_without(model, processor):
    processor("avx2", "avx512_f", "avx512_fp16", "amx_tile", "amx_int8", "neon")
    assert choose(model, precision="auto") == Execution(precision="fp32", attention="fused")


@pytest.mark.parametrize(("supported", "precision"), [(True, "bf16"), (False, "fp16")])
def test_auto_on_a_gpu_is_bf16_or_fp16_and_never_emulated(model, monkeypatch, supported, precision):
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or supported
    )
    assert choose(model, device=GPU, precision="auto") == Execution(precision=precision, attention="fused")


def test_what_the_recipe_says_is_done_whatever_the_processor(model, processor):
    for capabilities in ([], ["amx_bf16"]):
        processor(*capabilities)
        for precision in ("fp32", "bf16", "fp16"):
            for attention in ("fused", "explicit"):
                expected = Execution(precision=precision, attention=attention)
                assert choose(model, precision=precision, attention=attention) == expected
        assert choose(model) == Execution()
        assert choose(model, compile=True) == Execution(compile=True)


def test_attention_is_explicit_in_bf16_on_a_cpu_where_the_model_has_the_switch(model):
    assert choose(model, precision="bf16").attention == "explicit"
    assert choose(model, precision="bf16", device=GPU).attention == "fused"
    assert choose(Plain(), precision="bf16").attention == "fused"
    with pytest.raises(UserError, match=r"train\.attention"):
        prepare_model(Plain(), TrainConfig(), choose(Plain(), attention="explicit"))


def test_compilation_is_off_unless_it_is_asked_for(model, processor):
    processor("amx_bf16")
    for device in (CPU, GPU):
        assert not choose(model, device=device, precision="bf16").compile
        assert not choose(model, device=device, compile=False).compile


def test_compilation_with_checkpointing_is_refused(model):
    for precision in ("fp32", "auto"):
        with pytest.raises(UserError, match=r"train\.checkpointing"):
            choose(model, precision=precision, compile=True, checkpointing=True)


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


@pytest.mark.slow
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
