"""A stream as an Avalanche benchmark whose samples are (clip id, target): Avalanche never holds a pixel."""

import torch
from avalanche.benchmarks import CLScenario, benchmark_from_datasets
from avalanche.benchmarks.utils import AvalancheDataset
from avalanche.benchmarks.utils.data_attribute import DataAttribute
from torch.utils.data import TensorDataset

from clnorm.streams.stream import ClipStream


def create_benchmark(stream: ClipStream) -> CLScenario:
    """The Avalanche benchmark of a stream, with the streams `train` and `test`."""
    return benchmark_from_datasets(
        train=[_dataset(stream, experience.train_ids) for experience in stream.experiences],
        test=[_dataset(stream, experience.test_ids) for experience in stream.experiences],
    )


def _dataset(stream: ClipStream, ids: object) -> AvalancheDataset:
    clips = torch.as_tensor(ids)
    targets = torch.as_tensor(stream.targets)[clips]
    return AvalancheDataset(
        [TensorDataset(clips, targets)],
        # Arrays, because a list of a million ids is a million objects.
        data_attributes=[DataAttribute(targets.numpy(), name="targets"), DataAttribute(clips.numpy(), name="clips")],
    )
