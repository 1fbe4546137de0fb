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
            "processes": Option(0, "how many; 0 is one a GPU, or one a core as far as memory allows", low=0, high=1024),
            "threads": Option(0, "CPU threads of each; 0 is OMP_NUM_THREADS or its share of cores", low=0, high=1024),
        },
    )
)
LAUNCHERS.add(
    Entry(
        "slurm",
        "clnorm.launch.slurm:slurm",
        "job arrays of a Slurm cluster, which this command submits and does not wait for",
        {
            "partition": Option("auto", "where jobs run; auto is the cluster's default"),
            "account": Option("auto", "that is charged; auto is the user's default"),
            "qos": Option("auto", "quality of service; auto is the account's"),
            "minutes": Option(0, "time limit of a job; 0 is the partition's", low=0, high=525_600),
            "lead": Option(120, "seconds before the limit at which a job keeps its state", low=10, high=3600),
            "cpus": Option(1, "CPU cores and threads of a job", low=1, high=1024),
            "gpus": Option(0, "GPUs of a job", low=0, high=64),
            "memory_gb": Option(0.0, "memory of a job; 0 is the partition's", low=0.0, high=65_536.0),
            "bundle": Option(1, "runs of a job, one after the other; more where runs are short", low=1, high=10_000),
            "at_most": Option(0, "jobs at a time; 0 is as many as the cluster gives", low=0, high=100_000),
            "restarts": Option(20, "how often a job is begun anew after its limit, or by `wait`", low=0, high=1000),
            "wait": Option(False, "wait until all runs are finished, and submit again those whose jobs were lost"),
            "more": Option("none", "further options of sbatch, apart by spaces, such as --constraint=a100"),
        },
    )
)
LAUNCHERS.add(
    Entry(
        "ray",
        "clnorm.launch.ray:ray",
        "tasks of a Ray cluster that runs, or of one started here",
        {
            "address": Option("auto", "of the cluster; auto is one that Ray finds, else one started here"),
            "cpus": Option(1, "CPU cores and threads of a task", low=1, high=1024),
            "gpus": Option(0.0, "GPUs of a task, or the share of one", low=0.0, high=64.0),
            "bundle": Option(1, "runs of a task, one after the other; more where runs are short", low=1, high=10_000),
            "restarts": Option(3, "how often a task is begun anew where its node dies", low=0, high=1000),
        },
    )
)
