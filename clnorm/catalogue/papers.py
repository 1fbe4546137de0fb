"""The papers that things of the catalogue come from, as their docstrings cite them."""

from clnorm.catalogue.reference import Reference

LAYER_NORM = Reference(
    "ba2016layer",
    "Ba, Jimmy Lei and Kiros, Jamie Ryan and Hinton, Geoffrey E.",
    "Layer Normalization",
    "arXiv preprint arXiv:1607.06450",
    2016,
    kind="article",
)
RMS_NORM = Reference(
    "zhang2019root",
    "Zhang, Biao and Sennrich, Rico",
    "Root Mean Square Layer Normalization",
    "Advances in Neural Information Processing Systems",
    2019,
)
BATCH_NORM = Reference(
    "ioffe2015batch",
    "Ioffe, Sergey and Szegedy, Christian",
    "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift",
    "International Conference on Machine Learning",
    2015,
)
BATCH_RENORM = Reference(
    "ioffe2017batch",
    "Ioffe, Sergey",
    "Batch Renormalization: Towards Reducing Minibatch Dependence in Batch-Normalized Models",
    "Advances in Neural Information Processing Systems",
    2017,
)
GROUP_NORM = Reference(
    "wu2018group",
    "Wu, Yuxin and He, Kaiming",
    "Group Normalization",
    "European Conference on Computer Vision",
    2018,
)
INSTANCE_NORM = Reference(
    "ulyanov2016instance",
    "Ulyanov, Dmitry and Vedaldi, Andrea and Lempitsky, Victor",
    "Instance Normalization: The Missing Ingredient for Fast Stylization",
    "arXiv preprint arXiv:1607.08022",
    2016,
    kind="article",
)
SWITCHABLE_NORM = Reference(
    "luo2019differentiable",
    "Luo, Ping and Ren, Jiamin and Peng, Zhanglin and Zhang, Ruimao and Li, Jingyu",
    "Differentiable Learning-to-Normalize via Switchable Normalization",
    "International Conference on Learning Representations",
    2019,
)
CONTINUAL_NORM = Reference(
    "pham2022continual",
    "Pham, Quang and Liu, Chenghao and Hoi, Steven",
    "Continual Normalization: Rethinking Batch Normalization for Online Continual Learning",
    "International Conference on Learning Representations",
    2022,
)
TASK_BALANCED_BN = Reference(
    "cha2023rebalancing",
    "Cha, Sungmin and Cho, Sungjun and Hwang, Dasol and Hong, Sunwon and Lee, Moontae and Moon, Taesup",
    "Rebalancing Batch Normalization for Exemplar-based Class-Incremental Learning",
    "IEEE/CVF Conference on Computer Vision and Pattern Recognition",
    2023,
)
ADAPTIVE_BALANCED_BN = Reference(
    "lyu2023overcoming",
    "Lyu, Yilin and Wang, Liyuan and Zhang, Xingxing and Sun, Zicheng and Su, Hang and Zhu, Jun and Jing, Liping",
    "Overcoming Recency Bias of Normalization Statistics in Continual Learning: Balance and Adaptation",
    "Advances in Neural Information Processing Systems",
    2023,
)
PROGRESSIVE_BN = Reference(
    "guo2024slab",
    "Guo, Jialong and Chen, Xinghao and Tang, Yehui and Wang, Yunhe",
    "SLAB: Efficient Transformers with Simplified Linear Attention and Progressive Re-parameterized "
    "Batch Normalization",
    "International Conference on Machine Learning",
    2024,
)
DYNAMIC_TANH = Reference(
    "zhu2025transformers",
    "Zhu, Jiachen and Chen, Xinlei and He, Kaiming and LeCun, Yann and Liu, Zhuang",
    "Transformers without Normalization",
    "IEEE/CVF Conference on Computer Vision and Pattern Recognition",
    2025,
)
DYNAMIC_ERF = Reference(
    "chen2025stronger",
    "Chen, Mingzhi and Lu, Taiming and Zhu, Jiachen and Sun, Mingjie and Liu, Zhuang",
    "Stronger Normalization-Free Transformers",
    "arXiv preprint arXiv:2512.10938",
    2025,
    kind="article",
)
EWC = Reference(
    "kirkpatrick2017overcoming",
    "Kirkpatrick, James and others",
    "Overcoming catastrophic forgetting in neural networks",
    "Proceedings of the National Academy of Sciences",
    2017,
    kind="article",
)
ER_ACE = Reference(
    "caccia2022new",
    "Caccia, Lucas and Aljundi, Rahaf and Asadi, Nader and Tuytelaars, Tinne and Pineau, Joelle and Belilovsky, Eugene",
    "New Insights on Reducing Abrupt Representation Change in Online Continual Learning",
    "International Conference on Learning Representations",
    2022,
)
DER = Reference(
    "buzzega2020dark",
    "Buzzega, Pietro and Boschini, Matteo and Porrello, Angelo and Abati, Davide and Calderara, Simone",
    "Dark Experience for General Continual Learning: a Strong, Simple Baseline",
    "Advances in Neural Information Processing Systems",
    2020,
)
AGEM = Reference(
    "chaudhry2019efficient",
    "Chaudhry, Arslan and Ranzato, Marc'Aurelio and Rohrbach, Marcus and Elhoseiny, Mohamed",
    "Efficient Lifelong Learning with A-GEM",
    "International Conference on Learning Representations",
    2019,
)
ICARL = Reference(
    "rebuffi2017icarl",
    "Rebuffi, Sylvestre-Alvise and Kolesnikov, Alexander and Sperl, Georg and Lampert, Christoph H.",
    "iCaRL: Incremental Classifier and Representation Learning",
    "IEEE Conference on Computer Vision and Pattern Recognition",
    2017,
)
GDUMB = Reference(
    "prabhu2020gdumb",
    "Prabhu, Ameya and Torr, Philip H. S. and Dokania, Puneet K.",
    "GDumb: A Simple Approach that Questions Our Progress in Continual Learning",
    "European Conference on Computer Vision",
    2020,
)
NCM = Reference(
    "mensink2013distance",
    "Mensink, Thomas and Verbeek, Jakob and Perronnin, Florent and Csurka, Gabriela",
    "Distance-Based Image Classification: Generalizing to New Classes at Near-Zero Cost",
    "IEEE Transactions on Pattern Analysis and Machine Intelligence",
    2013,
    kind="article",
)
SLDA = Reference(
    "hayes2020lifelong",
    "Hayes, Tyler L. and Kanan, Christopher",
    "Lifelong Machine Learning with Deep Streaming Linear Discriminant Analysis",
    "IEEE/CVF Conference on Computer Vision and Pattern Recognition Workshops",
    2020,
)
RANPAC = Reference(
    "mcdonnell2023ranpac",
    "McDonnell, Mark D. and Gong, Dong and Parvaneh, Amin and Abbasnejad, Ehsan and van den Hengel, Anton",
    "RanPAC: Random Projections and Pre-trained Models for Continual Learning",
    "Advances in Neural Information Processing Systems",
    2023,
)
ONLINE_EWC = Reference(
    "schwarz2018progress",
    "Schwarz, Jonathan and Czarnecki, Wojciech and Luketina, Jelena and Grabska-Barwinska, Agnieszka and "
    "Teh, Yee Whye and Pascanu, Razvan and Hadsell, Raia",
    "Progress & Compress: A scalable framework for continual learning",
    "International Conference on Machine Learning",
    2018,
)
SI = Reference(
    "zenke2017continual",
    "Zenke, Friedemann and Poole, Ben and Ganguli, Surya",
    "Continual Learning Through Synaptic Intelligence",
    "International Conference on Machine Learning",
    2017,
)
MAS = Reference(
    "aljundi2018memory",
    "Aljundi, Rahaf and Babiloni, Francesca and Elhoseiny, Mohamed and Rohrbach, Marcus and Tuytelaars, Tinne",
    "Memory Aware Synapses: Learning what (not) to forget",
    "European Conference on Computer Vision",
    2018,
)
LWF = Reference(
    "li2016learning",
    "Li, Zhizhong and Hoiem, Derek",
    "Learning without Forgetting",
    "European Conference on Computer Vision",
    2016,
)
L2_INIT = Reference(
    "kumar2023maintaining",
    "Kumar, Saurabh and Marklund, Henrik and Van Roy, Benjamin",
    "Maintaining Plasticity in Continual Learning via Regenerative Regularization",
    "arXiv preprint arXiv:2308.11958",
    2023,
    kind="article",
)
HMDB51 = Reference(
    "kuehne2011hmdb",
    "Kuehne, Hilde and Jhuang, Hueihan and Garrote, Estibaliz and Poggio, Tomaso and Serre, Thomas",
    "HMDB: A Large Video Database for Human Motion Recognition",
    "International Conference on Computer Vision",
    2011,
)
UCF101 = Reference(
    "soomro2012ucf101",
    "Soomro, Khurram and Zamir, Amir Roshan and Shah, Mubarak",
    "UCF101: A Dataset of 101 Human Actions Classes From Videos in The Wild",
    "arXiv preprint arXiv:1212.0402",
    2012,
    kind="article",
)
TCD = Reference(
    "park2021class",
    "Park, Jaeyoo and Kang, Minsoo and Han, Bohyung",
    "Class-Incremental Learning for Action Recognition in Videos",
    "IEEE/CVF International Conference on Computer Vision",
    2021,
)
VCLIMB = Reference(
    "villa2022vclimb",
    "Villa, Andr{\\'e}s and others",
    "vCLIMB: A Novel Video Class Incremental Learning Benchmark",
    "IEEE/CVF Conference on Computer Vision and Pattern Recognition",
    2022,
)
RESNET = Reference(
    "he2016deep",
    "He, Kaiming and Zhang, Xiangyu and Ren, Shaoqing and Sun, Jian",
    "Deep Residual Learning for Image Recognition",
    "IEEE Conference on Computer Vision and Pattern Recognition",
    2016,
)
GEM = Reference(
    "lopezpaz2017gradient",
    "Lopez-Paz, David and Ranzato, Marc'Aurelio",
    "Gradient Episodic Memory for Continual Learning",
    "Advances in Neural Information Processing Systems",
    2017,
)
THREE_TYPES = Reference(
    "vandeven2022three",
    "van de Ven, Gido M. and Tuytelaars, Tinne and Tolias, Andreas S.",
    "Three types of incremental learning",
    "Nature Machine Intelligence",
    2022,
    kind="article",
)
RAINBOW = Reference(
    "bang2021rainbow",
    "Bang, Jihwan and Kim, Heesu and Yoo, YoungJoon and Ha, Jung-Woo and Choi, Jonghyun",
    "Rainbow Memory: Continual Learning with a Memory of Diverse Samples",
    "IEEE/CVF Conference on Computer Vision and Pattern Recognition",
    2021,
)
LSVIT = Reference(
    "chen2024lsvit",
    "Chen, Dong and Wu, Peisong and Chen, Mingdong and Wu, Mengtao and Zhang, Tao and Li, Chuanqi",
    "LS-VIT: Vision Transformer for action recognition based on long and short-term temporal difference",
    "Frontiers in Neurorobotics",
    2024,
    kind="article",
)
VIT = Reference(
    "dosovitskiy2021image",
    "Dosovitskiy, Alexey and others",
    "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale",
    "International Conference on Learning Representations",
    2021,
)
REPLAY = Reference(
    "chaudhry2019tiny",
    "Chaudhry, Arslan and Rohrbach, Marcus and Elhoseiny, Mohamed and Ajanthan, Thalaiyasingam and "
    "Dokania, Puneet K. and Torr, Philip H. S. and Ranzato, Marc'Aurelio",
    "On Tiny Episodic Memories in Continual Learning",
    "arXiv preprint arXiv:1902.10486",
    2019,
    kind="article",
)
