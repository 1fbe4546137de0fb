"""The parts of a run on the tiny stream, as strategies are built from them."""

import pytest
import torch


@pytest.fixture
def build_setup(tiny):
    """Builds a `Setup` on the CPU; `backend` is what compiles the model where `execution` says so."""

    def build(*, execution=None, backend="eager", **changes):
        from clnorm.data.augment.presets import create_augmentation
        from clnorm.data.store import ClipStore
        from clnorm.data.synthetic import read
        from clnorm.models.execution import Execution, prepare_model
        from clnorm.models.factory import create_model
        from clnorm.progress import Reporter
        from clnorm.strategies.template import Setup
        from clnorm.streams.stream import create_stream

        config = tiny(**changes)
        table = read(None, **config.dataset.kwargs)
        data = config.data
        store = ClipStore.open(table, frames=data.frames, size=data.image_size, keep=data.keep)
        stream = create_stream(table, config.protocol, seed=config.seed, bad={})
        sizes = {"image_size": config.data.image_size, "num_frames": config.data.frames}
        model = create_model(config.backbone, norm=config.norm, num_classes=stream.num_classes, **sizes)
        augment = create_augmentation(config.data.augment, table.classes)
        execution = execution or Execution()
        prepare_model(model, config.train, execution, backend=backend)
        device, log = torch.device("cpu"), lambda record: None
        return Setup(config, model, store, stream, device, Reporter(), log, execution, augment)

    return build
