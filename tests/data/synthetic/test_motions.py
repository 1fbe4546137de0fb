"""Motions and shapes of the synthetic dataset: partners, reversals, outlines."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from clnorm.data.synthetic import render
from clnorm.data.synthetic.motions import Variation, list_motions, reversed_motion, trace
from clnorm.data.synthetic.shapes import create_texture, list_shapes
from clnorm.seeding import numpy_generator

TIMES = (np.arange(24) + 0.5) / 24
PARTNERS = {"left": "right", "up": "down", "in": "out", "rise": "fall", "grow": "shrink"}


def test_partners_are_mutual_and_named_as_opposites():
    opposite = PARTNERS | {value: key for key, value in PARTNERS.items()}
    pairs = [name for name in list_motions() if reversed_motion(name) != name]
    assert len(pairs) == 28
    for name in pairs:
        assert reversed_motion(reversed_motion(name)) == name
        assert reversed_motion(name) == "_".join(opposite.get(word, word) for word in name.split("_"))
    firsts = list_motions()[:10]
    assert sum(reversed_motion(name) in firsts for name in firsts if reversed_motion(name) != name) == 2


@pytest.mark.parametrize("motion", [name for name in list_motions() if reversed_motion(name) != name])
def test_a_motion_backwards_is_its_partner_but_never_itself(motion):
    rng = numpy_generator(0, f"test {motion}")
    variation = render.draw_variation(rng)
    backwards, partner = trace(motion, TIMES, variation), trace(reversed_motion(motion), TIMES, variation)
    for field in ("x", "y", "width", "height", "angle", "opacity"):
        np.testing.assert_allclose(getattr(backwards, field)[::-1], getattr(partner, field), atol=1e-12)
    assert distance_from_reversal(motion, variation) > 0.1


@pytest.mark.parametrize("motion", [name for name in list_motions() if reversed_motion(name) == name])
def test_a_motion_without_partner_is_its_own_reversal(motion):
    """Some other phase (or sense) of the same motion shows what the clip shows backwards."""
    rng = numpy_generator(0, f"test {motion}")
    assert distance_from_reversal(motion, render.draw_variation(rng)) < 0.05


def distance_from_reversal(motion: str, variation) -> float:
    """Least distance, over phases and senses, between the motion run backwards and the same motion run forwards."""
    target = fields(trace(motion, TIMES, variation))[:, ::-1]
    steps = 48 if motion == "tremble" else 192
    seconds = np.arange(steps) / steps if motion == "tremble" else [0.0]
    tries = itertools.product((-1, 1), np.arange(steps) / steps, seconds)
    variations = (replace(variation, sense=sense, phase=phase, phase2=second) for sense, phase, second in tries)
    return min(np.abs(fields(trace(motion, TIMES, other)) - target).max() for other in variations)


def fields(pose) -> np.ndarray:
    """What is seen of a pose, (7, T)."""
    turned = [np.cos(pose.angle), np.sin(pose.angle)]
    return np.stack([pose.x, pose.y, pose.width, pose.height, *turned, pose.opacity])


def test_rendered_backwards_a_clip_is_one_of_its_partner():
    rng = numpy_generator(3, "test")
    look = replace(render.draw_look(rng), shake=0.0)
    clip = render.Clip("spiral_in", ("ell", "striped"), 20, render.draw_variation(rng), start=0.0)
    forwards, partner = render.render(clip, look), render.render(replace(clip, motion="spiral_out"), look)
    assert not np.array_equal(forwards, partner)
    assert np.abs(forwards[::-1].astype(int) - partner).max() <= 1


@pytest.mark.parametrize("motion", list_motions())
def test_motions_are_smooth_and_stay_in_sight(motion):
    rng = numpy_generator(0, f"test sight {motion}")
    for _ in range(5):
        pose = trace(motion, np.linspace(0, 1, 200), render.draw_variation(rng))
        assert np.abs([pose.x, pose.y]).max() < 1
        assert np.abs([pose.width, pose.height]).min() > 0.02
        assert np.abs(np.diff([pose.x, pose.y])).max() < 0.1


@pytest.mark.slow
def test_shapes_are_distinct_and_fill_their_texture_without_touching_its_edge():
    textures = [create_texture(*shape) for shape in list_shapes()]
    covers = np.stack([(texture[0] < 0) * texture[1] for texture in textures])
    for cover in covers:
        assert 0.08 < (cover > 0).mean() < 0.6
        assert not cover[[0, -1]].any()
        assert not cover[:, [0, -1]].any()
    flat = covers[:, ::6, ::6].reshape(51, -1)
    distances = np.abs(flat[:, None] - flat[None]).sum(axis=2) / np.minimum(flat.sum(1)[:, None], flat.sum(1)[None])
    assert distances[~np.eye(51, dtype=bool)].min() > 0.15


def test_the_outline_is_drawn_where_the_geometry_says():
    """A plain disc of radius 0.9 x 0.5 half frames at a quarter of the frame, against its equation."""
    still = Variation(phase=0.0, phase2=0.0, sense=1, x=0.25, y=-0.25, size=0.5, reach=0.0, tilt=0.0)
    look = render.Look(np.ones(3), np.zeros((2, 3)), np.zeros((1, 4)), 0.0, np.ones((2, 2)), blur=1.0)
    frames = render.render(render.Clip("bob_slow", ("disc", "plain"), 3, still, start=0.0), look)
    axis = (np.arange(64) + 0.5) / 32 - 1
    away = np.hypot(axis[None, :] - 0.25, axis[:, None] + 0.25) - 0.45
    shown = frames[1, 0] > 0
    assert shown[away < -1.5 / 32].all()
    assert not shown[away > 1.5 / 32].any()
    assert np.array_equal(frames[0], frames[2])
