"""The datasets."""

import clnorm.catalogue.papers as papers
from clnorm.catalogue.entry import Entry
from clnorm.catalogue.option import Option
from clnorm.catalogue.registry import Registry

_TAIL = {
    "imbalance": Option(1.0, "largest over smallest class in training, by leaving clips out", low=1.0),
    "tail_seed": Option(0, "draws which classes become small, and the clips that stay", low=0),
}
DATASETS = Registry("dataset", plural="datasets", given=("progress",))
DATASETS.add(
    Entry(
        "synthetic",
        "clnorm.data.synthetic.reader:read",
        "moving shapes in real video files, made once into the cache",
        {
            "classes": Option(10, "number of classes", low=2, high=51),
            "train": Option(50, "training clips of the largest class", low=2),
            "test": Option(20, "test clips of each class", low=1),
            "cues": Option("both", "what tells classes apart", words=("motion", "shape", "both", "direction")),
            "imbalance": Option(1.0, "largest over smallest class in training", low=1.0),
            "variant": Option(0, "seed of the generator", low=0),
        },
        title="synthetic videos",
        unpublished="clnorm makes the videos",
    )
)
DATASETS.add(
    Entry(
        "hmdb51",
        "clnorm.data.datasets.hmdb51:read",
        "HMDB51 or any subset of its classes, from --data-root",
        {
            "split": Option(1, "official split", low=1, high=3),
            "train_plus": Option(
                False, "also train on unused clips, except those that share class and source with a test clip"
            ),
            **_TAIL,
        },
        title="HMDB51 (split {split})",
        papers=(papers.HMDB51,),
    )
)
DATASETS.add(
    Entry(
        "ucf101",
        "clnorm.data.datasets.ucf101:read",
        "UCF101 or any subset of its classes, from --data-root",
        {"split": Option(1, "official split", low=1, high=3), **_TAIL},
        title="UCF101 (split {split})",
        papers=(papers.UCF101,),
    )
)
DATASETS.add(
    Entry(
        "folder",
        "clnorm.data.datasets.folder:read",
        "any videos, from --data-root: a folder a class, or clips.csv",
        {
            "group": Option(
                "auto",
                "a clip's source, where no column says it: its own name, its folder, its name up to the last _, or its "
                "name as UCF101 or HMDB51 writes it; auto = one of the last two where all names are, else its own name",
                words=("auto", "name", "folder", "prefix", "ucf101", "hmdb51"),
            ),
            "test_share": Option(
                "auto",
                "share of clips for testing, cut by group, where no split is given; auto = 0.3",
                kind=float,
                words=("auto",),
                low=0.01,
                high=0.99,
            ),
            "split_seed": Option("auto", "draws that split; auto = 0", kind=int, words=("auto",), low=0),
            **_TAIL,
        },
        unpublished="these are videos of your own: cite where they come from",
    )
)
