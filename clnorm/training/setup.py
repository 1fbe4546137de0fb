"""What a strategy is built from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from clnorm.config.config import Config
from clnorm.data.augment.presets import Augmentation
from clnorm.data.store.store import ClipStore
from clnorm.execution.execution import Execution
from clnorm.progress import Reporter
from clnorm.ranks import Ranks
from clnorm.streams.stream import ClipStream


@dataclass(frozen=True)
class Setup:
    """What a strategy is built from: the first argument of every strategy builder."""

    config: Config
    model: nn.Module
    store: ClipStore
    stream: ClipStream
    device: torch.device
    reporter: Reporter
    log: Callable[[dict[str, Any]], None]
    execution: Execution
    augment: Augmentation
    ranks: Ranks = Ranks()
