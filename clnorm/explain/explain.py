"""`explain`: the parts of a finished run's forgetting, from its kept model and its clips."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from clnorm.errors import ClnormError, UserError
from clnorm.execution.inputs import compute_outputs, split_batches
from clnorm.execution.precision import autocast
from clnorm.execution.predictions import predict_clips
from clnorm.explain.parts import Floats, split_forgetting
from clnorm.explain.subject import Kept, Subject, find_kept, open_subject
from clnorm.norms.calibrate import find_statistics
from clnorm.progress import Reporter
from clnorm.results.explanation import Explanation, read_explanation, write_explanation
from clnorm.results.folder import RunFolder, read_frame
from clnorm.seeding import numpy_generator
from clnorm.training.imbalance.head_fit import HeadFit, fit_head
from clnorm.training.norms.statistics import calibrate_on

L2 = 0.001
"""Of the head's regression, on standardized features: what `feature_smote` has by default."""

_MOST_DIFFERING = 0.005  # share of test clips that other hardware may predict otherwise


def explain(
    run: str | Path,
    *,
    data_root: str | None = None,
    allow_plugins: Iterable[str] = (),
    reporter: Reporter | None = None,
) -> Explanation:
    """Cut a finished run's forgetting into the parts of running statistics, head and features; kept in its folder.

    Of each old experience j < T, best_j = max_{j <= t < T} R[t, j], and the accuracy on its test clips is A0_j with the
    kept model as it is; A1_j with its running statistics estimated anew on all training clips, those of its own
    batches, unaugmented and shuffled; A2_j with, after that, its linear head fitted anew on the frozen features of all
    training clips: the minimum of the mean cross-entropy + l2/2 |W|^2, on standardized features, in float64. Then

        best_j - A0_j  =  (A1_j - A0_j)  +  (A2_j - A1_j)  +  (best_j - A2_j)
        forgetting        statistics        head               features

    exactly, and so do the means over j, the first of which is `forgetting` of Chaudhry et al. 2018, every experience
    counting the same. A part below zero says that making a thing anew lost accuracy; of features, that the old
    experience could be told apart better in the end. A clip is predicted among the classes that it was predicted among
    at the end of the run: all, or where tasks are known, those of its own.

    A run that was explained already is loaded.

    Args:
        run: the folder of a finished run with a kept model.
        data_root: where its videos lie now; by default where they lay.
        allow_plugins: the plug-ins that its files may name, as for `clnorm.load_model`.
        reporter: told of decoding.

    Raises:
        UserError, ClnormError: as `find_kept` and `open_subject`; or the kept model predicts otherwise than the run.
    """
    reporter = reporter or Reporter()
    kept = find_kept(run)
    known = read_explanation(kept.folder)
    if known is not None and known.model == kept.digest:
        return known
    began = time.perf_counter()
    subject = open_subject(kept, data_root=data_root, allow_plugins=allow_plugins, reporter=reporter)
    explanation = _explain(kept, subject, began)
    with RunFolder(kept.folder).locked():
        write_explanation(kept.folder, explanation)
    return explanation


def _explain(kept: Kept, subject: Subject, began: float) -> Explanation:
    predicted = _predict(subject)
    differing = _compare(kept, subject, predicted)
    sites, final = len(find_statistics(subject.model)), _accuracies(subject, predicted)
    tested = _features(subject, subject.stream.test_ids)
    _refuse_other_head(subject, predicted, tested, kept)
    fitted, before = _fit_and_predict(subject, tested)
    head_first, recalibrated = _accuracies(subject, before), final
    both, fits = head_first, [fitted]
    if sites:
        _recalibrate(subject)
        recalibrated = _accuracies(subject, _predict(subject))
        fitted, after = _fit_and_predict(subject, _features(subject, subject.stream.test_ids))
        both, fits = _accuracies(subject, after), [*fits, fitted]
    parts = split_forgetting(kept.best, final, recalibrated, both, statistics_first=True)
    other = split_forgetting(kept.best, final, head_first, both, statistics_first=False)
    return Explanation(
        run=kept.record.run,
        model=kept.digest,
        best=kept.best.tolist(),
        final=final.tolist(),
        statistics=parts.statistics.tolist(),
        head=parts.head.tolist(),
        features=parts.features.tolist(),
        head_before_statistics=other.head.tolist(),
        sites=sites,
        train_clips=len(subject.train_ids),
        test_clips=len(subject.stream.test_ids),
        differing=differing,
        l2=L2,
        converged=all(fit.converged for fit in fits),
        seconds=time.perf_counter() - began,
    )


def _predict(subject: Subject) -> np.ndarray:
    """(n,) the class id that the model predicts for each test clip, as at the end of the run."""
    stream = subject.stream
    frame = predict_clips(
        subject.model,
        subject.inputs,
        stream.test_ids,
        targets=stream.targets,
        order=stream.order,
        seen=stream.num_classes,
        allowed=stream.allowed(stream.test_ids),
        batch_size=subject.config.eval.batch_size,
        precision=subject.precision,
    )
    predicted: np.ndarray = frame["predicted"].to_numpy(np.int64)
    return predicted


def _accuracies(subject: Subject, predicted: np.ndarray) -> Floats:
    """(T - 1,) the accuracy on each old experience of what is predicted for each test clip."""
    stream = subject.stream
    right = predicted == stream.order[stream.targets[stream.test_ids]]
    ends = np.cumsum([len(experience.test_ids) for experience in stream.experiences])
    return np.array([part.mean() for part in np.split(right, ends[:-1])[:-1]])


def _compare(kept: Kept, subject: Subject, predicted: np.ndarray) -> int:
    """How many test clips are predicted otherwise than at the end of the run.

    Raises:
        ClnormError: more than rounding explains, or other clips were predicted.
    """
    file = kept.folder / "predictions.parquet"
    rows = read_frame(file, hint="make the run anew")
    last = rows[rows["after"] == rows["after"].max()].set_index("clip")["predicted"]
    ids = subject.stream.test_ids
    if set(last.index) != set(ids.tolist()):
        raise ClnormError("the run predicted other clips in the end than its test clips", where=str(file))
    differing = int((last.loc[ids].to_numpy(np.int64) != predicted).sum())
    if differing > _MOST_DIFFERING * len(ids):
        what = f"the kept model predicts {differing} of {len(ids)} test clips otherwise than the run did in the end"
        hint = "explain it on the hardware and with the versions in its record, or make it anew"
        raise ClnormError(what, where=str(kept.file), hint=hint)
    return differing


def _refuse_other_head(subject: Subject, predicted: np.ndarray, tested: Floats, kept: Kept) -> None:
    """Refuse a model whose outputs are something else than its head's of its features, in the run's precision."""
    device = subject.inputs.device
    with torch.no_grad(), autocast(device, subject.precision):
        outputs = subject.head(torch.as_tensor(tested, dtype=torch.float32, device=device))
    differing = int((_choose(subject, outputs.double().cpu().numpy()) != predicted).sum())
    if differing > max(1, _MOST_DIFFERING * len(predicted)):
        what = f"its outputs are not those of `head` on `forward_features`: {differing} of {len(predicted)} differ"
        raise UserError(what, where=str(kept.folder), legal="a backbone whose last layer is its linear head")


def _recalibrate(subject: Subject) -> None:
    calibrate_on(
        subject.model,
        subject.training_inputs,
        subject.train_ids,
        batch_size=subject.config.train.batch_size,
        generator=numpy_generator(subject.config.seed, "explanation"),
    )


def _fit_and_predict(subject: Subject, tested: Floats) -> tuple[HeadFit, np.ndarray]:
    """The head fitted anew on the features of all training clips, and (n,) what it predicts for each test clip.

    Args:
        subject: the model is frozen as it stands.
        tested: (n, d) the features of the test clips.
    """
    stream, ids = subject.stream, subject.train_ids
    weight, bias = _read_head(subject)
    every = np.arange(stream.num_classes)
    fit = fit_head(_features(subject, ids), stream.targets[ids], weight, bias, free=every, l2=L2)
    return fit, _choose(subject, tested @ fit.weight.T + fit.bias)


def _choose(subject: Subject, outputs: Floats) -> np.ndarray:
    """(n,) the class id of each test clip's largest output (n, classes), of those that it may be."""
    stream = subject.stream
    allowed = stream.allowed(stream.test_ids)
    chosen = outputs if allowed is None else np.where(allowed, outputs, -np.inf)
    return np.asarray(stream.order[chosen.argmax(axis=1)])


def _features(subject: Subject, ids: np.ndarray) -> Floats:
    """(n, d) float64: what the head sees of each clip in evaluation."""
    features = compute_outputs(
        subject.model,
        subject.inputs,
        split_batches(ids, subject.config.eval.batch_size),
        precision=subject.precision,
        forward=cast(Callable[[Tensor], Tensor], subject.model.forward_features),
    )
    return features.astype(np.float64)


def _read_head(subject: Subject) -> tuple[Floats, Floats]:
    """The head's weight (classes, d) and bias (classes,), which is 0 where it has none."""
    head = subject.head
    weight: Floats = head.weight.detach().cpu().double().numpy()
    return weight, np.zeros(len(weight)) if head.bias is None else head.bias.detach().cpu().double().numpy()
