"""The configuration of one run: typed, frozen and closed.

YAML, `--set a.b=c` and the named flags are merged into one plain dictionary, which is validated once; unknown keys are
refused. A `Config` that exists is therefore legal and complete.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from clnorm.catalogue import BACKBONES, DATASETS, LOGGERS, NORMS, PROTOCOLS, STRATEGIES
from clnorm.catalogue.registry import Spec
from clnorm.config.fields import (
    ContradictionError,
    Open,
    Section,
    build_section,
    list_sections,
    name_field,
    path_field,
    plain_values,
    pretrained_recipe,
    section_field,
    value_field,
)
from clnorm.config.moved import drop_moved, refuse_moved
from clnorm.config.sections import BeginConfig, DataConfig, EvalConfig, ModelConfig, SaveConfig, TrainConfig
from clnorm.errors import Mistakes, UserError


@dataclass(frozen=True, kw_only=True)
class Config(Section):
    """One run: a norm, a strategy, a backbone, a dataset cut by a protocol, and a seed.

    Names are texts such as `"cn"` or `"replay:per_class=10"`; they are parsed when the configuration is built. A
    section may be given as a mapping; what it leaves open then has the defaults of pretrained runs where `model` names
    weights, and so has the backbone. `dataclasses.replace` leaves nothing open: what it does not change stays.

    Raises:
        UserError: unknown names or keys, and values of a wrong type or range, all of them.
    """

    norm: Spec = name_field(NORMS, "ln", "normalization layer")
    strategy: Spec = name_field(STRATEGIES, "naive", "continual-learning strategy")
    backbone: Spec = name_field(BACKBONES, "lsvit_nano", "video backbone", pretrained="lsvit_signed_tiny:smif=frames")
    dataset: Spec = name_field(DATASETS, "synthetic", "dataset")
    protocol: Spec = name_field(PROTOCOLS, "even", "how classes become experiences")
    seed: int = value_field(0, "of class order, weights, batches, memory", low=0, high=2**31 - 1)
    out: str = path_field("runs", "folder that run folders go into")
    keep_model: bool = value_field(True, "keep the trained model, which predict and export need")
    log: Spec = name_field(LOGGERS, "none", "where the run is logged beside log.jsonl in its folder")
    tuned: str | None = path_field(None, "file that clnorm tune wrote: its values for this norm and strategy are taken")
    data: DataConfig = section_field()
    model: ModelConfig = section_field()
    train: TrainConfig = section_field()
    eval: EvalConfig = section_field()
    save: SaveConfig = section_field()
    begin: BeginConfig = section_field()

    def __post_init__(self) -> None:
        mistakes = Mistakes()
        with mistakes.collected():
            object.__setattr__(self, "model", build_section(ModelConfig, self.model, where="model."))
        known = isinstance(self.model, ModelConfig)
        pretrained = known and (self.model.pretrained or self.model.weights is not None)
        for name, default in pretrained_recipe(Config).items():
            if pretrained and getattr(self, name) is Open.OPEN:
                object.__setattr__(self, name, default)
        with mistakes.collected():
            super().__post_init__()
        kinds = {name: kind for name, kind in list_sections(Config).items() if known or name != "model"}
        sections = {name: getattr(self, name) for name in kinds}
        with mistakes.collected():
            refuse_moved(self.norm if isinstance(self.norm, Spec) else None, sections)
        for name, section in kinds.items():
            given = drop_moved(name, sections[name])
            if isinstance(given, Mapping):
                recipe = pretrained_recipe(section) if pretrained else {}
                given = {**recipe, **self._recipe(name), **given}
            try:
                object.__setattr__(self, name, build_section(section, given, where=f"{name}."))
            except UserError as error:
                mistakes.add(error, leave_out=None if known else ContradictionError)
        with mistakes.collected():
            self._check_fixed()
        with mistakes.collected():
            self._check_frozen()
        mistakes.refuse()

    def _recipe(self, section: str) -> dict[str, Any]:
        """The defaults of a section that the protocol changes."""
        recipe = self.protocol.entry.recipe if isinstance(self.protocol, Spec) else {}
        dotted = {key.partition(".")[::2]: value for key, value in recipe.items()}
        return {name: value for (kind, name), value in dotted.items() if kind == section}

    def _check_fixed(self) -> None:
        """Refuse values that the protocol rules out."""
        if not isinstance(self.protocol, Spec):
            return
        entry = self.protocol.entry
        for key, reason in entry.fixed.items():
            section, _, name = key.partition(".")
            value = getattr(getattr(self, section), name, entry.recipe[key])
            if value != entry.recipe[key]:
                what = f"{value} does not fit protocol {entry.name}: {reason}"
                hint = f"leave {key} out, or choose another protocol: clnorm list protocols"
                raise ContradictionError(what, where=key, legal=str(entry.recipe[key]), hint=hint)

    def _check_frozen(self) -> None:
        """Refuse what is said of frozen blocks where there are none."""
        if not isinstance(self.train, TrainConfig) or not isinstance(self.model, ModelConfig):
            return
        said = {"model.swap": self.model.swap == "trained", "train.keep_frozen": self.train.keep_frozen}
        for key, given in said.items():
            if given and not self.train.freeze_blocks:
                what = "it does nothing with train.freeze_blocks=0"
                raise ContradictionError(what, where=key, hint="set train.freeze_blocks, or leave it out")

    @property
    def unswapped_blocks(self) -> int:
        """The first blocks whose norms, with those before them, stay the backbone's own."""
        return self.train.freeze_blocks if self.model.swap == "trained" else 0

    def to_dict(self) -> dict[str, Any]:
        """The configuration as plain values; names in full, with every option."""
        return plain_values(self)

    def to_yaml(self) -> str:
        """The configuration as YAML that `load_config` reads back to an equal one."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)
