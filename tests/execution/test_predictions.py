"""One pass over clips: shuffled batches with rows in the order given, and what norms are told of each batch."""

from itertools import chain

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from clnorm.errors import ClnormError
from clnorm.execution.execution import Execution
from clnorm.execution.features import cut_at_head
from clnorm.execution.inputs import Inputs
from clnorm.execution.predictions import NONE, predict_clips, rank_by_means, rank_clips, run_clips
from clnorm.norms import StepContext, build_norm
from clnorm.norms.running import evaluate_by_batch
from clnorm.norms.sites.adapter import NormSite


class Store:
    """Clips of one frame of one pixel, whose values are told by their id."""

    def gather(self, ids):
        return (torch.as_tensor(ids)[:, None, None, None, None] * torch.tensor([7, 11, 13])[None, :, None, None]).byte()


class Linear(nn.Module):
    """Clips (B, 1, 3, 1, 1) to logits (B, 3), by way of a norm of the three values."""

    def __init__(self, norm="identity"):
        super().__init__()
        self.norm = build_norm(norm, 3)
        self.batches = []

    def forward(self, clips):
        values = clips.flatten(1)
        self.batches.append(((values[:, 0] + 1) * 127.5 / 7).round().long().tolist())
        return 5 * self.norm(values[:, None])[:, 0] @ torch.tensor([[1.0, 0.5, -1], [2, -1, 0.3], [-2, 0.2, 1]])


IDS = np.array([5, 1, 4, 2, 9, 7])


def predict(model, *, contexts=None, **options):
    settings = {"batch_size": 2, "precision": "fp32", "seen": 3}
    targets, order = np.arange(10) % 3, np.array([2, 0, 1])
    inputs = Inputs(Store(), torch.device("cpu"), contexts)
    return predict_clips(model, inputs, IDS, targets=targets, order=order, **settings, **options)


def test_a_shuffle_changes_the_batches_and_not_the_order_of_the_rows():
    plain, shuffled = Linear(), Linear()
    expected = predict(plain)
    found = predict(shuffled, shuffle=np.random.default_rng(1))
    assert plain.batches == [[5, 1], [4, 2], [9, 7]]
    assert sorted(chain(*shuffled.batches)) == sorted(IDS)
    assert shuffled.batches != plain.batches
    pd.testing.assert_frame_equal(found, expected, rtol=1e-5)
    assert len(set(expected["confidence"])) == len(IDS)


def test_transductive_predictions_are_by_the_batchs_own_statistics():
    model = Linear("bn:eval=batch")
    found, values = [], Store().gather(IDS).float().flatten(1) * (2 / 255) - 1
    with evaluate_by_batch(model):
        for seed in (1, 2):
            found.append(predict(model, shuffle=np.random.default_rng(seed)))
    for batch in model.batches[:3]:
        rows = values[[IDS.tolist().index(clip) for clip in batch]]
        normed = (rows - rows.mean(0)) / (rows.var(0, correction=0) + 1e-5).sqrt()
        logits = 5 * normed @ torch.tensor([[1.0, 0.5, -1], [2, -1, 0.3], [-2, 0.2, 1]])
        expected = logits.softmax(1).amax(1)
        given = found[0].set_index("clip")["confidence"].loc[batch].to_numpy()
        assert given == pytest.approx(expected.numpy(), rel=1e-3)
    assert not found[0]["confidence"].equals(found[1]["confidence"])
    assert model.norm.num_batches_tracked == 0


class OverZero(nn.Module):
    def forward(self, x):
        return x / 0


def test_outputs_that_are_not_finite_name_the_norm_site_if_it_is_one():
    model = Linear()
    model.norm = NormSite(OverZero(), "frame", site="blocks.0.norm1")
    with pytest.raises(ClnormError, match=r"outputs are not finite, first at norm site 'blocks.0.norm1' \(OverZero\);"):
        predict(model)
    model.norm = OverZero()
    with pytest.raises(ClnormError, match=r"outputs are not finite; lower train.lr"):
        predict(model)


def test_batches_are_as_equal_as_can_be():
    model = Linear()
    predict_clips(
        model,
        Inputs(Store(), torch.device("cpu")),
        np.arange(9),
        targets=np.zeros(10, dtype=np.int64),
        order=np.arange(3),
        seen=3,
        batch_size=4,
        precision="fp32",
    )
    assert [len(batch) for batch in model.batches] == [3, 3, 3]


def test_norms_are_told_of_each_batch_and_left_without_a_context():
    model, told = Linear("bn"), []
    model.norm.register_forward_pre_hook(lambda norm, inputs: told.append(norm.context.tasks.tolist()))
    predict(model, contexts=lambda ids: StepContext(torch.as_tensor(ids) * 10, 0, 0.5))
    assert told == [[50, 10], [40, 20], [90, 70]]
    assert model.norm.context is None


def test_modules_are_left_in_the_modes_they_were_found_in():
    model, modes = nn.Sequential(Linear("bn"), nn.Dropout(0.9)), []
    model.train()
    model[0].norm.eval()
    model[1].register_forward_pre_hook(lambda dropout, inputs: modes.append(dropout.training))
    predict(model)
    assert modes == [False] * 3
    assert [model.training, model[0].training, model[0].norm.training, model[1].training] == [True, True, False, True]


class Frames(Store):
    """As `Store`, with 4 frames of each clip of which 2 are shown; a value adds the number of the frame."""

    frames = 2

    def __len__(self):
        return 10

    def gather(self, ids, *, draws=None):
        shown = np.array([[1, 3]] * len(ids)) if draws is None else (np.arange(2) + draws) * 2 // 1
        return super().gather(ids) + torch.as_tensor(shown).byte()[:, :, None, None, None]


class OfFrames(nn.Module):
    """Clips (B, 2, 3, 1, 1) to what a head sees, (B, 3), and to logits (B, 3)."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 3, bias=False)
        self.head.weight.data = torch.tensor([[30.0, 10, -20], [20, -40, 10], [-10, 10, 30]])

    def forward(self, clips):
        return self.head(self.forward_features(clips))

    def forward_features(self, clips):
        return (clips[:, 0] - 0.5 * clips[:, 1] ** 2).flatten(1)


def test_views_show_other_frames_and_their_softmax_is_averaged():
    model, inputs = OfFrames(), Inputs(Frames(), torch.device("cpu"))
    found = run_clips(
        model,
        inputs,
        IDS,
        outputs=3,
        batch_size=4,
        precision="fp32",
        pair=cut_at_head(model, Execution()),
        views=2,
    )
    targets, order = np.arange(10) % 3, np.array([2, 0, 1])
    frame = rank_clips(found.logits, IDS, targets=targets, order=order, seen=2)
    for place, clip in enumerate(IDS):
        probabilities, features = [], []
        for shown in ([0, 2], [1, 3]):  # at 1/4 and 3/4 of the two segments of two frames
            values = (torch.tensor([[7, 11, 13]]) * clip + torch.tensor(shown)[:, None]) * (2 / 255) - 1
            features.append(values[0] - 0.5 * values[1] ** 2)
            probabilities.append((model.head(features[-1])[:2]).softmax(0))
        mean = sum(probabilities) / 2
        assert found.features[place] == pytest.approx((sum(features) / 2).numpy(), abs=1e-6)
        assert frame["predicted"][place] == order[int(mean.argmax())]
        assert frame["confidence"][place] == pytest.approx(float(mean.detach().max()), rel=1e-4)
    assert found.logits.shape == (2, 6, 3)


def test_one_view_shows_the_middle_frames_and_features_leave_the_logits_as_they_are():
    model, inputs = OfFrames(), Inputs(Frames(), torch.device("cpu"))
    settings = {"outputs": 3, "batch_size": 4, "precision": "fp32"}
    alone = run_clips(model, inputs, IDS, **settings)
    both = run_clips(model, inputs, IDS, **settings, pair=cut_at_head(model, Execution()))
    assert alone.features is None
    assert np.array_equal(alone.logits, both.logits)
    assert both.logits[0] == pytest.approx(both.features @ model.head.weight.detach().numpy().T, abs=1e-4)


def test_by_means_only_classes_that_have_one_and_may_be_are_predicted():
    targets, order, inf = np.array([0, 1, 2, 2]), np.array([7, 5, 6]), np.inf
    scores = np.array([[-1, -inf, -2], [-3, -inf, -2], [-3, -inf, -2], [-inf, -inf, -inf]])
    give = {"targets": targets, "order": order}
    frame = rank_by_means(scores, np.arange(4), **give, seen=3)
    assert frame["predicted"].tolist() == [7, 6, 6, NONE]
    assert frame["rank"].tolist() == [0, 2, 0, 3]
    assert frame["confidence"].isna().all()
    allowed = np.array([[True, True, False]] * 3 + [[False, False, True]])
    assert rank_by_means(scores, np.arange(4), **give, seen=3, allowed=allowed)["predicted"].tolist() == [7, 7, 7, NONE]
    assert rank_by_means(scores, np.arange(4), **give, seen=1)["rank"].tolist() == [0, 1, 1, 1]


def test_a_clip_whose_experience_is_known_is_predicted_among_the_classes_of_its_own():
    logits = np.array([[[3.0, 1, 2], [3, 1, 2]], [[3, 1, 2], [3, 1, 2]]], dtype=np.float32)
    allowed = np.array([[True, False, False], [False, True, True]])
    for views in (1, 2):
        frame = rank_clips(
            logits[:views], np.arange(2), targets=np.array([0, 1]), order=np.arange(3), seen=3, allowed=allowed
        )
        assert frame["predicted"].tolist() == [0, 2]
        assert frame["rank"].tolist() == [0, 1]
        assert frame["confidence"].tolist() == pytest.approx([1, 1 / (1 + np.exp(-1))])
