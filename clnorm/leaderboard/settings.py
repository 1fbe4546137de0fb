"""What the runs of a board share, in a few words and in full."""

from typing import Any

from clnorm.config.added import fill_added
from clnorm.config.identity import BESIDE, NOT_IDENTITY, flatten
from clnorm.results.load import describe_record
from clnorm.results.record import UNKNOWN, RunRecord
from clnorm.results.selection import plain_text

_WORDS = {
    "experiences": "classes of the experiences",
    "weights": "starts",
    "data.frames": "frames",
    "data.image_size": "pixels",
    "train.epochs": "epochs",
    "train.lr": "learning rate",
    "train.batch_size": "batch",
    "data.augment": "augmentation",
    "data.mix": "mix",
    "imbalance": "against unequal classes",
    "fine_tuning": "balanced fine-tuning",
    "forward": "forward pass",
    "eval.views": "views",
    "train.experiences": "first experiences only",
    "data.validation": "share held out for testing",
    "tuning": "tuned",
}
_USUAL = {"none", UNKNOWN, "0", "0.0"}
_USUAL_OF = {"forward": "joint", "eval.views": "1"}
_VARIES = ("norm", "strategy", "seed")


def describe_setting(record: RunRecord) -> dict[str, str]:
    """What defines the experiment beside dataset, protocol and backbone, by words; what is off is left out."""
    told = {key: plain_text(value) for key, value in describe_record(record).items() if key in _WORDS}
    return {
        word: told[key] for key, word in _WORDS.items() if told[key] not in _USUAL and told[key] != _USUAL_OF.get(key)
    }


def list_keys(record: RunRecord) -> dict[str, Any]:
    """All keys of the configuration that runs of a board share, and the fingerprint of their clips."""
    own = {*_VARIES, *NOT_IDENTITY, *BESIDE, "tuned", *record.tuning.get("search", ())}
    shared = {key: plain_text(value) for key, value in flatten(fill_added(record.config)).items() if key not in own}
    return {**shared, "data.fingerprint": str(record.data.get("fingerprint", UNKNOWN))}
