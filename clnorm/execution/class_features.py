"""How alike the classes of a dataset are to a frozen model."""

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
from torch import nn

from clnorm.config.config import Config
from clnorm.data.open import open_store, read_table
from clnorm.errors import UserError
from clnorm.execution.execution import choose_execution, prepare_model
from clnorm.execution.inputs import Inputs, compute_outputs, split_batches
from clnorm.execution.precision import resolve_device
from clnorm.models.create import create_model_with_report
from clnorm.models.weights import read_model_weights
from clnorm.progress import Reporter

if TYPE_CHECKING:
    from clnorm.data.table import ClipTable

Floats = npt.NDArray[np.float64]


def measure_class_similarity(
    config: Config, *, reporter: Reporter | None = None
) -> tuple[tuple[str, ...], Floats, dict[str, Any]]:
    """The cosines between the mean features of the classes' training clips, of a model that is not trained further.

    Args:
        config: dataset, what a clip is, backbone, norm and what the model starts from; nothing else of it counts.
        reporter: told of the progress; silent by default.

    Returns:
        The names of the classes, (classes, classes) cosines, and how they were measured.

    Raises:
        UserError: data or options that cannot be used, a model that names no features, or a class without training
            clips.
        ClnormError: clips cannot be decoded and `data.skip_bad` is off, or features are not finite.
    """
    reporter, start = reporter or Reporter(), config.model
    table = read_table(config, reporter)
    model, _, report = create_model_with_report(
        config.backbone,
        norm=config.norm,
        num_classes=len(table.classes),
        image_size=config.data.image_size,
        num_frames=config.data.frames,
        seed=config.seed,
        weights=read_model_weights(
            config.backbone.name, pretrained=start.pretrained, weights=start.weights, input=start.input
        ),
        unswapped_blocks=config.unswapped_blocks,
    )
    if not hasattr(model, "forward_features"):
        what, hint = "it names no features", "give it a method forward_features"
        raise UserError(what, where=f"backbone {config.backbone.name}", hint=hint)
    if report is None:
        reporter.note("The model has drawn weights, not learned ones: see model.weights and model.pretrained.")
    features, labels = _read_features(config, table, model, reporter)
    made = {
        "dataset": config.dataset.short,
        "clips": len(labels),
        "fingerprint": table.fingerprint,
        "backbone": config.backbone.short,
        "norm": config.norm.short,
        "weights": "drawn" if report is None else report.source,
        "frames": config.data.frames,
        "image_size": config.data.image_size,
    }
    return table.classes, class_cosines(features, labels, names=table.classes), made


def _read_features(
    config: Config, table: "ClipTable", model: nn.Module, reporter: Reporter
) -> tuple[Floats, npt.NDArray[np.int64]]:
    device = resolve_device(config.train.device, config.train.precision)
    execution = choose_execution(model, config.train, device)
    prepare_model(model, config.train, execution)
    model.to(device)
    store = open_store(config, table, reporter)
    ids = np.array([clip for clip in table.train_ids if clip not in store.bad], dtype=np.int64)
    batches = split_batches(ids, config.eval.batch_size)
    forward = cast(Any, model).forward_features
    inputs = Inputs(store, device)
    features = compute_outputs(model, inputs, batches, precision=execution.precision, forward=forward)
    return features.astype(np.float64), table.labels[ids]


def class_cosines(features: Floats, labels: npt.NDArray[np.int64], *, names: tuple[str, ...]) -> Floats:
    """(classes, classes): the cosines between the means of features (n, D) of each class, by labels (n,).

    Raises:
        UserError: a class has no clip, or a mean of zero.
    """
    sums = np.zeros((len(names), features.shape[1]))
    np.add.at(sums, labels, features)
    lengths = np.linalg.norm(sums, axis=1)
    for name, length in zip(names, lengths, strict=True):
        if length == 0:
            raise UserError(f"{name} has no training clip, or features of zero", where="protocol similarity")
    directions = sums / lengths[:, None]
    return np.asarray(directions @ directions.T)
