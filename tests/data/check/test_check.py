"""`clnorm data check`: what a dataset lacks, has too much of, or shares between its splits."""

import json
import shutil
from pathlib import Path

import pytest

from clnorm.catalogue import DATASETS
from clnorm.cli.main import main
from clnorm.data.check.check import check_dataset
from clnorm.data.datasets.hmdb51 import parse_group
from clnorm.data.datasets.published import HMDB51, UCF101

TAGS = "f_cm_np1_le_bad"
TOY = {label: {f"s{k}_{label}_{TAGS}_0.avi": 1 + k % 2 for k in range(4)} for label in ("dive", "wave")}


def check(root: Path, dataset: str = "hmdb51"):
    return check_dataset(DATASETS.parse(dataset), root)


@pytest.fixture
def toy(tmp_path, write_layout) -> Path:
    root = write_layout(tmp_path / "toy", TOY)
    for label in TOY:
        for split in (2, 3):
            shutil.copy(
                root / "splits" / f"{label}_test_split1.txt", root / "splits" / f"{label}_test_split{split}.txt"
            )
    return root


def test_the_published_figures_are_those_of_the_official_lists(official):
    survey = check(official)
    assert survey.problems == survey.notes == []
    assert {row.name: row.clips for row in survey.classes} == HMDB51.clips
    assert sum(HMDB51.clips.values()) == survey.total("clips") == 6766
    assert survey.splits == HMDB51.splits
    assert (survey.total("train"), survey.total("test"), survey.total("unused")) == (3570, 1530, 1666)
    names = {
        (row.name, parse_group(clip.name, row.name, where=official))
        for row in survey.classes
        for clip in (official / "videos" / row.name).iterdir()
    }
    assert survey.total("groups") == HMDB51.groups == len(names)


def test_ucf101s_splits_hold_every_clip():
    assert {sum(uses.values()) for uses in UCF101.splits.values()} == {13320}


@pytest.mark.slow
def test_options_that_move_clips_are_counted(official):
    (note,) = check(official, "hmdb51:train_plus=true").notes
    assert note == "runs on hmdb51:train_plus=true: 4,777 train, 1,530 test, 459 unused"
    (note,) = check(official, "hmdb51:imbalance=10").notes
    assert note.endswith("1,530 test, " + note.rpartition(" test, ")[2])
    assert int(note.split()[3].replace(",", "")) < 3570


def test_a_subset_of_classes_is_legal_and_said(official, tmp_path):
    root = tmp_path / "part"
    shutil.copytree(official / "splits", root / "splits")
    for label in ("walk", "wave"):
        shutil.copytree(official / "videos" / label, root / "videos" / label)
    survey = check(root)
    assert survey.problems == []
    (note,) = survey.notes
    assert note.startswith("a subset: 2 of 51 classes; missing: brush_hair, cartwheel,")
    assert survey.splits[2] == {"train": 140, "test": 60, "unused": 548 + 104 - 200}


def test_classes_of_another_dataset_are_foreign_and_no_subset(tmp_path, write_layout):
    clips = {label: {f"s{k}_{label}_{TAGS}_0.avi": 1 for k in range(2)} for label in ("dive", "juggle", "yawn")}
    some = ["a subset: 1 of 51 classes", "not the published lists: 1 class is smaller (dive 2 of 127)"]
    for name, labels, notes in [("all", ["juggle", "yawn"], []), ("some", clips, some)]:
        root = write_layout(tmp_path / name, {label: clips[label] for label in labels})
        for label in labels:
            for split in (2, 3):
                text = (root / "splits" / f"{label}_test_split1.txt").read_text()
                (root / "splits" / f"{label}_test_split{split}.txt").write_text(text)
        survey = check(root)
        assert survey.problems == ["2 classes not of the 51 published: juggle, yawn"]
        assert [note.partition(";")[0] for note in survey.notes] == notes


@pytest.mark.slow
def test_a_foreign_class_beside_all_published_ones(official, tmp_path):
    root = shutil.copytree(official, tmp_path / "more")
    (root / "videos" / "yawn").mkdir()
    (root / "videos" / "yawn" / f"s_yawn_{TAGS}_0.avi").write_bytes(b"x")
    for split in (1, 2, 3):
        (root / "splits" / f"yawn_test_split{split}.txt").write_text(f"s_yawn_{TAGS}_0.avi 1 \n")
    survey = check(root)
    assert survey.problems == ["1 class not of the 51 published: yawn"]
    assert survey.notes == []


def test_lists_of_fewer_clips_are_legal_and_said(shared_data):
    survey = check(shared_data / "data" / "hmdb21")
    assert survey.problems == []
    assert "not the published lists: 21 classes are smaller (brush_hair 41 of 107" in survey.notes[1]
    assert (survey.total("clips"), survey.total("train"), survey.total("test")) == (922, 665, 257)


def test_missing_superfluous_empty_and_unreadable_clips_are_named(toy):
    dive = toy / "videos" / "dive"
    (dive / f"s0_dive_{TAGS}_0.avi").unlink()
    (dive / "extra.avi").write_bytes(b"x")
    (dive / f"s1_dive_{TAGS}_0.avi").write_bytes(b"")
    assert check(toy).problems == [
        f"dive: 1 clip ('s0_dive_{TAGS}_0.avi') in the lists but not on disk",
        "dive: 1 clip ('extra.avi') on disk but not in the lists",
        f"dive: 1 clip ('s1_dive_{TAGS}_0.avi') empty",
        "dive: 1 clip ('extra.avi') of no readable source",
    ]


def test_a_mirrors_names_are_no_problem(toy):
    for split in (1, 2, 3):
        file = toy / "splits" / f"dive_test_split{split}.txt"
        file.write_text(file.read_text().replace("s0_", "s#0&_"))
    clip = toy / "videos" / "dive" / f"s0_dive_{TAGS}_0.avi"
    clip.rename(clip.with_name(f"s@0@_dive_{TAGS}_0.avi"))
    survey = check(toy)
    assert survey.problems == []
    assert survey.classes[0].groups == 4


def test_lists_that_disagree_or_are_missing_are_named(toy):
    (toy / "splits" / "wave_test_split3.txt").unlink()
    file = toy / "splits" / "dive_test_split2.txt"
    file.write_text("".join(line for line in file.read_text().splitlines(keepends=True) if "s0_" not in line))
    problems = check(toy).problems
    assert f"dive: 1 clip ('s0_dive_{TAGS}_0.avi') not in the list of split 2" in problems
    assert "wave: no list of split 3 names this class" in problems
    assert len(problems) == 2


def test_a_source_in_training_and_in_testing_is_named(toy):
    for split in (1, 2, 3):
        file = toy / "splits" / f"dive_test_split{split}.txt"
        file.write_text(file.read_text() + f"s0_dive_{TAGS}_9.avi 2 \n")
    (toy / "videos" / "dive" / f"s0_dive_{TAGS}_9.avi").write_bytes(b"x")
    assert check(toy).problems == [
        f"dive: sources in training and in testing of split {split}: s0" for split in (1, 2, 3)
    ]


def test_more_clips_than_published_are_wrong(official, tmp_path):
    root = tmp_path / "more"
    shutil.copytree(official / "splits", root / "splits")
    shutil.copytree(official / "videos" / "wave", root / "videos" / "wave")
    for split in (1, 2, 3):
        with (root / "splits" / f"wave_test_split{split}.txt").open("a") as file:
            file.write(f"new_wave_{TAGS}_0.avi 0 \n")
    (root / "videos" / "wave" / f"new_wave_{TAGS}_0.avi").write_bytes(b"x")
    assert check(root).problems == ["wave: 105 clips, where 104 are published"]


def test_a_folder_without_anything(tmp_path):
    assert "there is no class folder" in check(tmp_path).problems[0]
    assert "there is no class folder" in check(tmp_path, "folder").problems[0]


def test_what_is_missing_is_not_named_where_no_list_tells(tmp_path):
    (tmp_path / "Diving").mkdir()
    (tmp_path / "Diving" / "v_Diving_g01_c01.avi").write_bytes(b"x")
    assert check(tmp_path, "ucf101").notes == ["a subset: 1 of 101 classes"]


def test_a_listed_folder_and_what_the_list_leaves_out(tmp_path):
    for name in ("a", "b", "c", "d"):
        (tmp_path / f"{name}.mp4").write_bytes(b"x")
    (tmp_path / "clips.csv").write_text("path,label,split,group\na.mp4,x,train,1\nb.mp4,x,test,2\nc.mp4,x,unused,3\n")
    survey = check(tmp_path, "folder")
    assert survey.problems == ["1 clip ('d.mp4') on disk but not in clips.csv"]
    assert [(row.name, row.clips, row.groups, row.train, row.test, row.unused) for row in survey.classes] == [
        ("x", 3, 3, 1, 1, 1)
    ]


def test_the_command_prints_a_table_or_json_and_exits_by_what_it_found(toy, write_video, capsys):
    for clip in toy.glob("videos/*/*"):
        write_video(clip, [40, 80])
    arguments = ["data", "check", "hmdb51", "--data-root", str(toy)]
    assert main(arguments) == 0
    output = capsys.readouterr().out
    said = "nothing is wrong in: names, sizes and headers of 8 clips; not decoded (--decode reads every frame)\n"
    assert output.endswith(said)
    assert [line.split("│")[1:4] for line in output.splitlines() if "dive" in line and "│" in line] == [
        [" dive      ", "     4 ", "      4 "]
    ]
    (toy / "videos" / "dive" / f"s0_dive_{TAGS}_0.avi").unlink()
    assert main([*arguments, "--json"]) == 1
    output = capsys.readouterr()
    survey = json.loads(output.out)
    assert (survey["clips"], survey["classes"][0]["clips"], len(survey["problems"])) == (7, 3, 1)
    assert (survey["opened"], survey["decoded"], "files" in survey) == (7, None, False)
    assert survey["problems"][0].startswith("dive: 1 clip")
    assert f"error: {toy}: 1 thing is wrong; what it is stands under 'problems'" in output.err
    assert main(arguments) == 1
    output = capsys.readouterr()
    assert f"error: {toy}: 1 thing is wrong; what it is stands above, after 'wrong:'" in output.err
    assert (output.out + output.err).count("in the lists but not on disk") == 1
    for dataset in ("hmdb51", "ucf101", "folder"):
        assert main(["data", "check", dataset]) == 2
        output = capsys.readouterr()
        assert (output.out, output.err.count("pass --data-root")) == ("", 1)


def test_where_nothing_can_be_read_the_reason_stands_once_and_no_clip_was_looked_at(tmp_path, capsys):
    (tmp_path / "golf").mkdir()
    (tmp_path / "golf" / "a.avi").write_bytes(b"x")
    (tmp_path / "clips.csv").write_text("path,label\ngolf/gone.avi,golf\n")
    assert main(["data", "check", "folder", str(tmp_path)]) == 1
    output = capsys.readouterr()
    assert (output.out + output.err).count("gone.avi") == 1
    assert output.out.startswith("wrong: ")
    assert output.out.endswith("no clip was looked at\n")


def test_files_that_are_no_videos_are_named_as_prepare_names_them(tmp_path, capsys):
    for label in ("dive", "golf"):
        (tmp_path / label).mkdir()
        for k in range(3):
            (tmp_path / label / f"{k}.avi").write_bytes(b"x")
    assert not [note for note in check(tmp_path, "folder").notes if "suffix" in note]
    (tmp_path / "golf" / "notes.txt").touch()
    said = "no videos by their suffix, and left out: 1 file ('golf/notes.txt')"
    assert said in check(tmp_path, "folder").notes
    assert main(["data", "prepare", "folder", str(tmp_path)]) == 0
    assert said in " ".join(capsys.readouterr().err.split())
    assert said in check(tmp_path, "folder").notes


def test_lists_are_said_to_be_others_by_what_they_name_and_not_by_what_is_on_disk(official, tmp_path):
    root = tmp_path / "part"
    shutil.copytree(official / "splits", root / "splits")
    shutil.copytree(official / "videos" / "wave", root / "videos" / "wave")
    next((root / "videos" / "wave").iterdir()).unlink()
    survey = check(root)
    assert len(survey.problems) == 1
    assert not [note for note in survey.notes if "published" in note]


def test_copies_in_another_container_are_counted_and_said(toy):
    for file in list(toy.glob("videos/dive/*.avi")):
        file.rename(file.with_suffix(".mp4"))
    survey = check(toy)
    assert survey.problems == []
    assert survey.substituted == survey.to_dict()["substituted"] == {".mp4 for .avi": 4}
    assert "4 with .mp4 for .avi; copies in another container" in survey.notes[0]
    assert survey.classes[0].groups == 4
    clip = toy / "videos" / "dive" / f"s0_dive_{TAGS}_0.mp4"
    shutil.copy(clip, clip.with_suffix(".mkv"))
    first = check(toy).problems[0]
    assert first == f"dive: 2 clips ('s0_dive_{TAGS}_0.mkv', 's0_dive_{TAGS}_0.mp4') of one name but for the suffix"


def test_a_group_of_several_classes_counts_once_in_the_last_row(tmp_path, capsys):
    rows = ["path,label,split,group"]
    for label in ("run", "walk"):
        (tmp_path / label).mkdir()
        for subject, split in (("anna", "train"), ("ben", "test")):
            (tmp_path / label / f"{subject}.avi").write_bytes(b"x")
            rows.append(f"{label}/{subject}.avi,{label},{split},{subject}")
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    survey = check(tmp_path, "folder")
    assert [row.groups for row in survey.classes] == [2, 2]
    assert survey.sources == 2
    main(["data", "check", "folder", "--data-root", str(tmp_path)])  # which finds that no video is one
    (last,) = (line for line in capsys.readouterr().out.splitlines() if "2 classes" in line)
    assert [cell.strip() for cell in last.split("│")[1:4]] == ["2 classes", "4", "2"]
