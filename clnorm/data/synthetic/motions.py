"""The 51 motions of the synthetic dataset, as paths of an actor's pose over a clip's own time.

Time runs from 0 to 1 whatever the number of frames, so that a speed is a number of cycles a clip and survives sampling
at equal intervals. A motion either is its own time reversal (started at another phase) or has a partner, which is
defined as the same path run backwards: the two differ only in the direction of time.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Variation:
    """What differs between two clips of one motion.

    Args:
        phase: where in its cycle the motion starts, in cycles.
        phase2: the same for a motion's second rhythm.
        sense: 1 or -1, for motions that may run either way round.
        x, y: the centre of the motion; the frame reaches from -1 to 1.
        size: radius of the actor, in half frames.
        reach: factor on the extent of the motion.
        tilt: angle of the upright actor, in radians.
    """

    phase: float
    phase2: float
    sense: int
    x: float
    y: float
    size: float
    reach: float
    tilt: float


@dataclass(frozen=True)
class Pose:
    """The actor over time; every field broadcasts to (T,).

    Args:
        x, y: displacement from the centre of the motion, in half frames, right and down.
        width, height: factors on the actor's size along its own axes.
        angle: rotation in radians, clockwise as seen.
        opacity: 0 for invisible, 1 for solid.
    """

    x: np.ndarray | float = 0.0
    y: np.ndarray | float = 0.0
    width: np.ndarray | float = 1.0
    height: np.ndarray | float = 1.0
    angle: np.ndarray | float = 0.0
    opacity: np.ndarray | float = 1.0


Trajectory = Callable[[np.ndarray, Variation], Pose]
"""From times (T,) in [0, 1] and a variation to poses."""

REACH = 0.5
SLOW, FAST = 1.0, 3.0


def list_motions() -> list[str]:
    """All motions, the ten most distinct first: those hold exactly one pair of time reversals."""
    return list(_MOTIONS)


def reversed_motion(name: str) -> str:
    """The motion that a clip of `name` shows when it is played backwards: its partner or itself."""
    return _PARTNERS.get(name, name)


def trace(motion: str, times: np.ndarray, variation: Variation) -> Pose:
    """The pose of an actor doing `motion` at `times` (T,), every field (T,), in the frame and with the actor's size."""
    pose = _MOTIONS[motion](times, variation)
    placed = (
        variation.x + variation.reach * pose.x,
        variation.y + variation.reach * pose.y,
        variation.size * pose.width,
        variation.size * pose.height,
        variation.tilt + pose.angle,
        pose.opacity,
    )
    return Pose(*(np.broadcast_to(field, times.shape) for field in placed))


def _wave(times: np.ndarray, cycles: float, phase: float) -> np.ndarray:
    return np.sin(2 * np.pi * (cycles * times + phase))


def _ramp(times: np.ndarray) -> np.ndarray:
    """From -1 to 1 at constant speed."""
    return 2 * times - 1


def _swing(dx: float, dy: float, cycles: float) -> Trajectory:
    """To and fro along the direction (dx, dy)."""

    def path(times: np.ndarray, variation: Variation) -> Pose:
        shift = REACH * _wave(times, cycles, variation.phase)
        return Pose(x=dx * shift, y=dy * shift)

    return path


def _cross(dx: float, dy: float) -> Trajectory:
    """Once through the frame along (dx, dy)."""
    return lambda times, _: Pose(x=1.3 * REACH * dx * _ramp(times), y=1.3 * REACH * dy * _ramp(times))


def _pulse(cycles: float) -> Trajectory:
    def path(times: np.ndarray, variation: Variation) -> Pose:
        scale = 1 + 0.45 * _wave(times, cycles, variation.phase)
        return Pose(width=scale, height=scale)

    return path


def _squeeze(cycles: float) -> Trajectory:
    """Wide and flat, then narrow and tall."""

    def path(times: np.ndarray, variation: Variation) -> Pose:
        bend = 0.5 * _wave(times, cycles, variation.phase)
        return Pose(width=np.exp(bend), height=np.exp(-bend))

    return path


def _flip(cycles: float) -> Trajectory:
    """Turning about its own upright axis, as a card does; never seen quite from the edge."""

    def path(times: np.ndarray, variation: Variation) -> Pose:
        width = _wave(times, cycles, variation.phase)
        return Pose(width=np.copysign(np.maximum(np.abs(width), 0.15), width))

    return path


def _spin(turns: float) -> Trajectory:
    return lambda times, variation: Pose(angle=2 * np.pi * (turns * times + variation.phase))


def _rock(cycles: float) -> Trajectory:
    return lambda times, variation: Pose(angle=1.2 * _wave(times, cycles, variation.phase))


def _orbit(turns: float) -> Trajectory:
    def path(times: np.ndarray, variation: Variation) -> Pose:
        return Pose(
            x=REACH * _wave(times, turns, variation.phase + 0.25),
            y=REACH * _wave(times, turns, variation.phase),
        )

    return path


def _spiral(times: np.ndarray, variation: Variation) -> Pose:
    """Two turns outwards from the centre, either way round."""
    radius = 1.3 * REACH * times
    return Pose(
        x=radius * _wave(times, 2 * variation.sense, variation.phase + 0.25),
        y=radius * _wave(times, 2 * variation.sense, variation.phase),
    )


def _bounce(cycles: float) -> Trajectory:
    """Parabolas on a floor."""

    def path(times: np.ndarray, variation: Variation) -> Pose:
        part = np.mod(cycles * times + variation.phase, 1)
        return Pose(y=REACH - 2 * REACH * 4 * part * (1 - part))

    return path


def _eight(cycles: float) -> Trajectory:
    def path(times: np.ndarray, variation: Variation) -> Pose:
        return Pose(
            x=1.1 * REACH * _wave(times, cycles, variation.phase),
            y=0.8 * REACH * variation.sense * _wave(times, 2 * cycles, 2 * variation.phase),
        )

    return path


def _blink(cycles: float) -> Trajectory:
    """Gone for a third of each cycle, fading in and out."""
    return lambda times, variation: Pose(opacity=1 / (1 + np.exp(-3 - 6 * _wave(times, cycles, variation.phase))))


def _zigzag(dx: float, dy: float) -> Trajectory:
    """Once through the frame along (dx, dy), swinging across."""

    def path(times: np.ndarray, variation: Variation) -> Pose:
        along, across = 1.2 * REACH * _ramp(times), 0.6 * REACH * _wave(times, 3, variation.phase)
        return Pose(x=dx * along + dy * across, y=dy * along + dx * across)

    return path


def _tremble(times: np.ndarray, variation: Variation) -> Pose:
    """Small and quick in both directions."""
    return Pose(x=0.12 * _wave(times, 5, variation.phase), y=0.12 * _wave(times, 7, variation.phase2))


def _roll(times: np.ndarray, variation: Variation) -> Pose:
    return Pose(x=1.3 * REACH * _ramp(times), angle=2 * np.pi * (times + variation.phase))


def _hop(times: np.ndarray, variation: Variation) -> Pose:
    """Through the frame in three leaps."""
    return Pose(x=1.2 * REACH * _ramp(times), y=_bounce(3)(times, variation).y)


def _grow(times: np.ndarray, _: Variation) -> Pose:
    scale = np.exp(0.65 * _ramp(times))
    return Pose(width=scale, height=scale)


def _backwards(path: Trajectory) -> Trajectory:
    return lambda times, variation: path(1 - times, variation)


_DIAGONAL = np.sqrt(0.5)
_PAIRS: dict[tuple[str, str], Trajectory] = {
    ("cross_right", "cross_left"): _cross(1, 0),
    ("orbit_right", "orbit_left"): _orbit(SLOW),
    ("spin_right", "spin_left"): _spin(SLOW),
    ("grow", "shrink"): _grow,
    ("spiral_out", "spiral_in"): _spiral,
    ("fall", "rise"): _cross(0, 1),
    ("zigzag_right", "zigzag_left"): _zigzag(1, 0),
    ("zigzag_down", "zigzag_up"): _zigzag(0, 1),
    ("roll_right", "roll_left"): _roll,
    ("hop_right", "hop_left"): _hop,
    ("orbit_right_fast", "orbit_left_fast"): _orbit(2),
    ("spin_right_fast", "spin_left_fast"): _spin(2),
    ("fall_right", "rise_left"): _cross(_DIAGONAL, _DIAGONAL),
    ("fall_left", "rise_right"): _cross(-_DIAGONAL, _DIAGONAL),
}
_ALONE: dict[str, Trajectory] = {
    "tremble": _tremble,
    **{
        f"{name}_{speed}": kind(cycles)
        for speed, cycles in {"slow": SLOW, "fast": FAST}.items()
        for name, kind in {
            "sway": lambda cycles: _swing(1, 0, cycles),
            "bob": lambda cycles: _swing(0, 1, cycles),
            "climb": lambda cycles: _swing(_DIAGONAL, -_DIAGONAL, cycles),
            "slant": lambda cycles: _swing(_DIAGONAL, _DIAGONAL, cycles),
            "pulse": _pulse,
            "squeeze": _squeeze,
            "flip": _flip,
            "rock": _rock,
            "bounce": _bounce,
            "eight": _eight,
            "blink": _blink,
        }.items()
    },
}
_PARTNERS = {name: partner for pair in _PAIRS for name, partner in (pair, pair[::-1])}
_PATHS = {
    **_ALONE,
    **{forwards: path for (forwards, _), path in _PAIRS.items()},
    **{backwards: _backwards(path) for (_, backwards), path in _PAIRS.items()},
}
_FIRST = (
    "bob_fast",
    "pulse_slow",
    "cross_right",
    "cross_left",
    "orbit_right",
    "blink_fast",
    "spin_left",
    "tremble",
    "climb_fast",
    "squeeze_slow",
)
_MOTIONS = {name: _PATHS[name] for name in (*_FIRST, *(name for name in _PATHS if name not in _FIRST))}
