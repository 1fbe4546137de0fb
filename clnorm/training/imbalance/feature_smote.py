"""SMOTE where it means something: on the trained backbone's features, to fit the head anew after each experience."""

import importlib.util
from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from clnorm.errors import UserError
from clnorm.execution.inputs import compute_outputs, split_batches
from clnorm.norms.running import statistics_of
from clnorm.seeding import numpy_generator
from clnorm.training.imbalance.base import Balancing, TrainedExperience
from clnorm.training.imbalance.head_fit import fit_head
from clnorm.training.imbalance.ldam import require_head
from clnorm.training.imbalance.samplers import ClassCounts
from clnorm.training.setup import Setup


class FeatureSMOTE(Balancing):
    """After each experience, the head of the evaluated model is fitted anew on frozen features that SMOTE balanced.

    Training itself is plain. Then the clips at hand, those of the experience and those in memory, each once, pass the
    backbone in evaluation mode, without augmentation; test clips never do. SMOTE makes points between clips of one
    class and different sources until all classes at hand have as many as the largest, and logistic regression fits
    the rows of these classes, against all classes seen. The rows of classes without a clip at hand, without a memory
    those of earlier experiences, are as trained. The fitted head is what is evaluated and kept; the next experience
    starts from the head as trained, since one that separates few clips without error is too steep to go on from.

    What was made stands in `log.jsonl`, one line an experience.

    Source: Chawla et al., "SMOTE: Synthetic Minority Over-sampling Technique", JAIR 2002; to train the classifier of a
    long tail anew on frozen features is Kang et al., ICLR 2020 (cRT).

    Args:
        setup: the run's parts.
        k: neighbours to choose from.
        l2: of the regression.

    Raises:
        UserError: imbalanced-learn is not installed, the model has no head or features to name, or test clips are
            normalized by their own batch.
    """

    def __init__(self, setup: Setup, *, k: int = 5, l2: float = 0.001) -> None:
        super().__init__(setup)
        self.k, self.l2 = k, l2
        where = "train.imbalance"
        if importlib.util.find_spec("imblearn") is None:
            hint = "pip install 'clnorm[imbalance]'"
            raise UserError("feature_smote needs imbalanced-learn", where=where, hint=hint)
        if statistics_of(setup.model).eval == "batch":
            what = "feature_smote needs features that do not depend on the batch, as those of a norm with eval=batch do"
            raise UserError(what, where=where, hint="leave the norm's option eval=running")
        self._head = require_head(setup)
        self._trained: dict[str, Tensor] = {}

    def start(self, counts: ClassCounts) -> None:
        super().start(counts)
        if self._trained:
            self._head.load_state_dict(self._trained)

    def state_dict(self) -> dict[str, Tensor]:
        return self._trained

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self._trained = state

    def after_experience(self, trained: TrainedExperience) -> None:
        from clnorm.training.imbalance.smote import balance_points

        self._trained = {name: held.clone() for name, held in self._head.state_dict().items()}
        stream, ids, index = self.setup.stream, trained.ids, trained.index
        generator = numpy_generator(self.setup.config.seed, "smote", index)
        smoted = balance_points(
            self._features(trained), stream.targets[ids], stream.groups[ids], k=self.k, generator=generator
        )
        head: nn.Linear = trained.model.get_submodule("head")  # type: ignore[assignment]  # as `require_head` has seen
        seen = trained.seen
        weight, bias = (part.detach().cpu().double().numpy()[:seen] for part in (head.weight, head.bias))
        fit = fit_head(smoted.points, smoted.labels, weight, bias, free=np.unique(smoted.labels), l2=self.l2)
        with torch.no_grad():
            head.weight[:seen] = torch.as_tensor(fit.weight)
            head.bias[:seen] = torch.as_tensor(fit.bias)
        report = {
            "clips": len(ids),
            "synthetic": self._name_classes(smoted.synthetic),
            "repeated": self._name_classes(smoted.repeated),
            "loss": fit.loss,
            "steps": fit.steps,
            "converged": fit.converged,
        }
        self.setup.log({"experience": index, "feature_smote": report})
        if not fit.converged:
            self.setup.reporter.note(f"The head of experience {index + 1} is not at its minimum; log.jsonl says so.")

    def _name_classes(self, counts: dict[int, int]) -> dict[str, int]:
        """By class id, as in the record."""
        return {str(self.setup.stream.order[output]): count for output, count in counts.items()}

    def _features(self, trained: TrainedExperience) -> np.ndarray:
        """(n, d) float64: what the head sees of each clip in evaluation."""
        features = compute_outputs(
            trained.model,
            trained.inputs,
            split_batches(trained.ids, self.setup.config.eval.batch_size),
            precision=self.setup.execution.precision,
            forward=cast(Callable[[Tensor], Tensor], trained.model.forward_features),
        )
        return features.astype(np.float64)
