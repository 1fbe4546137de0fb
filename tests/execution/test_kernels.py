"""Which passes compute a model's norms: a matter of the model, and of no thread or process."""

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import pytest
import torch

from clnorm.config.sections import TrainConfig
from clnorm.execution.execution import Execution, prepare_model
from clnorm.models.create import create_model
from clnorm.norms.kernels import passes
from clnorm.norms.kernels.passes import passes_for, use_passes

CLIPS = torch.rand(2, 2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def asked(monkeypatch):
    """The passes that norms by statistics asked for."""
    names = []

    def spy(x):
        names.append(passes.passes_for(x).__name__)
        return passes.passes_for(x)

    monkeypatch.setattr("clnorm.norms.kernels.transform.passes_for", spy)
    return names


def prepared(kernels, **recipe):
    model = create_model("lsvit_nano:drop_path=0", norm="cn", num_classes=3, image_size=16, num_frames=2)
    prepare_model(model, TrainConfig(kernels=kernels, **recipe), Execution())
    return model


@pytest.mark.slow
@pytest.mark.parametrize("checkpointing", [False, True])
def test_each_model_keeps_its_own_and_a_copy_of_it_too(asked, checkpointing):
    models = {kernels: prepared(kernels, checkpointing=checkpointing) for kernels in ("torch", "native")}
    for kernels, name in (("native", "NativePasses"), ("torch", "TorchPasses"), ("native", "NativePasses")):
        for model in (models[kernels], deepcopy(models[kernels])):
            asked.clear()
            model(CLIPS).sum().backward()
            assert set(asked) == {name}


def test_a_model_can_be_prepared_anew(asked):
    model = prepared("native")
    prepare_model(model, TrainConfig(), Execution())
    model(CLIPS)
    assert set(asked) == {"TorchPasses"}


def test_what_one_thread_uses_is_nothing_to_another():
    x = torch.zeros(2, 2, 2)
    with use_passes("native"), ThreadPoolExecutor(1) as pool:
        assert passes_for(x).__name__ == "NativePasses"
        assert pool.submit(passes_for, x).result().__name__ == "TorchPasses"
        with use_passes("torch"):
            assert passes_for(x).__name__ == "TorchPasses"
    assert passes_for(x).__name__ == "TorchPasses"
