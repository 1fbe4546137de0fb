"""Pretrained weights as tensors with what they say about their input: from a file, or from timm's hub.

Nothing here runs code that a file brings along: a file is read as safetensors, or by torch with `weights_only=True`.
"""

import hashlib
import math
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from clnorm.errors import ClnormError, UserError
from clnorm.reading import read_json
from clnorm.seeding import hold_process

Triple = tuple[float, float, float]

HALF: tuple[Triple, Triple] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
IMAGENET: tuple[Triple, Triple] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_INPUTS = {"half": HALF, "imagenet": IMAGENET}
_TAGS = {size: f"vit_{size}_patch16_224.augreg_in21k_ft_in1k" for size in ("tiny", "small", "base")}
_LEGAL = "a safetensors file, or a torch state dict: a dictionary of float tensors, also under 'state_dict' or 'model'"
_PROBE_SECONDS = 10


@dataclass(frozen=True)
class Weights:
    """Pretrained weights.

    Args:
        tensors: by name, all float32.
        mean: of the pixels in [0, 1] that they were trained with, one for each colour.
        std: likewise.
        stated: whether the weights themselves state mean and std; else these were given, or assumed to be half.
        source: where they are from, for the record.
    """

    tensors: dict[str, Tensor]
    mean: Triple
    std: Triple
    stated: bool
    source: str


def read_model_weights(
    backbone: str,
    *,
    pretrained: bool = False,
    weights: str | Path | None = None,
    input: str = "auto",  # noqa: A002
) -> Weights | None:
    """The weights that a configuration asks for, or None where it asks for none.

    Args:
        backbone: its name, without options.
        pretrained: take those of timm's hub.
        weights: take those of this file.
        input: `auto`, `half` or `imagenet`, as in `read_weights`.

    Raises:
        UserError: both are asked for, or an input without either; else as `read_weights` and `fetch_weights`.
        ClnormError: the hub failed.
    """
    check_start(pretrained=pretrained, weights=weights, input=input)
    if weights is not None:
        return read_weights(weights, input=input)
    return fetch_weights(backbone, input=input) if pretrained else None


def check_start(*, pretrained: bool, weights: str | Path | None, input: str) -> None:  # noqa: A002
    """Refuse what contradicts itself before any weights are read; the arguments are those of `read_model_weights`.

    Raises:
        UserError: both are asked for, or an input without either.
    """
    if pretrained and weights is not None:
        raise UserError("pretrained weights and a file of weights", where="model", hint="give one of the two")
    if not pretrained and weights is None and input != "auto":
        raise UserError(
            f"{input!r} without weights", where="model.input", hint="give model.weights=FILE or model.pretrained=true"
        )


def read_weights(path: str | Path, *, input: str = "auto") -> Weights:  # noqa: A002
    """The weights in a file, its format told by its content.

    Mean and std are those that the file states: under `mean` and `std` (JSON lists) in the header of a safetensors
    file, or in `pretrained_cfg` of a `config.json` beside the file.

    Args:
        path: a safetensors file, or a torch state dict.
        input: `auto` takes what the file states, or mean = std = 1/2 where it states nothing; `half` or `imagenet`
            decides it.

    Raises:
        UserError: no such file, another content than float tensors, a damaged file, or an input that contradicts what
            the file states.
    """
    path = Path(path).expanduser()
    where = f"model.weights {path}"
    try:
        with path.open("rb") as file:
            start = file.read(9)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", where=where, legal=_LEGAL) from error
    if start[8:] == b"{":
        content, header = _read_safetensors(path, where)
    elif start.startswith((b"PK\x03\x04", b"\x80")):
        content, header = _read_torch(path, where), {}
    else:
        what = "is neither safetensors nor a torch file" if start else "is empty"
        raise UserError(what, where=where, legal=_LEGAL)
    tensors = _as_floats(content, where)
    stated = _read_header(header, where) or _read_config(path.with_name("config.json"))
    mean, std = _decide_input(stated, input, where)
    return Weights(tensors, mean, std, stated is not None, f"{path.name}, sha256 {digest[:16]}")


def fetch_weights(backbone: str, *, input: str = "auto") -> Weights:  # noqa: A002
    """The weights of a backbone from timm's hub, or from its cache; timm states their mean and std.

    `*_tiny`, `*_small` and `*_base` have those of Steiner et al., "How to train your ViT?", TMLR 2022, pretrained on
    ImageNet-21k and fine-tuned on ImageNet-1k; `timm:NAME` has those that timm lists under NAME.

    Raises:
        UserError: there are none for this backbone, or an input that contradicts what timm states.
        ClnormError: the hub cannot be reached, or failed.
    """
    tag = _find_tag(backbone)
    try:
        model = _download(tag)
    except ClnormError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        raise _no_download(tag, f"{type(error).__name__}: {reason}") from error
    where = f"model.pretrained {tag}"
    config: Any = model.pretrained_cfg
    stated = _check_input(config["mean"], config["std"], where)
    mean, std = _decide_input(stated, input, where)
    return Weights(_as_floats(model.state_dict(), where), mean, std, True, f"timm's hub: {tag}")


def _read_safetensors(path: Path, where: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise UserError(f"is damaged or no safetensors file: {error}", where=where, legal=_LEGAL) from error


def _read_torch(path: Path, where: str) -> Any:
    # torch goes by the suffix of a path, hence a file; and it warns of files that it then refuses.
    try:
        with hold_process(), path.open("rb") as file, warnings.catch_warnings(action="ignore"):
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        what = "holds more than tensors, or is damaged; it was not opened, because that could run code in it"
        hint = "save model.state_dict() alone, best as safetensors"
        raise UserError(what, where=where, legal=_LEGAL, hint=hint) from error
    except Exception as error:
        reason = str(error).partition("\n")[0].partition(". ")[0]  # the rest is advice to torch's developers
        raise UserError(f"is damaged or no torch file: {reason}", where=where, legal=_LEGAL) from error
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            return content[key]
    return content


def _as_floats(content: Any, where: str) -> dict[str, Tensor]:
    """A dictionary of finite float tensors, in float32; counters, such as BatchNorm's, stay whole numbers."""
    if not isinstance(content, Mapping) or not content:
        what = "is an empty dictionary" if isinstance(content, Mapping) else f"holds a {type(content).__name__}"
        raise UserError(what, where=where, legal=_LEGAL)
    tensors = {}
    for name, value in content.items():
        if isinstance(name, str) and isinstance(value, Tensor) and not value.is_floating_point() and value.ndim == 0:
            tensors[name] = value
            continue
        if not isinstance(name, str) or not isinstance(value, Tensor) or not value.is_floating_point():
            kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
            raise UserError(f"{name!r} is {kind}, not a float tensor", where=where, legal=_LEGAL)
        tensors[name] = value.detach().float()
        if not torch.isfinite(tensors[name]).all():
            raise UserError(f"{name!r} has values that are not finite", where=where, hint="get the file anew")
    return tensors


def _read_header(header: Mapping[str, str], where: str) -> tuple[Triple, Triple] | None:
    if not {"mean", "std"} & set(header):
        return None
    try:
        mean, std = (read_json(header.get(key, "null")) for key in ("mean", "std"))
    except ValueError as error:
        raise _bad_input(header.get("mean"), header.get("std"), where, reason=f" ({error})") from error
    return _check_input(mean, std, where)


def _read_config(path: Path) -> tuple[Triple, Triple] | None:
    """Mean and std of a timm `config.json`; None where there is no such file, or it states neither."""
    try:
        config = read_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        hint = "mend it, or move the weights to a folder without it"
        raise UserError(f"cannot be read as JSON ({error})", where=str(path), hint=hint) from error
    stated = config.get("pretrained_cfg") if isinstance(config, Mapping) else None
    if not isinstance(stated, Mapping) or not {"mean", "std"} & set(stated):
        return None
    return _check_input(stated.get("mean"), stated.get("std"), str(path))


def _check_input(mean: Any, std: Any, where: str) -> tuple[Triple, Triple]:
    for numbers, low in ((mean, -math.inf), (std, 0.0)):
        if not isinstance(numbers, (list, tuple)) or len(numbers) != 3:
            raise _bad_input(mean, std, where)
        for number in numbers:
            if isinstance(number, bool) or not isinstance(number, (int, float)) or not low < number < math.inf:
                raise _bad_input(mean, std, where)
    return tuple(map(float, mean)), tuple(map(float, std))  # type: ignore[return-value]  # three each


def _bad_input(mean: Any, std: Any, where: str, *, reason: str = "") -> UserError:
    shown_mean, shown_std = (text if len(text := str(value)) <= 60 else f"{text[:60]}..." for value in (mean, std))
    what = f"states mean {shown_mean} and std {shown_std}{reason}"
    return UserError(what, where=where, legal="three numbers each, those of std above 0")


def _decide_input(stated: tuple[Triple, Triple] | None, asked: str, where: str) -> tuple[Triple, Triple]:
    if asked == "auto":
        return stated or HALF
    if asked not in _INPUTS:
        raise UserError(f"{asked!r} is not legal", where="model.input", legal=["auto", *_INPUTS], given=asked)
    if stated is not None and not all(map(_close, stated, _INPUTS[asked])):
        what = f"{asked!r} contradicts {where}, which states mean {stated[0]} and std {stated[1]}"
        raise UserError(what, where="model.input", legal="auto")
    return stated or _INPUTS[asked]


def _close(first: Triple, second: Triple) -> bool:
    return all(math.isclose(a, b, abs_tol=1e-3) for a, b in zip(first, second, strict=True))


def _find_tag(backbone: str) -> str:
    """timm's name of the weights of a backbone."""
    import timm

    family, _, name = backbone.partition(":")
    if family != "timm" or not name:
        size = backbone.rpartition("_")[2]
        if ":" in backbone or size not in _TAGS:
            legal = "a backbone *_tiny, *_small or *_base, or timm:NAME"
            raise UserError(f"there are no pretrained weights for {backbone!r}", where="model.pretrained", legal=legal)
        return _TAGS[size]
    model, _, tag = name.partition(".")
    tags = [known for known in timm.list_pretrained(f"{model}*") if known.partition(".")[0] == model]
    if name not in tags and (tag or not tags):
        raise UserError(f"timm has no weights {name!r}", where="model.pretrained", legal=tags or "none", given=name)
    return name


def _download(tag: str) -> nn.Module:
    """timm's model with its weights. The one function here that uses the network.

    The hub's client tries a hub out of reach again for most of a minute, for each file, even where that lies in its
    cache: so a cached file is named to timm, and without one the hub is asked once before.
    """
    import timm
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.utils import get_session

    config: Any = timm.get_pretrained_cfg(tag)
    cached = try_to_load_from_cache(config.hf_hub_id or "", config.hf_hub_filename or "model.safetensors")
    if not isinstance(cached, str):
        try:
            get_session().head(constants.ENDPOINT, timeout=_PROBE_SECONDS)
        except Exception as error:
            raise _no_download(tag, f"{constants.ENDPOINT} cannot be reached") from error
    overlay = {"file": cached} if isinstance(cached, str) else None
    with hold_process(), torch.random.fork_rng(devices=[]):
        return timm.create_model(tag, pretrained=True, pretrained_cfg_overlay=overlay)


def _no_download(tag: str, reason: str) -> ClnormError:
    hint = "fetch the file elsewhere and give it: model.pretrained=false model.weights=FILE"
    return ClnormError(f"{tag} could not be fetched from timm's hub ({reason})", where="model.pretrained", hint=hint)
