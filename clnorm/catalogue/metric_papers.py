"""The papers that metrics come from, by how a metric's source names them."""

from clnorm.catalogue.papers import GEM, TCD, VCLIMB
from clnorm.catalogue.reference import Reference

_CVPR = "IEEE/CVF Conference on Computer Vision and Pattern Recognition"
_PAPERS = {
    "Lopez-Paz and Ranzato 2017": GEM,
    "Rebuffi et al. 2017": Reference(
        "rebuffi2017icarl",
        "Rebuffi, Sylvestre-Alvise and Kolesnikov, Alexander and Sperl, Georg and Lampert, Christoph H.",
        "iCaRL: Incremental Classifier and Representation Learning",
        "IEEE Conference on Computer Vision and Pattern Recognition",
        2017,
    ),
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
}


def list_metric_papers(source: str) -> tuple[Reference, ...]:
    """The papers that a metric's source names, such as `Villa et al. 2022, as printed`; none for clnorm's own."""
    return tuple(paper for named, paper in _PAPERS.items() if named in source)
