"""How running statistics are updated, estimated anew, frozen and used in evaluation: the options of norms with some."""

from dataclasses import asdict, dataclass

from torch import Tensor

from clnorm.catalogue import STATISTICS
from clnorm.catalogue.registry import Spec
from clnorm.norms.context import StepContext

_NEEDS = {
    "current_only": ("tasks", "experience"),
    "memory_only": ("tasks", "experience", "has_memory"),
    "balanced": ("tasks",),
}


@dataclass(frozen=True)
class Statistics:
    """Which clips running statistics take in, when they are estimated anew or stand still, and what evaluation goes by.

    | update         | weight of a clip                                                              |
    |----------------|-------------------------------------------------------------------------------|
    | `all`          | 1                                                                             |
    | `current_only` | 1 if it belongs to the experience in training, else 0                         |
    | `memory_only`  | 1 if it comes from the memory, else 0; 1 for all while there is no memory     |
    | `balanced`     | 1 / the clips of its experience in the batch, so that these weigh all the same |
    | `none`         | the batch is not tracked                                                      |

    Args:
        update: which clips of a batch they take in.
        recalibrate: `none`, or what they are estimated anew on after each experience: the `buffer` of clips that a
            strategy keeps, or the clips of the `current` experience.
        freeze_after: the experiences after which training goes by them, and they stay; 0: never.
        eval: what test clips are normalized by: `running`, the `batch` that they come in, or of an oracle, the
            statistics of each clip's own experience, `task`.
        parts: with several processes, whose clips batch statistics are of: those of all of them where it is 1; where it
            is their number, those of each process's own part of the batch.

    Raises:
        UserError: a value that is not legal.
    """

    update: str = "all"
    recalibrate: str = "none"
    freeze_after: int = 0
    eval: str = "running"
    parts: int = 1

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if (name, value) != ("eval", "task"):
                STATISTICS[name].parse(value, where=f"Statistics: {name}")

    @classmethod
    def of(cls, spec: Spec) -> "Statistics | None":
        """Those that a norm's text says; None for a norm that has none of these options."""
        given = {name: value for name, value in spec.kwargs.items() if name in STATISTICS}
        return cls(**given) if given else None  # type: ignore[arg-type]  # which the registry has checked

    @property
    def needs(self) -> tuple[str, ...]:
        """The fields of a `StepContext` that a norm must be told in training to follow this."""
        frozen = ("experience",) if self.freeze_after else ()
        return tuple(dict.fromkeys((*_NEEDS.get(self.update, ()), *frozen)))

    def freezes(self, experience: int) -> bool:
        """Whether statistics stand still while an experience, counted from 0, is trained."""
        return 0 < self.freeze_after <= experience

    def weigh(self, context: StepContext) -> tuple[Tensor | None, bool]:
        """What a batch's clips count in running statistics.

        Returns:
            Weights (B,), None where all clips count alike; and whether the batch is tracked: not where none of its
            clips counts, as in a piece of a batch without a clip of the memory.
        """
        if self.update in ("all", "none"):
            return None, self.update == "all"
        if self.update not in context.weighed:  # once for all norms: it waits for a GPU
            context.weighed[self.update] = _weigh(self.update, context)
        return context.weighed[self.update]


def _weigh(update: str, context: StepContext) -> tuple[Tensor | None, bool]:
    tasks = context.tasks
    if update == "balanced":
        return (tasks.unsqueeze(1) == tasks).sum(1).float().reciprocal(), True
    current = tasks == context.experience
    counted = current if update == "current_only" else ~current
    if counted.any():
        return counted.float(), True
    return None, update == "memory_only" and not context.has_memory
