"""Where a run is logged beside its own `log.jsonl`."""

from clnorm.catalogue.entry import Entry
from clnorm.catalogue.option import Option
from clnorm.catalogue.registry import Registry

LOGGERS = Registry("logger", plural="loggers")
LOGGERS.add(
    Entry("none", "clnorm.loggers.logger:Logger", "log.jsonl in the run's folder alone, which is always written")
)
LOGGERS.add(
    Entry(
        "tensorboard",
        "clnorm.loggers.tensorboard:TensorBoard",
        "TensorBoard's event files, in the folder tensorboard of the run's folder",
    )
)
LOGGERS.add(
    Entry(
        "trackio",
        "clnorm.loggers.trackio:Trackio",
        "Trackio's database on this machine, or where TRACKIO_SPACE_ID or TRACKIO_SERVER_URL say",
        {"project": Option("clnorm", "that the run belongs to")},
    )
)
LOGGERS.add(
    Entry(
        "wandb",
        "clnorm.loggers.wandb:Wandb",
        "Weights & Biases, in the folder wandb of the run's folder; sent on where it is asked for",
        {
            "project": Option("clnorm", "that the run belongs to"),
            "mode": Option(
                "auto", "whether it is sent; auto is WANDB_MODE, or offline", words=("auto", "offline", "online")
            ),
        },
    )
)
