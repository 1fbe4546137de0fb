"""The programs that runs are made with, as papers cite them; clnorm's own entry is that of CITATION.cff."""

from clnorm.catalogue.reference import Reference

CLNORM = Reference(
    "clnorm",
    "{The clnorm authors}",
    "clnorm: a continual-learning benchmark for video in which normalization is the variable",
    "",
    None,
    kind="misc",
)
AVALANCHE = Reference(
    "carta2023avalanche",
    "Carta, Antonio and Pellegrini, Lorenzo and Cossu, Andrea and Hemati, Hamed and Lomonaco, Vincenzo",
    "Avalanche: A PyTorch Library for Deep Continual Learning",
    "Journal of Machine Learning Research",
    2023,
    kind="article",
)
PYTORCH = Reference(
    "paszke2019pytorch",
    "Paszke, Adam and others",
    "PyTorch: An Imperative Style, High-Performance Deep Learning Library",
    "Advances in Neural Information Processing Systems",
    2019,
)
TIMM = Reference(
    "rw2019timm",
    "Wightman, Ross",
    "PyTorch Image Models",
    "Zenodo, doi:10.5281/zenodo.4414861",
    2019,
    kind="misc",
)
