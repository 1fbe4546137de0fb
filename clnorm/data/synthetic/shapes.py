"""The 51 shapes of the synthetic dataset: 17 silhouettes, each in three patterns, as small textures to sample from."""

from collections.abc import Callable
from functools import cache

import numpy as np

RESOLUTION = 192
EXTENT = 1.3
"""A texture covers [-EXTENT, EXTENT] squared, in units of the actor's size."""


def list_shapes() -> list[tuple[str, str]]:
    """All shapes as (silhouette, pattern), the ten most distinct first.

    17 and 3 have no common divisor, so counting through both together meets every combination once.
    """
    silhouettes, patterns = list(_SILHOUETTES), list(_PATTERNS)
    return [(silhouettes[k % 17], patterns[k % 3]) for k in range(51)]


@cache
def create_texture(silhouette: str, pattern: str) -> np.ndarray:
    """The shape as a (2, RESOLUTION, RESOLUTION) float32 array.

    Plane 0 is the signed distance to the outline in units of the actor's size, negative inside; plane 1 the
    opacity of the inside, up to 1. Every shape is shaded from one side, so that even a ring is seen to turn.
    """
    from scipy.ndimage import distance_transform_edt

    axis = (np.arange(RESOLUTION) + 0.5) / RESOLUTION * 2 * EXTENT - EXTENT
    u, v = axis[None, :], axis[:, None]
    inside = np.broadcast_to(_SILHOUETTES[silhouette](u, v), (RESOLUTION, RESOLUTION))
    pixel = 2 * EXTENT / RESOLUTION
    distance = pixel * (distance_transform_edt(~inside) - distance_transform_edt(inside))
    distance[[0, -1]] = distance[:, [0, -1]] = 10  # what lies beyond the texture is far out, however thin the actor is
    shade = (0.78 + 0.22 * np.clip(u, -1, 1)) * _PATTERNS[pattern](u, v)
    return np.stack([distance, np.broadcast_to(shade, inside.shape)]).astype(np.float32)


Silhouette = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Whether the point (u right, v down) is inside; the shape reaches to about 1."""


def _radius(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.asarray(np.hypot(u, v))


def _angle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.asarray(np.arctan2(v, u))


def _square_radius(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(np.abs(u), np.abs(v)))


def _box(u: np.ndarray, v: np.ndarray, left: float, right: float, top: float, bottom: float) -> np.ndarray:
    return (u > left) & (u < right) & (v > top) & (v < bottom)


def _star(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    ray = 2 * np.abs((5 * _angle(u, v) / (2 * np.pi) + 1.25) % 1 - 0.5)
    return _radius(u, v) < 0.42 + 0.7 * ray**2


def _crescent(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (_radius(u, v) < 1.05) & (_radius(u - 0.55, v) > 0.75)


def _arrow(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.asarray(_box(u, v, -1.1, 0.2, -0.28, 0.28) | ((u >= 0.1) & (np.abs(v) < 1.0 * (1.1 - u))))


def _dumbbell(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.asarray((_radius(np.abs(u) - 0.66, v) < 0.46) | _box(u, v, -0.6, 0.6, -0.17, 0.17))


_SILHOUETTES: dict[str, Silhouette] = {
    "disc": lambda u, v: _radius(u, v) < 0.9,
    "bar": lambda u, v: _box(u, v, -0.32, 0.32, -1.15, 1.15),
    "ring": lambda u, v: np.abs(_radius(u, v) - 0.8) < 0.22,
    "cross": lambda u, v: (np.minimum(np.abs(u), np.abs(v)) < 0.27) & (_square_radius(u, v) < 1.05),
    "triangle": lambda u, v: (v < 0.8) & (v > 1.9 * np.abs(u) - 1.1),
    "crescent": _crescent,
    "star": _star,
    "hourglass": lambda u, v: (np.abs(v) < 1) & (np.abs(u) < 0.95 * np.abs(v) + 0.08),
    "dumbbell": _dumbbell,
    "ell": lambda u, v: _box(u, v, -0.75, -0.2, -1.0, 1.0) | _box(u, v, -0.75, 0.85, 0.45, 1.0),
    "step": lambda u, v: _box(u, v, -1.05, 0.25, -0.75, 0.0) | _box(u, v, -0.25, 1.05, 0.0, 0.75),
    "tee": lambda u, v: _box(u, v, -1.0, 1.0, -0.95, -0.4) | _box(u, v, -0.28, 0.28, -0.95, 1.0),
    "arrow": _arrow,
    "clover": lambda u, v: _radius(u, v) < 0.68 + 0.42 * np.sin(3 * _angle(u, v)),
    "frame": lambda u, v: np.abs(_square_radius(u, v) - 0.75) < 0.18,
    "dome": lambda u, v: (_radius(u, v - 0.5) < 1.15) & (v < 0.5),
    "wedge": lambda u, v: (_radius(u, v) < 1) & (np.abs(_angle(u, v)) > 0.7),
}
_PATTERNS: dict[str, Silhouette] = {
    "plain": lambda u, v: np.ones_like(u * v),
    "striped": lambda u, v: 0.75 + 0.25 * np.tanh(4 * np.sin(2 * np.pi * v / 0.55)) + 0 * u,
    "chequered": lambda u, v: 0.75 + 0.25 * np.tanh(6 * np.sin(np.pi * u / 0.5) * np.sin(np.pi * v / 0.5)),
}
