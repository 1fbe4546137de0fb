"""One pass over the pixels of a store: statistics of appearance and motion, and a small copy of every clip."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from clnorm.data.store.store import ClipStore

BATCH = 32
THUMB = 28
"""Height and width of the small copies, in pixels; less where the store's own frames are smaller."""

LUMA = (0.299, 0.587, 0.114)  # of ITU-R BT.601

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Statistic:
    """A number of a clip: its name, heading, and definition with source."""

    name: str
    title: str
    definition: str


APPEARANCE = (
    Statistic("brightness", "brightness", "mean luma Y = 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), 0 to 255"),
    Statistic(
        "contrast",
        "contrast",
        "standard deviation of the luma over a frame's pixels (RMS contrast, Peli 1990), averaged",
    ),
    Statistic(
        "sharpness",
        "sharpness",
        "log10 of 1 + the variance of the luma's Laplacian (4 neighbours; Pech-Pacheco et al. 2000), averaged over "
        "frames before the logarithm; low where a clip is blurred",
    ),
    Statistic(
        "colourfulness",
        "colourfulness",
        "sqrt(var rg + var yb) + 0.3 sqrt(mean rg^2 + mean yb^2) of a frame, rg = R - G, yb = (R + G) / 2 - B "
        "(Hasler and Suesstrunk 2003), averaged",
    ),
    Statistic("red_green", "red - green", "mean of R - G, -255 to 255"),
    Statistic("yellow_blue", "yellow - blue", "mean of (R + G) / 2 - B, -255 to 255"),
)
MOTION = Statistic(
    "motion",
    "motion",
    "mean absolute difference of the luma between frames that follow each other among the T sampled ones, repeats of "
    "a short clip's last frame left out, 0 to 255",
)
STATISTICS = (*APPEARANCE, MOTION)


@dataclass(frozen=True, eq=False)
class Measures:
    """What one pass over the pixels gives.

    Args:
        statistics: (n, len(STATISTICS)); NaN where a clip is bad, or too short for motion.
        thumbs: (n, T, 3, side, side) uint8, area averages of the frames; zeros for a bad clip.
    """

    statistics: Floats
    thumbs: npt.NDArray[np.uint8]

    def of(self, name: str) -> Floats:
        """(n,) one statistic by name."""
        return self.statistics[:, [statistic.name for statistic in STATISTICS].index(name)]


def measure_store(store: ClipStore, *, progress: Callable[[int, int], None] | None = None) -> Measures:
    """Measure every clip of a store that can be decoded, a batch at a time.

    Args:
        store: the decoded clips.
        progress: called with (clips done, clips in all).
    """
    side = min(THUMB, store.size)
    statistics = np.full((len(store), len(STATISTICS)), np.nan)
    thumbs = np.zeros((len(store), store.frames, 3, side, side), dtype=np.uint8)
    decoded = store.info["decoded"].to_numpy(dtype=np.int64)
    done = 0
    for ids in _batches(store):
        clips = store.gather(ids)
        statistics[ids] = measure_clips(clips, decoded[ids])
        thumbs[ids] = shrink(clips, side).numpy()
        done += len(ids)
        if progress is not None:
            progress(done, len(store) - len(store.bad))
    return Measures(statistics, thumbs)


def measure_clips(clips: torch.Tensor, decoded: npt.NDArray[np.int64]) -> Floats:
    """The STATISTICS of each clip.

    Args:
        clips: (B, T, 3, H, W) uint8.
        decoded: (B,) frames that each file holds; beyond them the clip repeats its last one.

    Returns:
        (B, len(STATISTICS)).
    """
    red, green, blue = clips.to(torch.float32).unbind(2)  # each (B, T, H, W)
    luma = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
    rg, yb = red - green, (red + green) / 2 - blue
    over = (-2, -1)
    mean_rg, mean_yb = rg.mean(over), yb.mean(over)  # (B, T)
    spread = (rg.var(over, correction=0) + yb.var(over, correction=0)).sqrt()
    colour = spread + 0.3 * (mean_rg.square() + mean_yb.square()).sqrt()
    columns = (
        luma.mean(over).double().mean(1),
        luma.std(over, correction=0).double().mean(1),
        torch.log10(1 + _laplacian(luma).var(over, correction=0).double().mean(1)),
        colour.double().mean(1),
        mean_rg.double().mean(1),
        mean_yb.double().mean(1),
        _motion(luma, torch.from_numpy(decoded)),
    )
    return torch.stack(columns, dim=1).numpy()


def shrink(clips: torch.Tensor, side: int) -> torch.Tensor:
    """(B, T, 3, H, W) uint8 -> (B, T, 3, side, side) uint8: area averages, rounded."""
    batch, frames = clips.shape[:2]
    small = F.adaptive_avg_pool2d(clips.flatten(0, 1).to(torch.float32), side).round().to(torch.uint8)
    return small.reshape(batch, frames, 3, side, side)


def _laplacian(luma: torch.Tensor) -> torch.Tensor:
    """(B, T, H, W) -> (B, T, H - 2, W - 2): the four neighbours less four times the pixel."""
    inner = luma[..., 1:-1, 1:-1]
    return luma[..., :-2, 1:-1] + luma[..., 2:, 1:-1] + luma[..., 1:-1, :-2] + luma[..., 1:-1, 2:] - 4 * inner


def _motion(luma: torch.Tensor, decoded: torch.Tensor) -> torch.Tensor:
    """(B,) the mean step between frames that the file holds; NaN where it holds but one."""
    steps = (luma[:, 1:] - luma[:, :-1]).abs().mean((-2, -1)).double()  # (B, T - 1)
    real = torch.arange(1, luma.shape[1])[None, :] < decoded[:, None]
    return torch.where(real, steps, 0.0).sum(1) / real.sum(1)


def _batches(store: ClipStore) -> Iterator[npt.NDArray[np.int64]]:
    good = np.array([clip for clip in range(len(store)) if clip not in store.bad], dtype=np.int64)
    for start in range(0, len(good), BATCH):
        yield good[start : start + BATCH]
