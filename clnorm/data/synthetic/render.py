"""Rendering of synthetic clips: a moving actor before a background of its source, seen by a shaken, blurred camera."""

from dataclasses import dataclass

import numpy as np

from clnorm.data.synthetic.motions import Pose, Variation, trace
from clnorm.data.synthetic.shapes import EXTENT, RESOLUTION, create_texture

SIDE = 64
"""Side of a frame in pixels."""
FPS = 30
WAVES = 5
LUMA = np.array([0.299, 0.587, 0.114])

_AXIS = (np.arange(SIDE) + 0.5) / (SIDE / 2) - 1
"""Centres of the pixels in half frames (SIDE,)."""


@dataclass(frozen=True)
class Look:
    """What all clips of one source share.

    Args:
        actor: the actor's colour (3,) in [0, 1].
        background: the background's two colours (2, 3), which its texture mixes.
        waves: the texture as waves (WAVES, 4): cycles a half frame in x and y, phase in cycles, weight (together 1).
        shake: extent of the camera's shake in pixels, 0 for a fixed camera.
        shake_hz: its rates (2, 2), two in x and two in y.
        blur: width of an outline in pixels.
    """

    actor: np.ndarray
    background: np.ndarray
    waves: np.ndarray
    shake: float
    shake_hz: np.ndarray
    blur: float


@dataclass(frozen=True)
class Clip:
    """One clip, before rendering.

    Args:
        motion: a name from `list_motions`.
        shape: a pair from `list_shapes`.
        frames: number of frames.
        variation: how it differs from other clips of its motion.
        start: when it begins in its source's footage, in seconds: the camera shakes on from there.
    """

    motion: str
    shape: tuple[str, str]
    frames: int
    variation: Variation
    start: float


def draw_look(rng: np.random.Generator) -> Look:
    """A source's look: a bright actor, in luminance at least 0.3 above all of a dark background."""
    actor = _draw_colour(rng, rng.uniform(0.75, 0.95), chroma=0.3)
    background = _draw_colour(rng, rng.uniform(0.1, 0.3), chroma=0.3)
    contrast = _draw_colour(rng, rng.uniform(0.05, 0.1), chroma=0.2)
    waves = [rng.uniform(-1.2, 1.2, (WAVES, 2)), rng.random(WAVES), rng.dirichlet(np.full(WAVES, 3.0))]
    return Look(
        actor=np.clip(actor, 0, 1),
        background=np.clip([background - contrast, background + contrast], 0, 1),
        waves=np.column_stack(waves),
        shake=float(rng.uniform(0.5, 1.5)) if rng.random() < 0.5 else 0.0,
        shake_hz=rng.uniform(1.0, 4.0, (2, 2)),
        blur=float(rng.uniform(1.0, 2.0)),
    )


def draw_variation(rng: np.random.Generator) -> Variation:
    """A clip's variation of its motion."""
    return Variation(
        phase=float(rng.random()),
        phase2=float(rng.random()),
        sense=int(rng.choice([-1, 1])),
        x=float(rng.uniform(-0.15, 0.15)),
        y=float(rng.uniform(-0.15, 0.15)),
        size=float(rng.uniform(0.42, 0.5)),
        reach=float(rng.uniform(0.9, 1.1)),
        tilt=float(rng.uniform(-0.2, 0.2)),
    )


def render(clip: Clip, look: Look) -> np.ndarray:
    """The clip as (T, 3, SIDE, SIDE) uint8 RGB."""
    times = (np.arange(clip.frames) + 0.5) / clip.frames
    shift = _shake(clip, look)
    cover = _cover(trace(clip.motion, times, clip.variation), shift, create_texture(*clip.shape), blur=look.blur)
    background = _background(look, shift)
    frames = background + cover * (_planes(look.actor) - background)
    return np.asarray(np.rint(255 * np.clip(frames, 0, 1)), dtype=np.uint8)


def _shake(clip: Clip, look: Look) -> np.ndarray:
    """Displacement of the picture (T, 2) in half frames."""
    seconds = clip.start + np.arange(clip.frames) / FPS
    waves = np.sin(2 * np.pi * look.shake_hz * seconds[:, None, None])
    return np.asarray(look.shake / (SIDE / 2) * waves.mean(axis=2))


def _cover(pose: Pose, shift: np.ndarray, texture: np.ndarray, *, blur: float) -> np.ndarray:
    """How much of each pixel the actor covers, (T, 1, SIDE, SIDE), from its texture (2, R, R)."""
    cos, sin = np.cos(pose.angle), np.sin(pose.angle)
    right, down = _AXIS - (pose.x + shift[:, 0])[:, None], _AXIS - (pose.y + shift[:, 1])[:, None]
    # From the frame's coordinates to the actor's: the displacement is undone above, here rotation and scale.
    column = _texel(_outer(cos, right) + _outer(sin, down, axis=1), pose.width)
    row = _texel(_outer(cos, down, axis=1) - _outer(sin, right), pose.height)
    distance, shade = texture.reshape(2, -1).take(row * RESOLUTION + column, axis=1)
    pixels = np.minimum(np.abs(pose.width), np.abs(pose.height)) * SIDE / 2
    inside = np.clip(0.5 - distance * _planes(pixels / blur), 0, 1)
    return np.asarray(inside * shade * _planes(pose.opacity))[:, None]


def _background(look: Look, shift: np.ndarray) -> np.ndarray:
    """The shaken background, (T, 3, SIDE, SIDE)."""
    rate_x, rate_y, phase, weight = look.waves.T
    # sin(a + b) = sin a cos b + cos a sin b makes each wave a sum of two products of a row and a column.
    a = 2 * np.pi * rate_x * (_AXIS[:, None] - shift[:, None, None, 0])
    b = 2 * np.pi * (rate_y * (_AXIS[:, None] - shift[:, None, None, 1]) + phase)
    across = np.concatenate([np.sin(a), np.cos(a)], axis=2).astype(np.float32)
    down = np.concatenate([weight * np.cos(b), weight * np.sin(b)], axis=2).astype(np.float32)
    texture = (down @ across.transpose(0, 2, 1))[:, None]
    low, high = _planes(look.background)
    return np.asarray(low + (0.5 + 0.5 * texture) * (high - low))


def _outer(weights: np.ndarray, lengths: np.ndarray, *, axis: int = 2) -> np.ndarray:
    """weights (T,) times lengths (T, SIDE), laid along the columns (axis 2) or rows (axis 1) of (T, SIDE, SIDE)."""
    product = (np.asarray(weights)[:, None] * lengths).astype(np.float32)
    return np.asarray(np.expand_dims(product, 3 - axis))


def _texel(place: np.ndarray, scale: np.ndarray | float) -> np.ndarray:
    """The index of the texture's nearest texel, its border beyond it, for places (T, SIDE, SIDE) in half frames."""
    texels = place * _planes(RESOLUTION / (2 * EXTENT * scale)) + np.float32(RESOLUTION / 2)
    return np.asarray(np.clip(texels, 0, RESOLUTION - 1).astype(np.int32))


def _planes(values: np.ndarray | float) -> np.ndarray:
    """Numbers (...) as float32 (..., 1, 1), to be combined with images."""
    return np.asarray(values, dtype=np.float32)[..., None, None]


def _draw_colour(rng: np.random.Generator, luminance: float, *, chroma: float) -> np.ndarray:
    """A random colour (3,) of exactly this luminance (ITU-R BT.601), perhaps out of [0, 1]."""
    tint = rng.random(3)
    return luminance + chroma * (tint - LUMA @ tint)
