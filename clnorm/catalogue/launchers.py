"""Where the runs of a sweep are executed."""

from clnorm.catalogue.entry import Entry
from clnorm.catalogue.option import Option
from clnorm.catalogue.registry import Registry

LAUNCHERS = Registry("launcher", plural="launchers")
LAUNCHERS.add(
    Entry(
        "local",
        "clnorm.launch.local:local",
        "processes on this machine, which share its cores or its GPUs",
        {
            "processes": Option(0, "how many; 0 is one, or one a GPU where there are several", low=0, high=1024),
            "threads": Option(0, "CPU threads of each; 0 divides this process's cores among them", low=0, high=1024),
        },
    )
)
