"""The synthetic dataset: its files, its splits, and that nothing but the cue tells its classes apart."""

import hashlib
from collections import Counter

import numpy as np
import pytest
from scipy.stats import chi2_contingency
from torchcodec.decoders import VideoDecoder

from clnorm.catalogue import DATASETS
from clnorm.data.datasets import hmdb51
from clnorm.data.synthetic import reader as synthetic
from clnorm.data.synthetic import render
from clnorm.data.synthetic.motions import list_motions, reversed_motion
from clnorm.data.synthetic.plan import Options, count_train, list_classes, plan_clips, plan_split
from clnorm.data.synthetic.shapes import list_shapes
from clnorm.errors import ClnormError, UserError
from clnorm.seeding import numpy_generator

SMALL = {"classes": 3, "train": 6, "test": 3, "cues": "both", "imbalance": 1.0, "variant": 0}


def options(**changes) -> Options:
    return Options(**{**SMALL, **changes})


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CLNORM_CACHE", str(tmp_path))
    return tmp_path / "synthetic"


@pytest.fixture(scope="module")
def table():
    """Split 1 of the small dataset, in the tests' cache."""
    return synthetic.read(None, **SMALL)


def contents(table) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in table.paths()]


def test_clips_are_as_many_as_asked_for(table):
    assert table.classes == tuple(sorted(name for name, _, _ in list_classes("both")[:3]))
    assert np.bincount(table.labels[table.train_ids]).tolist() == [6, 6, 6]
    assert np.bincount(table.labels[table.test_ids]).tolist() == [3, 3, 3]
    assert len(table) == 27


def test_the_folder_is_laid_out_like_hmdb51(table):
    """Names, tags and split lines are official enough that the reader alone, on all three splits, is satisfied."""
    for split in (1, 2, 3):
        again = hmdb51.read(table.root, split=split)
        assert (len(again.train_ids), len(again.test_ids)) == (18, 9)
    lines = (table.root / "splits" / "bob_fast_test_split1.txt").read_text().splitlines()
    assert len(lines) == 9
    assert all(line.endswith((".avi 1 ", ".avi 2 ")) for line in lines)
    assert not [path for path in table.root.rglob("*") if path.suffix not in (".avi", ".txt", "")]


def test_files_hold_the_frames_that_were_rendered(table):
    planned = {file.name: file for file in plan_clips(options())}
    assert planned.keys() == {path.name for path in table.paths()}
    for path in table.paths()[::7]:
        file, decoder = planned[path.name], VideoDecoder(path, seek_mode="exact")
        decoded, rendered = decoder[:].numpy(), render.render(file.clip, file.look)
        assert decoder.metadata.average_fps == pytest.approx(30)
        assert decoded.shape == rendered.shape == (file.clip.frames, 3, 64, 64)
        assert np.abs(decoded.astype(int) - rendered).mean() < 4


@pytest.mark.slow
def test_a_second_reading_makes_nothing_and_a_second_making_makes_the_same(table, cache):
    told = []
    assert contents(synthetic.read(None, **SMALL, progress=lambda done, total: told.append((done, total)))) == contents(
        table
    )
    assert told == [(done, 27) for done in range(1, 28)]
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    synthetic.read(None, **SMALL, progress=lambda *_: pytest.fail("it was made again"))
    assert before == {path: path.stat().st_mtime_ns for path in cache.rglob("*")}


def test_every_option_changes_the_folder(cache, monkeypatch):
    monkeypatch.setattr(synthetic, "_write", lambda folder, *_: folder.mkdir())
    monkeypatch.setattr(hmdb51, "read", lambda root: root)
    monkeypatch.setattr(synthetic, "replace", lambda table, **_: table)
    base = {"classes": 2, "train": 2, "test": 1, "cues": "both", "imbalance": 1.0, "variant": 0}
    changes = {"classes": 3, "train": 3, "test": 2, "cues": "shape", "imbalance": 2.0, "variant": 1}
    folders = {synthetic.read(None, **base)} | {synthetic.read(None, **{**base, k: v}) for k, v in changes.items()}
    assert len(folders) == 7


def test_an_interrupted_making_leaves_no_dataset_and_is_begun_again(cache, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(
            synthetic, "_write_clip", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
        )
        with pytest.raises(ClnormError, match="No space left"):
            synthetic.read(None, **SMALL)
    assert [path.suffix for path in cache.iterdir() if path.is_dir()] == [".unfinished"]
    assert len(synthetic.read(None, **SMALL)) == 27
    assert [path.suffix for path in cache.iterdir() if path.is_dir()] == [""]


def test_a_root_is_refused(tmp_path):
    with pytest.raises(UserError, match="makes its own clips"):
        synthetic.read(tmp_path, **SMALL)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("classes", 1),
        ("classes", 52),
        ("train", 1),
        ("test", 0),
        ("cues", "colour"),
        ("imbalance", 0.5),
        ("variant", -1),
    ],
)
def test_options_out_of_range_are_refused(option, value):
    with pytest.raises(UserError, match=f"'{option}'"):
        options(**{option: value})


def test_an_imbalance_that_empties_a_class_is_refused():
    with pytest.raises(UserError, match="without a training clip"):
        options(train=10, imbalance=11.0)
    assert count_train(options(train=10, imbalance=10.0)) == [10, 3, 1]


def test_the_catalogue_describes_all_options():
    assert set(SMALL) == set(DATASETS.get("synthetic").options)


def test_training_clips_fall_geometrically_and_test_clips_do_not():
    chosen = options(classes=5, train=48, test=6, imbalance=16.0)
    assert count_train(chosen) == [48, 24, 12, 6, 3]
    files = plan_clips(chosen)
    tests = plan_split(chosen, files, split=2)
    held = Counter((file.label, test) for file, test in zip(files, tests, strict=True))
    assert [held[name, False] for name, _, _ in list_classes("both")[:5]] == [48, 24, 12, 6, 3]
    assert [held[name, True] for name, _, _ in list_classes("both")[:5]] == [6] * 5


@pytest.mark.parametrize("split", [1, 2, 3])
@pytest.mark.parametrize("size", [{"train": 40, "test": 16}, {"train": 2, "test": 1}, {"train": 3, "test": 16}])
def test_no_source_of_a_class_is_on_both_sides(split, size):
    chosen = options(classes=6, **size)
    files = plan_clips(chosen)
    tests = plan_split(chosen, files, split=split)
    sides = {(file.label, file.source): set() for file in files}
    for file, test in zip(files, tests, strict=True):
        sides[file.label, file.source].add(test)
    assert all(len(side) == 1 for side in sides.values())
    trained = Counter(label for (label, _), side in sides.items() if side == {False})
    assert all(trained[name] >= 2 for name, _, _ in list_classes("both")[:6]), "none left to validate on"


def test_splits_differ_and_some_sources_are_shared_between_classes():
    chosen = options(classes=6, train=20, test=8)
    files = plan_clips(chosen)
    splits = [plan_split(chosen, files, split=split) for split in (1, 2, 3)]
    assert splits[0] != splits[1] != splits[2] != splits[0]
    homes = {}
    for file, test in zip(files, splits[0], strict=True):
        homes.setdefault(file.source, set()).add((file.label, test))
    shared = [home for home in homes.values() if len({label for label, _ in home}) > 1]
    assert 0 < len(shared) < len(homes) / 2
    assert any({test for _, test in home} == {True, False} for home in shared)


def test_clips_of_one_source_share_its_look_and_nothing_else():
    by_source = {}
    for file in plan_clips(options(train=20)):
        by_source.setdefault(file.source, []).append(file)
    looks = {source: files[0].look for source, files in by_source.items()}
    assert len({look.actor.tobytes() for look in looks.values()}) == len(looks)
    for source, files in by_source.items():
        assert {file.look.background.tobytes() for file in files} == {looks[source].background.tobytes()}
        assert len({file.clip.variation for file in files}) == len(files)
    assert {len(files) for files in by_source.values() if files[0].source.startswith("film")} <= {1, 2, 3, 4}


def test_some_clips_are_shorter_than_16_frames():
    frames = [file.clip.frames for file in plan_clips(options(classes=10, train=40))]
    assert min(frames) >= 12
    assert max(frames) <= 40
    assert 0.05 < np.mean(np.array(frames) < 16) < 0.2


def test_every_draw_comes_from_the_variant():
    def first(variant: int) -> np.ndarray:
        file = plan_clips(options(variant=variant))[0]
        return render.render(file.clip, file.look)

    np.random.seed(0)  # noqa: NPY002 - the global generator is what must not matter
    one = first(0)
    np.random.seed(1)  # noqa: NPY002
    assert np.array_equal(one, first(0))
    assert not np.array_equal(one, first(1))


def test_class_names_follow_the_cue_and_51_classes_are_different():
    for cues in ("motion", "shape", "both"):
        classes = list_classes(cues)
        assert len({name for name, _, _ in classes}) == len(classes) == 51
        assert all((motion is None) == (cues == "shape") and (shape is None) == (cues == "motion")
                   for _, motion, shape in classes)  # fmt: skip
    assert len({motion for _, motion, _ in list_classes("both")}) == 51
    assert len({shape for _, _, shape in list_classes("both")}) == 51


def test_direction_leaves_only_pairs_of_reversals():
    classes = list_classes("direction")
    assert len({name for name, _, _ in classes}) == 28
    for (first, _, shape), (second, _, _) in zip(classes[::2], classes[1::2], strict=True):
        assert (reversed_motion(first), reversed_motion(second), shape) == (second, first, None)
    with pytest.raises(UserError, match=r"30 classes with cues=direction.*at most 28"):
        options(cues="direction", classes=30)


@pytest.mark.parametrize(("cues", "free"), [("motion", "shape"), ("shape", "motion")])
def test_what_is_no_cue_is_independent_of_the_class(cues, free):
    files = plan_clips(options(cues=cues, classes=4, train=300, test=1))
    values = {value: k for k, value in enumerate(list_shapes() if free == "shape" else list_motions())}
    labels = {label: k for k, label in enumerate(dict.fromkeys(file.label for file in files))}
    counts = np.zeros((len(labels), len(values)))
    for file in files:
        counts[labels[file.label], values[getattr(file.clip, free)]] += 1
    assert (counts.sum(axis=0) > 0).all()
    assert chi2_contingency(counts).pvalue > 0.001
    assert all(len({getattr(f.clip, cues) for f in files if f.label == label}) == 1 for label in labels)


def test_both_cues_name_the_class():
    files = plan_clips(options(train=10))
    for label in {file.label for file in files}:
        assert len({(file.clip.motion, file.clip.shape) for file in files if file.label == label}) == 1


def test_colour_and_background_are_no_cue():
    """A linear probe of colours, fitted to one half of the sources, knows nothing of the other half's class."""
    files = plan_clips(options(classes=4, train=400, test=1))
    looks = {(file.label, file.source): file.look for file in files}
    colours = np.array([[*look.actor, *look.background.ravel(), 1.0] for look in looks.values()])
    labels = np.unique([label for label, _ in looks], return_inverse=True)[1]
    weights = np.linalg.lstsq(colours[::2], np.eye(4)[labels[::2]], rcond=None)[0]
    assert np.mean((colours[1::2] @ weights).argmax(axis=1) == labels[1::2]) < 0.4


def test_the_actor_stands_out_from_its_background():
    rng = numpy_generator(0, "test looks")
    for look in (render.draw_look(rng) for _ in range(500)):
        assert look.actor @ render.LUMA - (look.background @ render.LUMA).max() > 0.3
        assert look.waves[:, 3].sum() == pytest.approx(1)
