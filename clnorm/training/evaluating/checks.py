"""Evaluations that a run cannot make, refused before anything is decoded."""

import numpy as np
from torch import nn

from clnorm.config.config import Config
from clnorm.errors import UserError
from clnorm.execution.features import has_features

_SAME, _COMPILED = 1e-6, 0.02  # of the largest output, by which two ways of computing the same may differ
_VIEWS = {"T": 1, "2T": 2}  # of which no two are the same


def check_evaluation(model: nn.Module, config: Config, *, classifier: str, has_memory: bool) -> None:
    """Refuse what the strategy, the store or the model has nothing for.

    Args:
        model: that is evaluated.
        config: of the run.
        classifier: of the strategy.
        has_memory: whether the strategy keeps clips.

    Raises:
        UserError: nearest means of exemplars without a memory, more views than the store has frames for, or features
            of a model that cannot be cut at its head.
    """
    asked = config.eval
    if classifier == "nme" and not has_memory:
        raise UserError("it predicts by exemplars, and keeps no clips", where=f"strategy {config.strategy.short}")
    if classifier == "nme" and asked.every:
        what = f"the strategy {config.strategy.short} predicts by exemplars, which are chosen when an experience ends"
        raise UserError(what, where="eval.every", legal="0", hint="leave it out, or use another strategy")
    if asked.views > 1 and asked.every:
        what = (
            f"{asked.every} with eval.views={asked.views}: tests within an experience are of one view, so that their "
        )
        what += "accuracies could not be compared with those after it"
        raise UserError(what, where="eval.every", legal="0, or eval.views=1")
    if asked.nearest in ("exemplars", "both") and not has_memory:
        what = f"the strategy {config.strategy.short} keeps no clips, which would be the exemplars"
        hint = "use --set eval.nearest=all, or a strategy with a memory, such as replay"
        raise UserError(what, where="eval.nearest", legal="none, all", hint=hint)
    most = _VIEWS.get(config.data.keep, asked.views)
    if asked.views > most:
        hint = "use --set data.keep=2T for two views, or data.keep=all for more"
        what = f"{asked.views} views with data.keep={config.data.keep}, of whose frames some would be the same"
        raise UserError(what, where="eval.views", legal="1" if most == 1 else f"1 to {most}", hint=hint)
    if needs_features(config, classifier=classifier) and not has_features(model):
        key = next((name for name in ("nearest", "probe", "cka") if getattr(asked, name) not in (False, "none")), "")
        raise UserError(
            f"{type(model).__name__} has no `forward_features` and `head`, between which features are taken",
            where=f"eval.{key}" if key else f"strategy {config.strategy.short}",
            legal="a backbone with both",
            hint="see: docs/extend/backbone.md",
        )


def refuse_other_outputs(cut: np.ndarray, whole: np.ndarray, config: Config, *, is_compiled: bool) -> None:
    """Refuse a backbone whose forward pass is not its head after `forward_features`: its outputs would be others.

    Args:
        cut: (n, classes) outputs of the one after the other.
        whole: those of its forward pass.
        config: of the run.
        is_compiled: whether both are compiled, each for itself, and so round otherwise.

    Raises:
        UserError: they differ.
    """
    apart, largest = float(np.abs(cut - whole).max()), float(np.abs(whole).max())
    if not apart <= (_COMPILED if is_compiled else _SAME) * largest:
        what = f"its outputs and those of `head` after `forward_features` differ by {apart:.2g} of {largest:.2g}"
        hint = (
            "have its forward pass be head(forward_features(clips)), or ask for no features (eval.nearest, probe, cka)"
        )
        raise UserError(what, where=f"backbone {config.backbone.short}", hint=hint)


def needs_features(config: Config, *, classifier: str) -> bool:
    """Whether features of the test clips are needed beside the logits."""
    asked = config.eval
    return asked.nearest != "none" or asked.probe or asked.cka or classifier == "nme"
