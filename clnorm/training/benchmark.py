"""A stream as an Avalanche benchmark whose samples are (clip id, target, 0): Avalanche never holds a pixel.

The last is Avalanche's task label, which chooses a head of a model with several: clnorm's have one.
"""

import numpy as np
import torch
from avalanche.benchmarks import CLScenario, benchmark_from_datasets
from avalanche.benchmarks.utils.classification_dataset import TaskAwareSupervisedClassificationDataset
from avalanche.benchmarks.utils.data_attribute import DataAttribute
from torch.utils.data import TensorDataset

from clnorm.streams.stream import ClipStream


def create_benchmark(stream: ClipStream) -> CLScenario:
    """The Avalanche benchmark of a stream, with the streams `train` and `test`."""
    return benchmark_from_datasets(
        train=[_dataset(stream, experience.train_ids) for experience in stream.experiences],
        test=[_dataset(stream, experience.test_ids) for experience in stream.experiences],
    )


def _dataset(stream: ClipStream, ids: object) -> TaskAwareSupervisedClassificationDataset:
    clips = torch.as_tensor(ids)
    targets = torch.as_tensor(stream.targets)[clips]
    # Arrays, because a list of a million ids is a million objects.
    heads = DataAttribute(np.zeros(len(clips), dtype=np.int64), name="targets_task_labels", use_in_getitem=True)
    return TaskAwareSupervisedClassificationDataset(
        [TensorDataset(clips, targets)],
        data_attributes=[
            DataAttribute(targets.numpy(), name="targets"),
            DataAttribute(clips.numpy(), name="clips"),
            heads,
        ],
    )
