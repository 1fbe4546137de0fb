"""The trained model that a run keeps: its weights, and all that is needed to build it, in one safetensors file."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import get_type_hints

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from clnorm import __version__
from clnorm.catalogue import BACKBONES, NORMS
from clnorm.catalogue.plugins import ForeignText, parse_allowed
from clnorm.catalogue.registry import Spec
from clnorm.config.config import Config
from clnorm.deploy.simplify import restructure
from clnorm.errors import ClnormError, UserError
from clnorm.files import UNSEALED, check_seal, replace_file, seal
from clnorm.models.create import create_model
from clnorm.models.heads import count_random_features, use_random_features
from clnorm.reading import check_types, read_json

MODEL_FILE = "model.safetensors"
"""The name of the kept model in a run's folder."""

SCHEMA = 2
"""Files have a checksum since 2."""

_KEY = "clnorm"  # of the description, among the file's metadata
_REGISTRIES = {"backbone": BACKBONES, "norm": NORMS}


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """What builds a kept model, and what its inputs and outputs mean.

    Attributes:
        backbone: spec of the backbone, every option included.
        norm: spec of the norm that it was trained with.
        classes: the name of the class that each output stands for.
        image_size: height and width of a frame, in pixels.
        num_frames: T, the frames of a clip.
        keep: what `data.keep` was, which decides the frames of a clip that are shown.
        precision: in which the model was trained and evaluated.
        sources: the hash of the file of a plug-in backbone or norm.
        group_norms: see `clnorm.deploy.simplify.Simplification`; empty for a model as it was trained.
        folded: likewise.
        random_features: of the head, where it is on random ones.
        unswapped_blocks: first blocks whose norms, with those before them, are the backbone's own.
        version: of clnorm.
        schema: version of this layout.
    """

    backbone: str
    norm: str
    classes: tuple[str, ...]
    image_size: int
    num_frames: int
    precision: str
    keep: str = "T"
    sources: dict[str, str] = field(default_factory=dict)
    group_norms: dict[str, str] = field(default_factory=dict)
    folded: dict[str, str] = field(default_factory=dict)
    random_features: int = 0
    unswapped_blocks: int = 0
    version: str = __version__
    schema: int = SCHEMA


@dataclass(frozen=True)
class LoadedModel:
    """A kept model.

    Args:
        model: in evaluation mode on the CPU; clips (B, T, 3, H, W), floats in [-1, 1], to logits (B, classes).
        info: what its inputs and outputs mean.
        file: the file that it was read from.
    """

    model: nn.Module
    info: ModelInfo
    file: Path


def describe_model(config: Config, *, classes: Sequence[str], order: Iterable[int], precision: str) -> ModelInfo:
    """The description of a run's model.

    Args:
        config: of the run.
        classes: names of the classes, by class id.
        order: the class id that each output stands for.
        precision: of the forward pass, which the configuration may leave open.
    """
    return ModelInfo(
        backbone=str(config.backbone),
        norm=str(config.norm),
        classes=tuple(classes[int(label)] for label in order),
        image_size=config.data.image_size,
        num_frames=config.data.frames,
        keep=config.data.keep,
        precision=precision,
        unswapped_blocks=config.unswapped_blocks,
        sources={kind: source for kind in _REGISTRIES if (source := getattr(config, kind).entry.source)},
    )


def save_model(path: Path, model: nn.Module, info: ModelInfo) -> None:
    """Write weights and buffers, with their description, into a safetensors file, which is replaced at once.

    Tensors that several modules share are written for each of them.

    Raises:
        ClnormError: the model holds state that is no tensor, or the file cannot be written.
    """
    tensors = {}
    for name, value in model.state_dict().items():
        if not isinstance(value, Tensor):
            hint = "keep it in buffers, or run with keep_model=false"
            raise ClnormError(f"{name} is a {type(value).__name__} and no tensor", where=str(path), hint=hint)
        tensors[name] = value.detach().cpu().contiguous().clone()  # safetensors refuses tensors that share memory
    # The checksum is in the description, because safetensors writes several metadata in any order.
    info = replace(info, random_features=count_random_features(model))
    described = json.dumps({**asdict(info), "schema": SCHEMA, "checksum": UNSEALED})
    content = seal(safetensors.torch.save(tensors, {_KEY: described}))
    replace_file(path, lambda file: file.write(content))


def read_model(path: Path, *, allow_plugins: Iterable[str] = ()) -> LoadedModel:
    """The model in a file that `save_model` wrote, every tensor of it accounted for.

    Args:
        path: the file.
        allow_plugins: the plug-ins that it may name, as for `clnorm.load_model`.

    Raises:
        UserError: there is no such file, it is no kept model, or its plug-in is not allowed or cannot be imported.
        ClnormError: it is damaged, of a newer layout, or does not fit the model that it describes.
    """
    info, tensors = _read(path)
    model = _build(info, path, parse_allowed(allow_plugins))
    _refuse_other_tensors(model.state_dict(), tensors, path)
    model.load_state_dict(tensors)
    return LoadedModel(model.eval(), info, path)


def _build(info: ModelInfo, path: Path, allowed: frozenset[str]) -> nn.Module:
    """The model that `info` describes, with weights to be replaced."""
    try:
        backbone, norm = (
            registry.parse(ForeignText(getattr(info, kind), allowed, "its description"))
            for kind, registry in _REGISTRIES.items()
        )
        model = create_model(
            backbone,
            norm=norm,
            num_classes=len(info.classes),
            image_size=info.image_size,
            num_frames=info.num_frames,
            unswapped_blocks=info.unswapped_blocks,
        )
        if info.random_features:
            use_random_features(model, info.random_features)
        _refuse_changed_plugins({"backbone": backbone, "norm": norm}, info.sources)
        foreign = {site: ForeignText(spec, allowed, "its description") for site, spec in info.group_norms.items()}
        restructure(model, group_norms=foreign, folded=info.folded)
    except ClnormError as error:
        raise error.within(f"{path}: its model cannot be built") from error
    except AttributeError as error:
        raise ClnormError(f"its description does not fit its model: {error}", where=str(path)) from error
    return model


def _read(path: Path) -> tuple[ModelInfo, dict[str, Tensor]]:
    try:
        with safe_open(str(path), framework="pt") as file:
            described = (file.metadata() or {}).get(_KEY)
        # Not read where the file is another's: it may be a large one.
        content = path.read_bytes() if described is not None else b""
        sealed = check_seal(content)
        tensors = safetensors.torch.load(content) if content else {}
    except FileNotFoundError as error:
        raise UserError("there is no such file", where=str(path), hint="give the folder of a finished run") from error
    except (OSError, SafetensorError, ValueError) as error:
        raise ClnormError(f"is damaged, or no safetensors file ({error})", where=str(path)) from error
    if described is None:
        raise UserError(
            "is a safetensors file, but no model that clnorm kept",
            where=str(path),
            legal=f"the folder of a finished run, its {MODEL_FILE}, or what clnorm export wrote",
        )
    info = _parse_info(described, path)
    if info.schema > 1 and not sealed:
        raise ClnormError("is damaged: it has no checksum", where=str(path))
    return info, tensors


def _parse_info(described: str, path: Path) -> ModelInfo:
    try:
        loaded = read_json(described)
        loaded.pop("checksum", None)
        newer = loaded["schema"] > SCHEMA
        info = None if newer else ModelInfo(**{**loaded, "classes": tuple(loaded["classes"])})
        if info is not None:
            check_types(asdict(info), get_type_hints(ModelInfo))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ClnormError(f"its description is damaged ({error})", where=str(path)) from error
    if info is None:
        raise ClnormError(f"has schema {loaded['schema']}, newer than {SCHEMA}", where=str(path), hint="update clnorm")
    return info


def _refuse_changed_plugins(specs: Mapping[str, Spec], sources: Mapping[str, str]) -> None:
    for kind, spec in specs.items():
        if spec.entry.source != sources.get(kind, ""):
            raise ClnormError(
                f"the file of the {kind} {spec.name!r} has changed since this model was trained",
                hint="bring back the version that it was trained with",
            )


def _refuse_other_tensors(wanted: dict[str, Tensor], given: dict[str, Tensor], path: Path) -> None:
    missing = [name for name in wanted if name not in given]
    unknown = [name for name in given if name not in wanted]
    unlike = [
        f"{name} ({given[name].dtype} {tuple(given[name].shape)}, not {value.dtype} {tuple(value.shape)})"
        for name, value in wanted.items()
        if name in given and (given[name].shape != value.shape or given[name].dtype != value.dtype)
    ]
    faults = {"missing": missing, "unknown": unknown, "of another shape": unlike}
    said = [f"{len(names)} tensors {fault}: {', '.join(names[:3])}" for fault, names in faults.items() if names]
    if said:
        raise ClnormError(f"does not fit the model that it describes: {'; '.join(said)}", where=str(path))
