"""Heads that are computed from features: against the papers' equations, clip by clip."""

import numpy as np
import pytest
import torch

import clnorm
from clnorm.models.heads import RandomFeatureHead
from clnorm.strategies.ncm import NearestMean
from clnorm.strategies.ranpac import RIDGES, RandomRidge, choose_ridge
from clnorm.strategies.slda import StreamingLDA
from tests.training.strategies import STILL, create

RNG = np.random.default_rng(0)
FEATURES, TARGETS = RNG.standard_normal((30, 4)), np.repeat([0, 1, 2], 10)
SHOWN = RNG.standard_normal((50, 4))


def learned(method, parts=2):
    for rows in np.array_split(np.arange(30), parts):
        method.learn(FEATURES[rows], TARGETS[rows], generator=np.random.default_rng(1))
    return method


def test_the_nearest_mean_is_the_nearest():
    weight, bias = learned(NearestMean(5, 4)).solve(3)
    means = np.array([FEATURES[label == TARGETS].mean(axis=0) for label in range(3)])
    nearest = [min(range(3), key=lambda c: np.linalg.norm(row - means[c])) for row in SHOWN]
    assert (SHOWN @ weight.T + bias).argmax(axis=1).tolist() == nearest


def test_streaming_lda_is_the_equations_clip_by_clip():
    method = StreamingLDA(3, 4, shrinkage=0.1)
    method.learn(FEATURES, TARGETS, generator=np.random.default_rng(1))
    means, counts, sigma, t = [np.zeros(4)] * 3, [0] * 3, np.zeros((4, 4)), 0
    for place in np.random.default_rng(1).permutation(30):
        z, y = FEATURES[place], TARGETS[place]
        if counts[y]:
            sigma = (t * sigma + t * np.outer(z - means[y], z - means[y]) / (t + 1)) / (t + 1)
        else:
            sigma = t * sigma / (t + 1)
        means[y] = (counts[y] * means[y] + z) / (counts[y] + 1)
        counts[y], t = counts[y] + 1, t + 1
    inverse = np.linalg.inv(0.9 * sigma + 0.1 * np.eye(4))
    weight, bias = method.solve(3)
    np.testing.assert_allclose(weight, [inverse @ mean for mean in means], rtol=1e-9)
    np.testing.assert_allclose(bias, [-0.5 * mean @ inverse @ mean for mean in means], rtol=1e-9)


def test_random_ridge_is_ridge_regression_of_all_clips_so_far():
    head = RandomFeatureHead(4, 6, 5, generator=torch.Generator().manual_seed(0))
    method = learned(RandomRidge(5, head))
    weight, bias = method.solve(3)
    hidden = head.project(torch.as_tensor(FEATURES).float()).double().numpy()
    wanted = np.eye(3)[TARGETS]
    expected = np.linalg.inv(hidden.T @ hidden + method.ridge * np.eye(6)) @ hidden.T @ wanted
    np.testing.assert_allclose(weight, expected.T, rtol=1e-4, atol=1e-5)
    assert not bias.any()


def test_random_ridge_learns_by_the_projection_that_the_head_has_now():
    """Moving a model to a GPU, and loading one, can put another tensor there than the method was built with."""
    head, later = (RandomFeatureHead(4, 6, 5, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    method = RandomRidge(5, head)
    head.projection = later.projection.clone()
    np.testing.assert_array_equal(learned(method).gram, learned(RandomRidge(5, later)).gram)


def test_the_ridge_is_the_best_on_the_last_fifth():
    hidden, wanted = np.maximum(RNG.standard_normal((20, 8)), 0), np.eye(3)[RNG.integers(0, 3, 20)]
    errors = []
    for ridge in RIDGES:
        weight = np.linalg.solve(hidden[:16].T @ hidden[:16] + ridge * np.eye(8), hidden[:16].T @ wanted[:16])
        errors.append(((hidden[16:] @ weight - wanted[16:]) ** 2).mean())
    assert choose_ridge(hidden, wanted) == RIDGES[int(np.argmin(errors))]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ncm", "slda", "ranpac:features=20"])
def test_the_backbone_rests_after_the_first_experience(build_setup, name):
    strategy = create(build_setup(strategy=name, backbone=STILL, norm="bn", train__epochs=1))
    strategy.train_experience(0)
    before = {key: value.clone() for key, value in strategy.model.state_dict().items()}
    strategy.train_experience(1)
    after = strategy.model.state_dict()
    changed = {key for key in after if not torch.equal(after[key], before[key])}
    assert changed
    assert all(key.startswith("head.") for key in changed)


@pytest.mark.slow
@pytest.mark.parametrize("adapt", ["first", "none"])
@pytest.mark.parametrize("name", ["ncm", "slda", "ranpac"])
def test_a_run_counts_what_it_trained_and_its_model_predicts_the_same(tiny, name, adapt):
    options = "features=20," if name == "ranpac" else ""
    config = tiny(strategy=f"{name}:{options}adapt={adapt}", train__epochs=1)
    record = clnorm.run(config)
    assert record.cost["clips_trained"] == (8 if adapt == "first" else 0)
    assert record.memory["clips"] == 0
    run = f"{config.out}/{record.run}"
    model = clnorm.load_model(run).model
    import pandas as pd

    from clnorm.data.store.loader import read_batches
    from clnorm.data.store.store import ClipStore
    from clnorm.data.synthetic.reader import read
    from clnorm.execution.inputs import pixels_to_input

    kept = pd.read_parquet(f"{run}/predictions.parquet").query("after == 1")
    store = ClipStore.open(read(None, **config.dataset.kwargs), frames=4, size=16, keep="T")
    ids = kept["clip"].to_numpy()
    with torch.no_grad():
        ((_, pixels),) = read_batches(store, [ids])
        shown = model(pixels_to_input(pixels)).argmax(dim=1).numpy()
    order = [label for part in record.experiences for label in part]
    assert [order[output] for output in shown] == kept["predicted"].tolist()


@pytest.mark.parametrize("name", ["ncm", "slda", "ranpac:features=20"])
def test_tests_within_an_experience_are_refused_since_the_head_comes_later(build_setup, name):
    setup = build_setup(strategy=name, eval__every=2)
    with pytest.raises(clnorm.UserError, match=r"eval.every: its head is computed when an experience ends"):
        setup.config.strategy.build(setup)
