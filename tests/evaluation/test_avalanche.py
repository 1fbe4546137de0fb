"""Avalanche's own metrics, fed with what a run keeps: those that define the same, and those that do not.

Not compared: Avalanche has nothing like A-bar by experiences, Chaudhry's forgetting (its `Forgetting` is from the first
value, not from the best), min-ACC, WC-ACC, nearest means, probes, retention and calibration.
"""

import numpy as np
import pytest
import torch
from avalanche.evaluation.metrics.accuracy import Accuracy
from avalanche.evaluation.metrics.amca import AverageMeanClassAccuracy
from avalanche.evaluation.metrics.confusion_matrix import ConfusionMatrix
from avalanche.evaluation.metrics.cumulative_accuracies import CumulativeAccuracy
from avalanche.evaluation.metrics.forgetting_bwt import BWT, Forgetting
from avalanche.evaluation.metrics.forward_transfer import ForwardTransfer

from clnorm.evaluation import metrics
from clnorm.evaluation.metrics import METRICS
from tests.evaluation.drawn import draw_run

RUNS = 20


@pytest.fixture(params=range(RUNS))
def run(request):
    return draw_run(np.random.default_rng(request.param))


def feed(metric, R):
    """As its stream metrics do: the first value of an experience when it has been trained, the last one at the end."""
    for j in range(len(R)):
        metric.update(j, R[j, j], initial=True)
        if j < len(R) - 1:  # for the newest experience they have no second value
            metric.update(j, R[-1, j])
    return metric


def mean(values):
    return float(np.mean(list(values.values())))


def test_its_forgetting_is_our_bwf_and_its_bwt_is_ours(run):
    assert mean(feed(Forgetting(), run.R).result()) == pytest.approx(metrics.bwf(run.R))
    assert mean(feed(BWT(), run.R).result()) == pytest.approx(metrics.bwt(run.R))
    # Its name is that of Chaudhry et al., and its value is not: that starts from the best value, not from the first.
    assert metrics.forgetting(run.R) >= mean(feed(Forgetting(), run.R).result()) - 1e-12


def test_its_forward_transfer_is_ours(run):
    R = np.random.default_rng(len(run.R)).random(run.R.shape)
    transfer = ForwardTransfer()
    for j in range(1, len(R)):
        transfer.update(j, run.untrained[j], initial=True)
        transfer.update(j, R[j - 1, j])
    assert mean(transfer.result()) == pytest.approx(metrics.fwt(R, run.untrained))


def test_its_accuracy_on_a_stream_counts_clips_and_ours_experiences(run):
    rows, whole = run.last_predictions, Accuracy()
    for j in range(len(run.R)):
        own = rows[run.experiences_of(rows["label"]) == j]
        of_one = Accuracy()
        for accuracy in (whole, of_one):
            accuracy.update(torch.tensor(own["predicted"].to_numpy()), torch.tensor(own["label"].to_numpy()))
        assert of_one.result() == pytest.approx(run.R[-1, j])
    # The mean over clips: what is no error of either kind.
    wrong = METRICS["task_confusion"](run) + METRICS["within_task_error"](run)
    assert whole.result() == pytest.approx(1 - wrong)
    by_clips = np.average(run.R[-1], weights=run.test_clips)
    assert whole.result() == pytest.approx(by_clips)


def test_its_confusion_matrix_holds_our_errors(run):
    rows = run.last_predictions
    confusion = ConfusionMatrix(num_classes=len(run.experience_of_class))
    confusion.update(torch.tensor(rows["label"].to_numpy()), torch.tensor(rows["predicted"].to_numpy()))
    counts = confusion.result().numpy()
    own = run.experience_of_class
    between = own[:, None] != own[None]
    newest = own == len(run.R) - 1
    assert METRICS["task_confusion"](run) == pytest.approx(counts[between].sum() / counts.sum())
    within = ~between & ~np.eye(len(own), dtype=bool)
    assert METRICS["within_task_error"](run) == pytest.approx(counts[within].sum() / counts.sum())
    assert METRICS["old_as_new"](run) == pytest.approx(counts[np.ix_(~newest, newest)].sum() / counts[~newest].sum())
    assert METRICS["new_as_old"](run) == pytest.approx(counts[np.ix_(newest, ~newest)].sum() / counts[newest].sum())


def test_its_mean_class_accuracy_is_ours_averaged_over_experiences_with_unseen_classes_as_errors(run):
    """AMCA is the mean over t of the mean over all classes that it tracks; those to come count as 0 in it."""
    classes = len(run.experience_of_class)
    amca = AverageMeanClassAccuracy(classes=range(classes))
    for t in range(len(run.R)):
        rows = run.predictions[run.predictions["after"] == t]
        labels = torch.tensor(rows["label"].to_numpy())
        amca.update(torch.tensor(rows["predicted"].to_numpy()), labels, torch.zeros_like(labels))
        if t < len(run.R) - 1:
            amca.next_experience()
    ours = np.nan_to_num(run.class_matrix).mean(axis=1)
    assert amca.result()[0] == pytest.approx(ours.mean())
    assert METRICS["mean_class_accuracy"](run) == pytest.approx(ours[-1])


def test_its_cumulative_accuracy_is_told_the_classes_and_ours_is_not():
    """It predicts among the classes up to an experience, whatever else was learned: no confusion with later ones."""
    logits = torch.tensor([[0.1, 0.2, 0.9], [0.8, 0.1, 0.0]])
    cumulative = CumulativeAccuracy()
    cumulative.update({0: {0, 1}, 1: {0, 1, 2}}, logits, torch.tensor([1, 0]))
    assert cumulative.result() == {0: 1.0, 1: 0.5}
    assert metrics.task_confusion([0, 0], [1, 0]) == 0.5
