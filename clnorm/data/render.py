"""Rendering of synthetic clips: a moving actor before a background of its source, seen by a shaken, blurred camera."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from clnorm.data.motions import Draw, trace
from clnorm.data.shapes import EXTENT, create_texture

SIDE = 64
"""Side of a frame in pixels."""
FPS = 30
WAVES = 5
LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Look:
    """What all clips of one source share.

    Args:
        actor: the actor's colour (3,) in [0, 1].
        background: the background's two colours (2, 3), which its texture mixes.
        waves: the texture as waves (WAVES, 4): cycles a half frame in x and y, phase in cycles, weight; weights sum to 1.
        shake: extent of the camera's shake in pixels, 0 for a fixed camera.
        shake_hz: its rates (2,).
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
        draw: the motion's variation.
        shake_phase: phases of the camera's shake (2, 2) in cycles, for x and y and its two rates.
    """

    motion: str
    shape: tuple[str, str]
    frames: int
    draw: Draw
    shake_phase: np.ndarray


def draw_look(rng: np.random.Generator) -> Look:
    """A source's look; the actor's luminance always differs from the background's by at least 0.4."""
    bright = rng.random() < 0.5
    actor, background = (
        (rng.uniform(0.8, 0.95), rng.uniform(0.1, 0.3))
        if bright
        else (rng.uniform(0.05, 0.15), rng.uniform(0.65, 0.85))
    )
    waves = np.column_stack([rng.uniform(-1.2, 1.2, (WAVES, 2)), rng.random(WAVES), rng.dirichlet(np.full(WAVES, 3.0))])
    return Look(
        actor=_colour(rng, actor),
        background=np.stack([_colour(rng, background - 0.08), _colour(rng, background + 0.08)]),
        waves=waves,
        shake=float(rng.uniform(0.5, 1.5)) if rng.random() < 0.5 else 0.0,
        shake_hz=rng.uniform(1.0, 4.0, 2),
        blur=float(rng.uniform(1.0, 2.0)),
    )


def draw_variation(rng: np.random.Generator) -> Draw:
    """A clip's variation of its motion."""
    return Draw(
        phase=float(rng.random()),
        phase2=float(rng.random()),
        sense=int(rng.choice([-1, 1])),
        x=float(rng.uniform(-0.12, 0.12)),
        y=float(rng.uniform(-0.12, 0.12)),
        size=float(rng.uniform(0.42, 0.5)),
        reach=float(rng.uniform(0.9, 1.1)),
        tilt=float(rng.uniform(-0.2, 0.2)),
    )


def render(clip: Clip, look: Look) -> torch.Tensor:
    """The clip as (T, 3, SIDE, SIDE) uint8 RGB."""
    times = (np.arange(clip.frames) + 0.5) / clip.frames
    pose = trace(clip.motion, times, clip.draw)
    shift = _shake(clip, look)
    cover = _cover(clip, look, pose, shift)
    background = _background(look, shift)
    actor = torch.from_numpy(look.actor.astype(np.float32))[None, :, None, None]
    frames = background + cover * (actor - background)
    return (frames.clamp_(0, 1) * 255).round_().to(torch.uint8)


def _shake(clip: Clip, look: Look) -> np.ndarray:
    """Displacement of the picture (T, 2) in half frames."""
    seconds = np.arange(clip.frames)[:, None, None] / FPS
    waves = np.sin(2 * np.pi * (look.shake_hz * seconds + clip.shake_phase))
    return look.shake / (SIDE / 2) * waves.mean(axis=2)


def _cover(clip: Clip, look: Look, pose: dict[str, np.ndarray], shift: np.ndarray) -> torch.Tensor:
    """How much of each pixel the actor covers, (T, 1, SIDE, SIDE)."""
    cos, sin = np.cos(pose["angle"]), np.sin(pose["angle"])
    width, height = pose["width"] * EXTENT, pose["height"] * EXTENT
    x, y = pose["x"] + shift[:, 0], pose["y"] + shift[:, 1]
    # From the frame's coordinates to the texture's: undo the displacement, then the rotation, then the scale.
    rows = [[cos / width, sin / width], [-sin / height, cos / height]]
    affine = np.array([[a, b, -a * x - b * y] for a, b in rows])
    theta = torch.from_numpy(affine.transpose(2, 0, 1).astype(np.float32))
    grid = F.affine_grid(theta, [clip.frames, 1, SIDE, SIDE], align_corners=False)
    texture = torch.from_numpy(create_texture(*clip.shape).copy()).expand(clip.frames, -1, -1, -1)
    sampled = F.grid_sample(texture, grid, padding_mode="border", align_corners=False)
    pixels = torch.from_numpy((np.minimum(np.abs(pose["width"]), np.abs(pose["height"])) * SIDE / 2).astype(np.float32))
    distance = sampled[:, :1] * pixels[:, None, None, None]
    edge = (0.5 - distance / look.blur).clamp_(0, 1)
    opacity = torch.from_numpy(pose["opacity"].astype(np.float32))[:, None, None, None]
    return edge * sampled[:, 1:] * opacity


def _background(look: Look, shift: np.ndarray) -> torch.Tensor:
    """The shaken background, (T, 3, SIDE, SIDE)."""
    axis = (np.arange(SIDE) + 0.5) / (SIDE / 2) - 1
    rate_x, rate_y, phase, weight = look.waves.T
    # sin(a + b) = sin a cos b + cos a sin b splits each wave into a product of a row and a column.
    a = 2 * np.pi * rate_x * (axis[:, None] - shift[:, None, None, 0])
    b = 2 * np.pi * (rate_y * (axis[:, None] - shift[:, None, None, 1]) + phase)
    across = np.concatenate([np.sin(a), np.cos(a)], axis=2)
    down = np.concatenate([weight * np.cos(b), weight * np.sin(b)], axis=2)
    texture = torch.from_numpy((down @ across.transpose(0, 2, 1)).astype(np.float32))[:, None]
    low, high = torch.from_numpy(look.background.astype(np.float32))[:, None, :, None, None]
    return low + (0.5 + 0.5 * texture) * (high - low)


def _colour(rng: np.random.Generator, luminance: float) -> np.ndarray:
    """A random colour (3,) of the given luminance."""
    tint = rng.random(3)
    return np.clip(luminance + 0.35 * (tint - LUMA @ tint), 0, 1)
