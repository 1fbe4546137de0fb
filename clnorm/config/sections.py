"""The sections of a run's configuration: every key in them, its default, what it means and what is legal."""

from dataclasses import dataclass

from clnorm.catalogue import AUGMENTATIONS, IMBALANCE, MIXES
from clnorm.catalogue.registry import Spec
from clnorm.config.fields import ContradictionError, Section, name_field, path_field, value_field

_BALANCED_LR = 0.1


@dataclass(frozen=True, kw_only=True)
class DataConfig(Section):
    """What a clip is, and where clips come from."""

    root: str | None = path_field(None, "folder of the videos and split files")
    clips: str | None = path_field(None, "table of the clips that the dataset must have, as a run leaves it")
    frames: int = value_field(16, "frames T taken from a clip at equal intervals", low=1, high=512, pretrained=8)
    keep: str = value_field(
        "T",
        "frames of each clip that the store keeps, at equal intervals, for data.jitter",
        words=("T", "2T", "all"),
        pretrained="2T",
    )
    jitter: bool = value_field(
        False,
        "in training, show a random frame of each of T equal segments, not the middle one",
        pretrained=True,
    )
    image_size: int = value_field(32, "height and width of a frame, in pixels", low=8, high=1024, pretrained=112)
    augment: Spec = name_field(AUGMENTATIONS, "none", "random changes of training clips", pretrained="light")
    mix: Spec = name_field(
        MIXES,
        "none",
        "mixing of the training clips of a batch, and of their targets",
        pretrained="mixup:alpha=0.8",
    )
    validation: float = value_field(
        0.0,
        "share of each class's training clips that are tested on instead of the test clips, as in tuning; sources stay "
        "whole",
        low=0.0,
        high=0.9,
    )
    skip_bad: bool = value_field(False, "leave out clips that cannot be decoded, and record it")
    workers: int = value_field(2, "threads that decode", low=1, high=256)
    decoder: str = value_field("cpu", "what decodes; the pixels of the two differ by rounding", words=("cpu", "cuda"))
    cache: str = value_field(
        "store", "keep decoded frames on the disk; none decodes each batch when it is read", words=("store", "none")
    )
    device_cache: bool | str = value_field(
        "auto", "all clips in the GPU's memory; auto where they take half of it at most", kind=bool, words=("auto",)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.jitter and self.keep == "T":
            what = "of T kept frames each is a segment of its own, so that there is nothing to draw from"
            raise ContradictionError(
                what, where="jitter", hint="use --set data.keep=2T, data.keep=all, or data.jitter=false"
            )
        if self.device_cache is True and self.cache == "none":
            raise ContradictionError(
                "with data.cache=none there is no store to keep", where="device_cache", legal="auto, false"
            )


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Section):
    """What the backbone starts from."""

    pretrained: bool = value_field(False, "download the backbone's ImageNet weights from timm's hub")
    weights: str | None = path_field(None, "file of pretrained weights, safetensors or a state dict")
    input: str = value_field(
        "auto",
        "mean and std of the input that the weights want; auto is what they state, else half",
        words=("auto", "half", "imagenet"),
    )
    calibrate: bool = value_field(False, "estimate the norms' running statistics on training clips before training")
    swap: str = value_field(
        "all",
        "norm sites that get the norm: all, or those of blocks that train, where train.freeze_blocks leaves the first "
        "ones the backbone's own",
        words=("all", "trained"),
    )


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Section):
    """How each experience is trained."""

    epochs: int = value_field(10, "passes over the clips of each experience", low=1, pretrained=15)
    experiences: int = value_field(0, "first experiences, which alone are trained, as in tuning; 0 is all", low=0)
    batch_size: int = value_field(16, "clips in a batch, those from memory included", low=1)
    accumulate: int = value_field(
        1, "pieces that a batch passes the model in, their gradients added up; norms by batch see a piece", low=1
    )
    forward: str = value_field(
        "joint",
        "clips of the memory pass the model in one forward with the current ones, or in one of their own, so that "
        "norms by batch have statistics of both, or of each",
        words=("joint", "separate"),
    )
    lr: float = value_field(2e-3, "peak learning rate of AdamW", low=0.0, pretrained=2.5e-4)
    head_scale: float = value_field(1.0, "learning rate of the head over train.lr", low=0.0, pretrained=10.0)
    motion_scale: float = value_field(
        1.0, "learning rate of the motion modules over train.lr", low=0.0, pretrained=10.0
    )
    layer_decay: float = value_field(
        1.0, "learning rate of a block over that of the block after it", low=0.0, high=1.0, pretrained=0.75
    )
    freeze_blocks: int = value_field(0, "first blocks, with all before them, that do not train", low=0)
    keep_frozen: bool = value_field(
        False, "compute what frozen blocks make of each clip once, and keep it in the cache for all runs alike"
    )
    weight_decay: float = value_field(0.05, "AdamW's weight decay, not on norms, biases and scalars", low=0.0)
    grad_clip: float = value_field(1.0, "most that the gradient's norm may be; 0 leaves it", low=0.0)
    warmup: float = value_field(0.1, "share of an experience's steps with rising learning rate", low=0.0, high=1.0)
    loss: str = value_field("seen", "classes in the cross-entropy: those seen so far, or all", words=("seen", "all"))
    label_smoothing: float = value_field(
        0.0, "share of the target spread over these classes", low=0.0, high=0.99, pretrained=0.1
    )
    imbalance: Spec = name_field(IMBALANCE, "none", "what is done about unequal classes, one thing at a time")
    balanced_epochs: int = value_field(
        0, "epochs of fine-tuning on the memory, all classes alike, after each experience but the first", low=0
    )
    balanced_lr: float = value_field(_BALANCED_LR, "peak learning rate of that fine-tuning over train.lr", low=0.0)
    ema: float = value_field(
        0.0,
        "decay of an average of the weights, which is what is evaluated; 0 is off",
        low=0.0,
        high=0.99999,
        pretrained=0.995,
    )
    precision: str = value_field(
        "fp32",
        "of the forward pass; fp16 scales its gradients and needs CUDA; auto is bf16 where the processor multiplies "
        "in it, else fp32, or fp16 on a GPU; see: clnorm time",
        words=("fp32", "bf16", "fp16", "auto"),
    )
    attention: str = value_field(
        "auto",
        "kernel; auto is explicit in bf16 on a CPU, else fused",
        words=("auto", "fused", "explicit"),
    )
    compile: bool | str = value_field("auto", "torch.compile; auto is off", kind=bool, words=("auto",))
    kernels: str = value_field(
        "torch",
        "what computes norms by statistics on a CPU; native is C++ that g++ compiles once",
        words=("torch", "native"),
    )
    checkpointing: bool = value_field(False, "compute activations again in the backward pass, to save memory")
    device: str = value_field("auto", "auto takes CUDA where there is a GPU", words=("auto", "cpu", "cuda"))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_kernels(self.device, where="kernels")  # a section's errors get its name
        if self.balanced_lr != _BALANCED_LR and not self.balanced_epochs:
            what = f"{self.balanced_lr:g} does nothing with train.balanced_epochs=0"
            raise ContradictionError(what, where="balanced_lr", hint="set train.balanced_epochs, or leave it out")

    def check_kernels(self, device: str, *, where: str = "train.kernels") -> None:
        """Refuse native passes where they would not be used; `device` may be `auto` still.

        Raises:
            UserError: they would not be.
        """
        if self.kernels == "native" and (device == "cuda" or self.compile is True):
            other = "train.device=cuda" if device == "cuda" else "train.compile=true"
            what = f"native is for a CPU without torch.compile, and would do nothing with {other}"
            raise ContradictionError(what, where=where, hint="use --set train.kernels=torch")


@dataclass(frozen=True, kw_only=True)
class EvalConfig(Section):
    """How the test clips are evaluated after each experience."""

    batch_size: int = value_field(64, "clips in an evaluation batch", low=1)
    unseen: bool = value_field(False, "evaluate experiences not yet trained too (needed for FWT)")
    plasticity: bool = value_field(
        False, "measure each norm site on a fixed batch of training clips, and keep it as plasticity.parquet"
    )
    nearest: str = value_field(
        "none",
        "predict by nearest class means too: those of the memory's exemplars (nme), of all training clips of the "
        "experiences so far (ncm), or both",
        words=("none", "exemplars", "all", "both"),
    )
    views: int = value_field(
        1, "views of a test clip, each with other frames of the store, whose softmax is averaged", low=1, high=64
    )
    every: int = value_field(
        0, "optimizer steps between two tests of the experiences so far, kept as steps.parquet; 0 is off", low=0
    )
    probe: bool = value_field(
        False, "after each experience fit a linear probe to the features of all training clips so far"
    )
    cka: bool = value_field(
        False, "compare the features of the test clips with those right after their experience, by linear CKA"
    )


@dataclass(frozen=True, kw_only=True)
class SaveConfig(Section):
    """What is kept of an unfinished run, to go on from, and of its beginning, for other runs that begin alike."""

    every_minutes: float = value_field(10.0, "minutes between two states within an experience; 0 keeps none", low=0.0)
    every_epochs: int = value_field(0, "epochs between two states within an experience; 0 keeps none", low=0)
    experiences: bool = value_field(False, "keep the state after every experience in the run's folder, for begin.run")
    prefixes: str = value_field(
        "first",
        "experiences after whose training the state is kept in the cache, for runs that are the same up to there",
        words=("none", "first", "all"),
    )
    prefixes_gb: float = value_field(8.0, "most GB of these; the least recently used go", low=0.0)


@dataclass(frozen=True, kw_only=True)
class BeginConfig(Section):
    """The run that this one branches off from."""

    run: str | None = path_field(None, "folder of a run with save.experiences=true, whose first experiences are taken")
    experience: int = value_field(2, "the first experience that is trained here, counted from 1", low=2)
