"""What follows the steps of an experience: memory, statistics, what methods note, and what becomes of the classes."""

from collections.abc import Sequence

import numpy as np

from clnorm.training.foreign.placing import placed
from clnorm.training.imbalance.base import Balancing, TrainedExperience
from clnorm.training.norms.statistics import recalibrate
from clnorm.training.plugin import MethodPlugin, Training
from clnorm.training.remembering import add_payload, fill_memory


def finish_experience(strategy: Training, index: int, *, methods: Sequence[MethodPlugin], balancing: Balancing) -> None:
    """Do what is left to do when the steps of experience `index` are done, in the order in which parts need each other.

    The memory takes in its clips, and the model is fine-tuned on it where that is asked for; running statistics are
    estimated anew, which may be on the memory; what methods keep beside the memory's clips, and what else they note, is
    of the model as it will be evaluated.
    """
    if strategy.exemplars is not None:
        fill_memory(strategy.exemplars, strategy, index)
        strategy.memory = strategy.exemplars.ids
        strategy.fine_tune(index)
    recalibrate(strategy, index)
    if strategy.exemplars is not None:
        add_payload(strategy.exemplars, strategy, methods, index)
    for method in methods:
        with placed(method, "finish", where=f"strategy {strategy.setup.config.strategy.name}"):
            method.finish(strategy, index)
    own = strategy.training_stream.experiences[index].train_ids
    balancing.after_experience(
        TrainedExperience(
            index=index,
            ids=np.unique(np.concatenate([own, strategy.memory])),
            seen=strategy.training_stream.seen_after(index),
            model=strategy.evaluated_model,
            inputs=strategy.inputs,
        )
    )
