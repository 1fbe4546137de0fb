"""Keeping a whole store in the memory of the device that trains, where it fits."""

from dataclasses import replace

import torch

from clnorm.data.store.pixels import DevicePixels, MappedPixels
from clnorm.data.store.store import ClipStore
from clnorm.errors import UserError

_SHARE = 0.5
"""Of the device's free memory, the most that `auto` fills: the rest is for the model."""

_KEY = "data.device_cache"


def check_choice(choice: bool | str, *, device: torch.device) -> None:
    """Refuse an impossible setting before anything is decoded.

    Raises:
        UserError: the choice is True, and the device is a CPU.
    """
    if choice is True and device.type == "cpu":
        raise UserError(
            "a CPU reads the store's memory map, which is in memory already", where=_KEY, legal="auto, false"
        )


def keep_on_device(store: ClipStore, choice: bool | str, *, device: torch.device) -> ClipStore:
    """A store with all its pixels on the device, or the store as it is; its batches are the same either way.

    Args:
        store: what is read; one that decodes whenever it is read is left as it is.
        choice: True, False or `auto`, which is True on a GPU where the pixels take at most half of the free memory.
        device: where the run trains. Of a CPU, the memory map of the store is the place in memory.

    Raises:
        UserError: the choice is True, and the device is a CPU or its free memory is too small.
        ClnormError: a clip's pixels are damaged.
    """
    check_choice(choice, device=device)
    if choice is False or not isinstance(store.pixels, MappedPixels) or device.type == "cpu":
        return store
    free = torch.cuda.mem_get_info(device)[0]
    if store.nbytes <= (_SHARE if choice == "auto" else 1) * free:
        return replace(store, pixels=DevicePixels(store.pixels, device))
    if choice == "auto":
        return store
    what = f"the clips take {store.nbytes / 1e9:.2f} GB, and {free / 1e9:.2f} GB of {device} are free"
    raise UserError(what, where=_KEY, hint="use --set data.device_cache=auto, or fewer or smaller frames")
