"""The papers that metrics come from, by how a metric's source names them."""

from clnorm.catalogue.papers import GEM, ICARL, NCM, TCD, VCLIMB
from clnorm.catalogue.reference import Reference

_CVPR = "IEEE/CVF Conference on Computer Vision and Pattern Recognition"
_PAPERS = {
    "Lopez-Paz and Ranzato 2017": GEM,
    "Rebuffi et al. 2017": ICARL,
    "Chaudhry et al. 2018": Reference(
        "chaudhry2018riemannian",
        "Chaudhry, Arslan and Dokania, Puneet K. and Ajanthan, Thalaiyasingam and Torr, Philip H. S.",
        "Riemannian Walk for Incremental Learning: Understanding Forgetting and Intransigence",
        "European Conference on Computer Vision",
        2018,
    ),
    "Wang et al. 2024": Reference(
        "wang2024comprehensive",
        "Wang, Liyuan and Zhang, Xingxing and Su, Hang and Zhu, Jun",
        "A Comprehensive Survey of Continual Learning: Theory, Method and Application",
        "IEEE Transactions on Pattern Analysis and Machine Intelligence",
        2024,
        kind="article",
    ),
    "Villa et al. 2022": VCLIMB,
    "Park et al. 2021": TCD,
    "Riemer et al. 2019": Reference(
        "riemer2019learning",
        "Riemer, Matthew and others",
        "Learning to Learn without Forgetting by Maximizing Transfer and Minimizing Interference",
        "International Conference on Learning Representations",
        2019,
    ),
    "Brodersen et al. 2010": Reference(
        "brodersen2010balanced",
        "Brodersen, Kay H. and Ong, Cheng Soon and Stephan, Klaas E. and Buhmann, Joachim M.",
        "The Balanced Accuracy and Its Posterior Distribution",
        "International Conference on Pattern Recognition",
        2010,
    ),
    "Liu et al. 2019": Reference(
        "liu2019large",
        "Liu, Ziwei and Miao, Zhongqi and Zhan, Xiaohang and Wang, Jiayun and Gong, Boqing and Yu, Stella X.",
        "Large-Scale Long-Tailed Recognition in an Open World",
        _CVPR,
        2019,
    ),
    "Wu et al. 2019": Reference(
        "wu2019large",
        "Wu, Yue and others",
        "Large Scale Incremental Learning",
        _CVPR,
        2019,
    ),
    "De Lange et al. 2023": Reference(
        "delange2023continual",
        "De Lange, Matthias and van de Ven, Gido M. and Tuytelaars, Tinne",
        "Continual Evaluation for Lifelong Learning: Identifying the Stability Gap",
        "International Conference on Learning Representations",
        2023,
    ),
    "Guo et al. 2017": Reference(
        "guo2017calibration",
        "Guo, Chuan and Pleiss, Geoff and Sun, Yu and Weinberger, Kilian Q.",
        "On Calibration of Modern Neural Networks",
        "International Conference on Machine Learning",
        2017,
    ),
    "Masana et al. 2023": Reference(
        "masana2023class",
        "Masana, Marc and others",
        "Class-Incremental Learning: Survey and Performance Evaluation on Image Classification",
        "IEEE Transactions on Pattern Analysis and Machine Intelligence",
        2023,
        kind="article",
    ),
    "Mensink et al. 2013": NCM,
    "Davari et al. 2022": Reference(
        "davari2022probing",
        "Davari, MohammadReza and Asadi, Nader and Mudur, Sudhir and Aljundi, Rahaf and Belilovsky, Eugene",
        "Probing Representation Forgetting in Supervised and Unsupervised Continual Learning",
        _CVPR,
        2022,
    ),
    "Kornblith et al. 2019": Reference(
        "kornblith2019similarity",
        "Kornblith, Simon and Norouzi, Mohammad and Lee, Honglak and Hinton, Geoffrey",
        "Similarity of Neural Network Representations Revisited",
        "International Conference on Machine Learning",
        2019,
    ),
}

EFFECT_SIZE = (
    Reference(
        "hedges1981distribution",
        "Hedges, Larry V.",
        "Distribution Theory for Glass's Estimator of Effect Size and Related Estimators",
        "Journal of Educational Statistics",
        1981,
        kind="article",
    ),
    Reference(
        "lakens2013calculating",
        'Lakens, Dani{\\"e}l',
        "Calculating and Reporting Effect Sizes to Facilitate Cumulative Science: A Practical Primer for t-Tests and "
        "ANOVAs",
        "Frontiers in Psychology",
        2013,
        kind="article",
    ),
)
"""What Hedges' g of paired differences comes from."""


def list_metric_papers(source: str) -> tuple[Reference, ...]:
    """The papers that a metric's source names, such as `Villa et al. 2022, as printed`; none for clnorm's own."""
    return tuple(paper for named, paper in _PAPERS.items() if named in source)
