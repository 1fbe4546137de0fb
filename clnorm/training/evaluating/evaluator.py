"""The evaluations of a run: one pass over the test clips after each experience serves all; others every few steps."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import nn

from clnorm.errors import ClnormError
from clnorm.evaluation.features import class_means, linear_cka, score_by_means
from clnorm.evaluation.matrix import UNTRAINED
from clnorm.execution.execution import compile_errors
from clnorm.execution.features import Pair, cut_at_head
from clnorm.execution.predictions import ClipOutputs, rank_by_means, rank_clips, run_clips
from clnorm.norms.running import evaluate_by_batch, statistics_of
from clnorm.seeding import numpy_generator
from clnorm.training.evaluating.checks import needs_features, refuse_other_outputs
from clnorm.training.evaluating.findings import Findings
from clnorm.training.evaluating.probe import TrainingClips, fit_probe
from clnorm.training.trainer import ClipStrategy

COLUMNS = {"nme": ("exemplars", "both"), "ncm": ("all", "both")}
"""Of predictions by nearest means, and the values of `eval.nearest` that ask for each."""


class Evaluator:
    """Evaluates the model of a strategy.

    Args:
        strategy: which trains.

    Attributes:
        findings: what was found beside the predictions.
    """

    def __init__(self, strategy: ClipStrategy) -> None:
        self._strategy, self._setup, self._asked = strategy, strategy.setup, strategy.setup.config.eval
        self._with_features = needs_features(strategy.setup.config, classifier=strategy.classifier)
        self._pairs: dict[int, Pair] = {}
        self._is_cut_known = not strategy.setup.config.backbone.entry.source  # that of clnorm's own is tested
        self.findings = Findings()

    def after_experience(self, index: int) -> pd.DataFrame:
        """Predictions after a training step: of the experiences seen, and of the others where they were asked for.

        Clips of experiences seen are predicted among the classes seen. For the others every output is allowed, since
        none of theirs could be right otherwise. Where tasks are known, a clip is always predicted among the classes of
        its own.
        """
        setup, stream = self._setup, self._strategy.training_stream
        trained = 0 if index == UNTRAINED else stream.seen_after(index)
        seen = stream.tested_after(index)
        unseen = setup.stream.test_ids[~np.isin(setup.stream.test_ids, seen)] if self._asked.unseen else seen[:0]
        trainers = self._train_features(index)
        means, parts = self._means(index, trainers), []
        for ids, allowed in ((seen, trained), (unseen, setup.stream.num_classes)):
            if len(ids):
                # Norms that evaluate by the batch: the test clips come class by class, whose statistics are not all's.
                found = self._run(ids, "evaluation", index, allowed, views=self._asked.views)
                parts.append(self._rank(found, ids, means, seen=allowed))
                if ids is seen:
                    self._compare(found, ids, trainers, after=index)
        predictions = pd.concat(parts).assign(after=index)
        if setup.stream.is_by_class:
            return predictions
        return predictions.assign(experience=setup.stream.experience_of_clip[predictions["clip"]])

    def after_step(self) -> None:
        """Test the experiences so far, every so many steps; nothing of the training is changed by that.

        By the head, by one view, and by running statistics as they are, whatever is asked for after experiences.
        """
        strategy, stream = self._strategy, self._strategy.training_stream
        index, step = strategy.index, strategy.statistics.done
        if not self._asked.every or step % self._asked.every:
            return
        ids, allowed = stream.tested_after(index), stream.seen_after(index)
        device = strategy.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            found = self._run(ids, "steps", step, with_features=False)
        frame = self._rank_by_head(found.logits, ids, seen=allowed)
        tested = self._setup.stream.experience_of_clip[ids]
        right = (frame["predicted"] == frame["label"]).to_numpy()
        for of in np.unique(tested):
            own = right[tested == of]
            self.findings.steps.append((index, step, int(of), float(own.mean()), len(own)))

    def _rank(
        self, found: ClipOutputs, ids: np.ndarray, means: Mapping[str, np.ndarray | None], *, seen: int
    ) -> pd.DataFrame:
        """What is predicted for clips `ids` (n,) by the head and by each of `means`, (classes, d) or None for none."""
        frame = self._rank_by_head(found.logits, ids, seen=seen)
        stream, by_means = self._setup.stream, {}
        for column, of_classes in means.items():
            scores = np.full((len(ids), stream.num_classes), -np.inf)
            if of_classes is not None:
                scores = score_by_means(_features(found), of_classes)
            by_means[column] = rank_by_means(
                scores, ids, targets=stream.targets, order=stream.order, seen=seen, allowed=stream.allowed(ids)
            )
        asked = [name for name, words in COLUMNS.items() if self._asked.nearest in words]
        columns = {name: by_means[name]["predicted"] for name in asked}
        if self._strategy.classifier == "nme":
            return by_means["nme"].assign(**columns, head=frame["predicted"])
        return frame.assign(**columns)

    def _rank_by_head(self, logits: np.ndarray, ids: np.ndarray, *, seen: int) -> pd.DataFrame:
        stream = self._setup.stream
        return rank_clips(
            logits, ids, targets=stream.targets, order=stream.order, seen=seen, allowed=stream.allowed(ids)
        )

    def _train_features(self, index: int) -> TrainingClips | None:
        """The features of all training clips of the experiences so far, where something needs them."""
        if index == UNTRAINED or not (self._asked.probe or self._asked.nearest in COLUMNS["ncm"]):
            return None
        parts = self._strategy.given_stream.experiences[: index + 1]
        ids = np.unique(np.concatenate([part.train_ids for part in parts]))
        return TrainingClips(_features(self._run(ids, "training clips", index)), self._setup.stream.targets[ids])

    def _means(self, index: int, training: TrainingClips | None) -> dict[str, np.ndarray | None]:
        """By column, the class means (classes, d) to predict by; None where nothing was trained yet.

        Raises:
            ClnormError: exemplars are asked for, and the strategy has kept none.
        """
        found, classes = dict[str, np.ndarray | None](), self._setup.stream.num_classes
        if self._asked.nearest in COLUMNS["nme"] or self._strategy.classifier == "nme":
            found["nme"] = None if index == UNTRAINED else self._exemplar_means(index)
        if self._asked.nearest in COLUMNS["ncm"]:
            found["ncm"] = (
                None if training is None else class_means(training.features, training.targets, classes=classes)
            )
        return found

    def _exemplar_means(self, index: int) -> np.ndarray:
        setup, ids = self._setup, self._strategy.memory
        if not len(ids):
            what = f"the memory is empty after experience {index + 1}, so that no exemplar has a mean"
            hint = "set strategy.memory after each experience, or leave eval.nearest=none"
            raise ClnormError(what, where=f"strategy {setup.config.strategy.short}", hint=hint)
        targets, seen = setup.stream.targets[ids], self._strategy.training_stream.seen_after(index)
        if lacking := sorted(set(range(seen)) - set(targets.tolist())):
            names = setup.stream.order[lacking].tolist()
            setup.log({"experience": index, "without_exemplars": names})
            setup.reporter.note(
                f"After experience {index + 1} the memory has no clip of {len(names)} of {seen} classes, so that none "
                "is predicted as theirs by nearest means; log.jsonl names them."
            )
        features = _features(self._run(ids, "exemplars", index))
        return class_means(features, targets, classes=setup.stream.num_classes)

    def _compare(self, found: ClipOutputs, ids: np.ndarray, training: TrainingClips | None, *, after: int) -> None:
        """Note how well a linear probe tells test clips `ids` (n,) apart, and how their features have changed."""
        if not (self._asked.probe or self._asked.cka):
            return
        setup, features = self._setup, _features(found)
        tested = setup.stream.experience_of_clip[ids]
        right = np.full(len(ids), np.nan)
        if training is not None and self._asked.probe:
            seen = self._strategy.training_stream.seen_after(after)
            fit = fit_probe(training, classes=seen)
            report = {"loss": fit.loss, "steps": fit.steps, "converged": fit.converged}
            setup.log({"experience": after, "probe": report})
            if not fit.converged:
                setup.reporter.note(f"The probe after experience {after + 1} is not at its minimum; log.jsonl says so.")
            frame = self._rank_by_head((features @ fit.weight.T + fit.bias)[None], ids, seen=seen)
            right = (frame["predicted"] == frame["label"]).to_numpy(np.float64)
        for of in np.unique(tested).tolist():
            own, cka = tested == of, float("nan")
            if self._asked.cka:
                cka = linear_cka(features[own], self.findings.references.setdefault(of, features[own]))
            self.findings.probes.append((after, of, float(right[own].mean()), cka))

    def _run(
        self, ids: np.ndarray, purpose: str, *place: int, views: int = 1, with_features: bool | None = None
    ) -> ClipOutputs:
        """The outputs of clips `ids` (n,), in evaluation; `purpose` and `place` draw who shares a batch."""
        setup, model = self._setup, self._strategy.evaluated_model
        stats, inputs = statistics_of(model).eval, self._strategy.inputs
        with_features = self._with_features if with_features is None else with_features
        if with_features and not self._is_cut_known:
            self._is_cut_known, some = True, ids[: self._asked.batch_size]
            cut, whole = (self._run(some, purpose, *place, with_features=given).logits for given in (True, False))
            refuse_other_outputs(cut, whole, setup.config, is_compiled=setup.execution.compile)
        with compile_errors(setup.execution), evaluate_by_batch(model):
            return run_clips(
                model,
                inputs if stats == "task" else replace(inputs, context_of=None),
                ids,
                outputs=setup.stream.num_classes,
                batch_size=self._asked.batch_size,
                precision=setup.execution.precision,
                shuffle=numpy_generator(setup.config.seed, purpose, *place) if stats == "batch" else None,
                ranks=setup.ranks,
                pair=self._pair_of(model) if with_features else None,
                views=views,
            )

    def _pair_of(self, model: nn.Module) -> Pair:
        if id(model) not in self._pairs:
            self._pairs[id(model)] = cut_at_head(model, self._setup.execution)
        return self._pairs[id(model)]


def _features(found: ClipOutputs) -> np.ndarray:
    if found.features is None:
        raise TypeError("these outputs were asked for without features")
    return found.features
