"""Which of the stored frames a clip shows: the middle one of each segment, or with jitter in time a random one.

Both are computed for a whole batch at once. Frames are counted from 0, the first one that the store keeps of a clip.
"""

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.int64]


def keep_limit(keep: str, *, frames: int) -> int | None:
    """The most frames that are kept of a clip by `data.keep`, where it shows T = `frames`; None is all."""
    return {"T": frames, "2T": 2 * frames, "all": None}[keep]


def middle_frames(kept: Frames, *, frames: int) -> Frames:
    """(B, T): `clnorm.data.store.decode.sample_indices` of each clip's `kept` frames, (B,), each 1 or more."""
    place, kept = np.arange(frames), kept[:, None]
    return np.where(kept < frames, np.minimum(place, kept - 1), (2 * place + 1) * kept // (2 * frames))


def jittered_frames(kept: Frames, draws: npt.NDArray[np.float32]) -> Frames:
    """(B, T): one frame from each of T equal segments of a clip's `kept` frames, (B,), each 1 or more.

    Segment i holds the frames floor(i * kept / T) to floor((i + 1) * kept / T) - 1, all equally likely. This is the
    sampling of temporal segment networks (Wang et al., ECCV 2016). A clip of fewer frames than T has nothing to draw:
    it shows each of them once, then repeats its last one.

    Args:
        kept: how many frames the store keeps of each clip.
        draws: (B, T), uniform in [0, 1). They are float32, whose product with a length is exact in float64 and
            therefore stays below it.
    """
    frames = draws.shape[1]
    edges = np.arange(frames + 1) * kept[:, None] // frames
    drawn = edges[:, :-1] + (draws * np.diff(edges)).astype(np.int64)
    return np.where(kept[:, None] < frames, middle_frames(kept, frames=frames), drawn)
