"""What is published of the datasets that come as archives: the archives themselves, and how many clips they hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Archive:
    """An official archive: its file name, where it is, and its md5 where that is known."""

    file: str
    url: str
    md5: str | None = None


@dataclass(frozen=True)
class Repack:
    """An archive of a mirror: its file name, its size in bytes, and its sha256."""

    file: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Mirror:
    """Copies of the official archives on the Hugging Face hub, packed anew, as one commit has them.

    Args:
        repo: the dataset repository, `owner/name`.
        revision: the commit, 40 hexadecimal digits.
        files: a repack of each official archive, in their order.
    """

    repo: str
    revision: str
    files: tuple[Repack, ...]


@dataclass(frozen=True)
class Published:
    """A dataset as its authors publish it.

    Args:
        archives: all that is needed, the clips first.
        lists: a pattern that the file names of the official lists match in full.
        classes: how many there are.
        splits: of each split, the clips for each use.
        clips: of each class, where known, its clips; their sum is that of any split.
        groups: pairs of class and source, over all clips.
        names: of the classes, in the order of the dataset's own list.
        mirror: where the archives can be had as well, if that is known.
    """

    archives: tuple[Archive, ...]
    lists: str
    classes: int
    splits: Mapping[int, Mapping[str, int]]
    groups: int
    names: tuple[str, ...]
    clips: Mapping[str, int] = field(default_factory=dict)
    mirror: Mirror | None = None


_SERRE = "https://serre-lab.clps.brown.edu/wp-content/uploads/2013/10"
_HMDB51_CLIPS = {
    "brush_hair": 107,
    "cartwheel": 107,
    "catch": 102,
    "chew": 109,
    "clap": 130,
    "climb": 108,
    "climb_stairs": 112,
    "dive": 127,
    "draw_sword": 103,
    "dribble": 145,
    "drink": 164,
    "eat": 108,
    "fall_floor": 136,
    "fencing": 116,
    "flic_flac": 107,
    "golf": 105,
    "handstand": 113,
    "hit": 127,
    "hug": 118,
    "jump": 151,
    "kick": 130,
    "kick_ball": 128,
    "kiss": 102,
    "laugh": 128,
    "pick": 106,
    "pour": 106,
    "pullup": 104,
    "punch": 126,
    "push": 116,
    "pushup": 103,
    "ride_bike": 103,
    "ride_horse": 116,
    "run": 232,
    "shake_hands": 162,
    "shoot_ball": 131,
    "shoot_bow": 112,
    "shoot_gun": 103,
    "sit": 142,
    "situp": 105,
    "smile": 102,
    "smoke": 109,
    "somersault": 140,
    "stand": 154,
    "swing_baseball": 143,
    "sword": 127,
    "sword_exercise": 127,
    "talk": 120,
    "throw": 102,
    "turn": 240,
    "walk": 548,
    "wave": 104,
}

HMDB51 = Published(
    archives=(
        Archive("hmdb51_org.rar", f"{_SERRE}/hmdb51_org.rar", "517d6f1f19f215c45cdd4d25356be1fb"),
        Archive("test_train_splits.rar", f"{_SERRE}/test_train_splits.rar", "15e67781e70dcfbdce2d7dbb9b3344b5"),
    ),
    lists=r".+_test_split[123]\.txt",
    classes=51,
    splits={split: {"train": 3570, "test": 1530, "unused": 1666} for split in (1, 2, 3)},
    groups=2291,
    names=tuple(_HMDB51_CLIPS),
    clips=_HMDB51_CLIPS,
    # Sizes and sha256 as in the pointers of this commit: huggingface.co/datasets/MichiganNLP/hmdb/commit/REVISION.
    mirror=Mirror(
        "MichiganNLP/hmdb",
        "16eb4625d3bf20255526e1327ee9e2ea32d66c82",
        (
            Repack("hmdb51_org.zip", 4246812958, "2d652f386debd04ae8f83508faacb959c03c9cbf1176fc76848b73cda4d52e57"),
            Repack("test_train_splits.zip", 222848, "12df0053bd9d570817edb10d2299030f43646969d5d42ff40200249b45ab2efa"),
        ),
    ),
)

_UCF101_CLASSES = """
    ApplyEyeMakeup ApplyLipstick Archery BabyCrawling BalanceBeam BandMarching BaseballPitch Basketball BasketballDunk
    BenchPress Biking Billiards BlowDryHair BlowingCandles BodyWeightSquats Bowling BoxingPunchingBag BoxingSpeedBag
    BreastStroke BrushingTeeth CleanAndJerk CliffDiving CricketBowling CricketShot CuttingInKitchen Diving Drumming
    Fencing FieldHockeyPenalty FloorGymnastics FrisbeeCatch FrontCrawl GolfSwing Haircut Hammering HammerThrow
    HandstandPushups HandstandWalking HeadMassage HighJump HorseRace HorseRiding HulaHoop IceDancing JavelinThrow
    JugglingBalls JumpingJack JumpRope Kayaking Knitting LongJump Lunges MilitaryParade Mixing MoppingFloor Nunchucks
    ParallelBars PizzaTossing PlayingCello PlayingDaf PlayingDhol PlayingFlute PlayingGuitar PlayingPiano PlayingSitar
    PlayingTabla PlayingViolin PoleVault PommelHorse PullUps Punch PushUps Rafting RockClimbingIndoor RopeClimbing
    Rowing SalsaSpin ShavingBeard Shotput SkateBoarding Skiing Skijet SkyDiving SoccerJuggling SoccerPenalty
    StillRings SumoWrestling Surfing Swing TableTennisShot TaiChi TennisSwing ThrowDiscus TrampolineJumping Typing
    UnevenBars VolleyballSpiking WalkingWithDog WallPushups WritingOnBoard YoYo
"""
_CRCV = "https://www.crcv.ucf.edu/data/UCF101"
UCF101 = Published(
    archives=(
        Archive("UCF101.rar", f"{_CRCV}/UCF101.rar"),
        Archive("UCF101TrainTestSplits-RecognitionTask.zip", f"{_CRCV}/UCF101TrainTestSplits-RecognitionTask.zip"),
    ),
    lists=r"classInd\.txt|(train|test)list0[123]\.txt",
    classes=101,
    splits={
        1: {"train": 9537, "test": 3783},
        2: {"train": 9586, "test": 3734},
        3: {"train": 9624, "test": 3696},
    },
    groups=2525,
    names=tuple(_UCF101_CLASSES.split()),
)

PUBLISHED: Mapping[str, Published] = {"hmdb51": HMDB51, "ucf101": UCF101}
