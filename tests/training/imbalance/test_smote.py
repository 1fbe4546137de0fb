"""SMOTE between sources: points on segments between clips of one class and different sources, nothing else."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

pytest.importorskip("imblearn")

from clnorm.training.imbalance.smote import OtherSourceNeighbors, balance_points


def scattered(counts, sources, seed=0, dimensions=4):
    """Points of each class, clips of one source close together: that is what makes plain SMOTE pick the same source."""
    generator = np.random.default_rng(seed)
    points, labels, groups = [], [], []
    for label, (count, kinds) in enumerate(zip(counts, sources, strict=True)):
        centres = generator.normal(size=(kinds, dimensions))
        for clip in range(count):
            points.append(5 * label + centres[clip % kinds] + 0.01 * generator.normal(size=dimensions))
            labels.append(label)
            groups.append(f"film {label if kinds == 1 else ''} {clip % kinds}")
    return np.array(points), np.array(labels), np.array(groups, dtype=object)


def ends_of(point, points):
    """The pairs (i, j) of points whose segment holds `point`, i before j."""
    found = []
    for i in range(len(points)):
        for j in range(i + 1, len(points)):
            along = points[j] - points[i]
            share = (point - points[i]) @ along / (along @ along)
            if -1e-9 <= share <= 1 + 1e-9 and np.allclose(points[i] + share * along, point, atol=1e-9):
                found.append((i, j))
    return found


def test_synthetic_points_lie_between_clips_of_one_class_and_two_sources():
    points, labels, groups = scattered([20, 7, 5], [5, 3, 2])
    smoted = balance_points(points, labels, groups, k=3, generator=np.random.default_rng(0))
    assert np.bincount(smoted.labels).tolist() == [20, 20, 20]
    assert smoted.synthetic == {1: 13, 2: 15}
    assert smoted.repeated == {}
    np.testing.assert_array_equal(smoted.points[: len(points)], points)
    np.testing.assert_array_equal(smoted.labels[: len(points)], labels)
    for point, label in zip(smoted.points[len(points) :], smoted.labels[len(points) :], strict=True):
        own = np.flatnonzero(labels == label)
        pairs = ends_of(point, points[own])
        assert pairs, "the point lies on a segment of its class"
        assert any(groups[own[i]] != groups[own[j]] for i, j in pairs)


def test_the_neighbours_of_plain_smote_would_mostly_be_of_the_same_source():
    points, labels, groups = scattered([20, 8], [5, 2])
    own = labels == 1
    plain = NearestNeighbors(n_neighbors=4).fit(points[own]).kneighbors(return_distance=False)
    assert (groups[own][plain[:, :3]] == groups[own][:, None]).all()
    ours = OtherSourceNeighbors(groups[own], 3).fit(points[own]).kneighbors(points[own])
    assert (groups[own][ours[:, 1:]] != groups[own][:, None]).all()


def test_where_every_clip_has_its_own_source_neighbours_are_the_plain_ones():
    points = np.random.default_rng(3).normal(size=(12, 3))
    ours = OtherSourceNeighbors(np.arange(12).astype(object), 4).fit(points).kneighbors(points)
    plain = NearestNeighbors(n_neighbors=4).fit(points).kneighbors(return_distance=False)
    np.testing.assert_array_equal(ours[:, 0], np.arange(12))
    np.testing.assert_array_equal(ours[:, 1:], plain)


def test_too_few_neighbours_are_taken_again_nearest_first():
    points = np.array([[0.0], [1.0], [3.0]])
    ours = OtherSourceNeighbors(np.array(["a", "a", "b"], dtype=object), 3).fit(points).kneighbors(points)
    assert ours.tolist() == [[0, 2, 2, 2], [1, 2, 2, 2], [2, 1, 0, 1]]


def test_a_class_of_one_source_is_repeated_and_that_is_said():
    points, labels, groups = scattered([9, 2, 4], [3, 1, 2])
    smoted = balance_points(points, labels, groups, k=5, generator=np.random.default_rng(0))
    assert smoted.repeated == {1: 7}
    assert smoted.synthetic == {2: 5}
    assert np.bincount(smoted.labels).tolist() == [9, 9, 9]
    copies = smoted.points[len(points) :][smoted.labels[len(points) :] == 1]
    counts = [int((copies == point).all(axis=1).sum()) for point in points[labels == 1]]
    assert sorted(counts) == [3, 4]


def test_balanced_classes_stay_what_they_are():
    points, labels, groups = scattered([4, 4], [2, 2])
    smoted = balance_points(points, labels, groups, k=5, generator=np.random.default_rng(0))
    np.testing.assert_array_equal(smoted.points, points)
    assert smoted.synthetic == smoted.repeated == {}


def test_the_points_follow_the_generator():
    def made(seed):
        return balance_points(*scattered([9, 3], [3, 3]), k=2, generator=np.random.default_rng(seed)).points

    np.testing.assert_array_equal(made(1), made(1))
    assert not np.array_equal(made(1), made(2))
