"""The papers of what training is done with beside a strategy: augmentations, mixes, answers to unequal classes."""

from clnorm.catalogue.reference import Reference

BALANCED_FINE_TUNING = Reference(
    "castro2018end",
    "Castro, Francisco M. and Mar{\\'\\i}n-Jim{\\'e}nez, Manuel J. and Guil, Nicol{\\'a}s and Schmid, Cordelia and "
    "Alahari, Karteek",
    "End-to-End Incremental Learning",
    "European Conference on Computer Vision",
    2018,
)
RANDAUGMENT = Reference(
    "cubuk2020randaugment",
    "Cubuk, Ekin D. and Zoph, Barret and Shlens, Jonathon and Le, Quoc V.",
    "RandAugment: Practical Automated Data Augmentation with a Reduced Search Space",
    "Advances in Neural Information Processing Systems",
    2020,
)
MIXUP = Reference(
    "zhang2018mixup",
    "Zhang, Hongyi and Cisse, Moustapha and Dauphin, Yann N. and Lopez-Paz, David",
    "mixup: Beyond Empirical Risk Minimization",
    "International Conference on Learning Representations",
    2018,
)
VIDEOMIX = Reference(
    "yun2020videomix",
    "Yun, Sangdoo and Oh, Seong Joon and Heo, Byeongho and Han, Dongyoon and Kim, Jinhyung",
    "VideoMix: Rethinking Data Augmentation for Video Classification",
    "arXiv preprint arXiv:2012.03457",
    2020,
    kind="article",
)
CLASS_BALANCED = Reference(
    "cui2019class",
    "Cui, Yin and Jia, Menglin and Lin, Tsung-Yi and Song, Yang and Belongie, Serge",
    "Class-Balanced Loss Based on Effective Number of Samples",
    "IEEE/CVF Conference on Computer Vision and Pattern Recognition",
    2019,
)
LOGIT_ADJUSTMENT = Reference(
    "menon2021longtail",
    "Menon, Aditya Krishna and Jayasumana, Sadeep and Rawat, Ankit Singh and Jain, Himanshu and Veit, Andreas and "
    "Kumar, Sanjiv",
    "Long-tail learning via logit adjustment",
    "International Conference on Learning Representations",
    2021,
)
BALANCED_SOFTMAX = Reference(
    "ren2020balanced",
    "Ren, Jiawei and Yu, Cunjun and Sheng, Shunan and Ma, Xiao and Zhao, Haiyu and Yi, Shuai and Li, Hongsheng",
    "Balanced Meta-Softmax for Long-Tailed Visual Recognition",
    "Advances in Neural Information Processing Systems",
    2020,
)
DECOUPLING = Reference(
    "kang2020decoupling",
    "Kang, Bingyi and Xie, Saining and Rohrbach, Marcus and Yan, Zhicheng and Gordo, Albert and Feng, Jiashi and "
    "Kalantidis, Yannis",
    "Decoupling Representation and Classifier for Long-Tailed Recognition",
    "International Conference on Learning Representations",
    2020,
)
FOCAL = Reference(
    "lin2017focal",
    "Lin, Tsung-Yi and Goyal, Priya and Girshick, Ross and He, Kaiming and Doll{\\'a}r, Piotr",
    "Focal Loss for Dense Object Detection",
    "IEEE International Conference on Computer Vision",
    2017,
)
LDAM = Reference(
    "cao2019learning",
    "Cao, Kaidi and Wei, Colin and Gaidon, Adrien and Arechiga, Nikos and Ma, Tengyu",
    "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
    "Advances in Neural Information Processing Systems",
    2019,
)
SMOTE = Reference(
    "chawla2002smote",
    "Chawla, Nitesh V. and Bowyer, Kevin W. and Hall, Lawrence O. and Kegelmeyer, W. Philip",
    "SMOTE: Synthetic Minority Over-sampling Technique",
    "Journal of Artificial Intelligence Research",
    2002,
    kind="article",
)
