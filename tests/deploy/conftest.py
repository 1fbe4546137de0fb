"""A small run's folder with its model, and videos to predict with it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchcodec.encoders import VideoEncoder

from clnorm.deploy.saved import describe_model, save_model
from clnorm.models.create import create_model
from clnorm.results.folder import RunFolder
from clnorm.results.record import LABELS, RunRecord

CLASSES = ["run", "[red]jump", "wave", "sit"]
ORDER = [2, 0, 3, 1]  # the class id of each output


@pytest.fixture
def draw():
    """Draws uniform numbers in [-1, 1], of a shape."""

    def build(*shape, seed=0):
        return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1

    return build


@pytest.fixture
def write_run(draw):
    """Writes a run's folder as a run leaves it, with a model whose every number is off its start."""

    def write(path, config, *, status="finished", keep=True, classes=CLASSES):
        model = create_model(config.backbone, norm=config.norm, num_classes=4, image_size=16, num_frames=4, seed=1)
        model.train()
        generator = torch.Generator().manual_seed(2)
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(0)  # of stochastic depth
            for parameter in model.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
            for seed in range(3):
                model(draw(4, 4, 3, 16, 16, seed=seed))
        path.mkdir(parents=True)
        record = RunRecord(
            run=path.name,
            status=status,
            names=dict.fromkeys(("dataset", "protocol", "backbone", "strategy"), "x") | {"norm": config.norm.short},
            label=LABELS[config.norm.kwargs.get("eval", "running")],
            seed=0,
            setting="",
            config=config.to_dict(),
            classes=list(classes),
            experiences=[[2, 0], [3, 1]],
            matrix=[[0.5, None], [0.5, 0.5]],
            metrics={"accuracy": 0.5},
            data={"test_clips": [2, 2]},
            cost={"seconds": 1.0, "clips_trained": 8, "peak_memory_mb": 1.0},
        )
        RunFolder(path).write("record.json", record.to_json())
        if keep:
            info = describe_model(config, classes=classes, order=ORDER, precision="fp32")
            save_model(path / "model.safetensors", model, info)
        return path

    return write


@pytest.fixture
def run(tiny, tmp_path, write_run):
    return write_run(tmp_path / "runs" / "cn-run", tiny(norm="cn"))


@pytest.fixture
def write_video():
    """Writes frames of different smooth colours, so that each frame counts and survives the encoder."""

    def write(path, *, frames, rate=10, seed=0):
        noise = np.random.default_rng(seed).integers(0, 256, (frames, 3, 3, 4), dtype=np.uint8)
        pixels = F.interpolate(torch.from_numpy(noise).float(), size=(24, 32), mode="bilinear").to(torch.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        VideoEncoder(pixels, frame_rate=rate).to_file(path, codec="mpeg4", extra_options={"bf": "0"})
        return path

    return write


@pytest.fixture
def video(tmp_path, write_video):
    return write_video(tmp_path / "clip.avi", frames=20)
