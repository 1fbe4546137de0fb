"""What archives may hold: more is refused before anything is written or run, and taken where the limit is raised."""

import hashlib
import re
import struct
import zipfile
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clnorm.cli.main import main
from clnorm.data.prepare import rar
from clnorm.data.prepare.archive import name_archive_errors, open_archive
from clnorm.data.prepare.limits import Limits, Tally, parse_limits
from clnorm.errors import ClnormError, UserError

LIST = "a.avi 1\nb.avi 2\n"


def make_zip(path: Path, files: dict[str, bytes | str], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def refuse(path: Path, **limits: int) -> str:
    with (
        pytest.raises(UserError) as error,
        open_archive(path, scratch=path.parent, tally=Tally(Limits(**limits))),
    ):
        pass
    assert error.value.where == str(path)
    return str(error.value)


def take(path: Path, **limits: int) -> int:
    with open_archive(path, scratch=path.parent, tally=Tally(Limits(**limits))) as members:
        return len(members)


def prepare(capsys, root: Path, *words: object, code: int) -> str:
    """Prepare HMDB51 from archives that are taken by their md5."""
    paths = [Path(str(word)) for word in words if Path(str(word)).is_file()]
    accepted = [part for path in paths for part in ("--accept", hashlib.md5(path.read_bytes()).hexdigest())]
    given = [part for path in paths for part in ("--from", str(path))]
    options = [str(word) for word in words if word not in paths]
    assert main(["data", "prepare", "hmdb51", str(root), *given, *accepted, *options]) == code
    return capsys.readouterr().err


@given(st.sampled_from(sorted(asdict(Limits()))), st.integers(1, 999_999), st.sampled_from(["", "k", "M", "G", "T"]))
def test_a_limit_is_a_number_with_or_without_a_power(name, number, power):
    scale = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}[power]
    assert asdict(parse_limits([f"{name}={number}{power}"])) == asdict(Limits()) | {name: number * scale}


@settings(max_examples=20)
@given(st.text())
def test_any_other_word_is_the_users_mistake(text):
    for word in (text, f"entries={text}"):
        if not re.fullmatch(r"(entries|bytes|ratio)=0*[1-9][0-9]{0,9}[kMGT]?", word):
            with pytest.raises(UserError, match="--limit"):
                parse_limits([word])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["entry=5"], "--limit: unknown limit 'entry'; did you mean 'entries'?; legal: bytes, entries, ratio"),
        (["5"], "unknown limit '5'"),
        (["ratio"], "ratio= is no limit; legal: a whole number above 0, such as ratio=80000"),
        (["ratio=0"], "ratio=0 is no limit"),
        (["ratio=-1"], "ratio=-1 is no limit"),
        (["bytes=1.5G"], "bytes=1.5G is no limit"),
        (["bytes=64GB"], "bytes=64GB is no limit"),
        (["bytes=٣"], "bytes=٣ is no limit"),
        (["bytes=" + "9" * 5000], "is no limit"),
        (["ratio=2", "ratio=3"], "ratio is given twice"),
    ],
)
def test_what_is_no_limit(words, said):
    with pytest.raises(UserError) as error:
        parse_limits(words)
    assert said in str(error.value)


def test_the_help_says_the_defaults(capsys):
    with pytest.raises(SystemExit):
        main(["data", "prepare", "--help"])
    words = capsys.readouterr().out.replace(",", " ").split()
    named = [word for word in words if word.partition("=")[0] in asdict(Limits())]
    assert len(named) == 3
    assert parse_limits(named) == Limits()


def test_entries_at_the_limit_are_taken_and_one_more_is_not(tmp_path, make_rar):
    files = {f"dive/{number}.avi": b"x" for number in range(6)}
    (tmp_path / "a.rar").write_bytes(make_rar(files))
    for path in (make_zip(tmp_path / "a.zip", files), tmp_path / "a.rar"):
        assert take(path, entries=8) == 6
        said = "the archives up to this one list more than 5 entries; nothing of it was written; if you trust it, "
        assert said + "add --limit entries=10" in refuse(path, entries=5)


def test_a_list_that_is_too_long_is_not_even_parsed(tmp_path, monkeypatch):
    """Though the archive's last record says that it has one entry."""
    path = make_zip(tmp_path / "a.zip", {f"{number:0300}.avi": b"" for number in range(4000)})
    content = path.read_bytes()
    path.write_bytes(content[:-14] + struct.pack("<HH", 1, 1) + content[-10:])
    monkeypatch.setattr(zipfile, "ZipInfo", None)
    assert "more than 100 entries" in refuse(path, entries=100)


def test_a_rar_is_parsed_no_further_than_the_limit(tmp_path, make_rar):
    content = make_rar({f"{number}.avi": b"" for number in range(9)})
    path = tmp_path / "a.rar"
    path.write_bytes(content.replace(b"8.avi", b"?.avi"))  # whose CRC is wrong now
    assert "more than 5 entries" in refuse(path, entries=5)
    with pytest.raises(ClnormError, match="damaged"):
        take(path)


def test_bytes_of_all_archives_are_counted_together(tmp_path, make_rar):
    (tmp_path / "a.rar").write_bytes(make_rar({"a.avi": b"x" * 600}))
    second = make_zip(tmp_path / "b.zip", {"b.avi": b"y" * 500})
    tally = Tally(Limits(bytes=1000))
    with open_archive(tmp_path / "a.rar", scratch=tmp_path, tally=tally):
        pass
    with pytest.raises(UserError, match="take 1,100 bytes unpacked, more than 1,000 bytes"):
        open_archive(second, scratch=tmp_path, tally=tally).__enter__()
    assert take(second, bytes=500) == 1
    assert "add --limit bytes=500" in refuse(second, bytes=499)


def test_a_ratio(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"a.avi": bytes(10_000_000)}, zipfile.ZIP_DEFLATED)
    times = -(-10_000_000 // path.stat().st_size)
    said = f"its files are {times:,} times as large as the archive, more than 100 times"
    assert said in refuse(path)
    assert f"--limit ratio={times}" in refuse(path)
    assert take(path, ratio=times) == 1


def test_entries_that_share_their_data_count_each(tmp_path):
    """Small on the disk, and large once unpacked, though no entry is compressed much."""
    path = make_zip(tmp_path / "a.zip", {"a.avi": b"x" * 100_000})
    content = path.read_bytes()
    start = content.index(b"PK\x01\x02")
    entry, end = content[start:-22], content[-22:]
    listed = b"".join(entry.replace(b"a.avi", f"{number:05}".encode()) for number in range(5000))
    end = end[:8] + struct.pack("<HHI", 5000, 5000, len(listed)) + end[16:]
    path.write_bytes(content[:start] + listed + end)
    assert "times as large as the archive" in refuse(path)


def test_no_program_is_run_on_what_is_refused(tmp_path, make_rar, monkeypatch):
    (tmp_path / "a.rar").write_bytes(make_rar({"a.avi": b"x" * 600}, solid=True))
    monkeypatch.setattr(rar, "choose_tool", lambda *, solid: "unrar")
    monkeypatch.setattr(rar, "_run_bounded", None)
    assert "more than 500 bytes" in refuse(tmp_path / "a.rar", bytes=500)


def test_of_a_member_no_more_comes_out_than_is_listed(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"a.avi": bytes(100_000)}, zipfile.ZIP_DEFLATED)
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack("<I", 100_000), struct.pack("<I", 50_000)))
    read = []
    with (
        open_archive(path, scratch=tmp_path, tally=Tally(Limits(ratio=1000))) as [member],
        member.open() as file,
        pytest.raises(ClnormError, match="damaged"),
        name_archive_errors("x"),
    ):
        read.extend(iter(lambda: file.read(100), b""))
    assert 0 < sum(map(len, read)) <= 50_000


@pytest.mark.slow
def test_archives_in_archives_count_too(tmp_path, make_rar, capsys):
    inner = make_rar({f"dive/{number}.avi": b"x" for number in range(20)})
    make_zip(tmp_path / "hmdb51_org.rar", {"dive.rar": inner, "dive_test_split1.txt": LIST})
    arguments = (tmp_path / "out", tmp_path / "hmdb51_org.rar", "--limit", "entries=20")
    message = prepare(capsys, *arguments, code=2)
    assert "hmdb51_org.rar: dive.rar: the archives up to this one list more than 20 entries" in message
    assert not list((tmp_path / "out").rglob("*.avi"))


@pytest.mark.slow
def test_a_zip_with_100000_empty_entries(tmp_path, capsys):
    files = {f"dive/{number}.avi": b"" for number in range(100_000)}
    path = make_zip(tmp_path / "many.zip", files | {"dive_test_split1.txt": LIST})
    message = prepare(capsys, tmp_path / "out", path, code=2)
    assert "more than 50,000 entries" in message
    assert not list(tmp_path.rglob("splits"))


def test_a_list_of_clips_is_no_larger_than_such_lists_are(tmp_path, capsys):
    path = make_zip(tmp_path / "a.zip", {"dive_test_split1.txt": LIST * 1_100_000})
    message = prepare(capsys, tmp_path / "out", path, code=2)
    assert "a.zip: dive_test_split1.txt: this list is 18 MB long" in message


def test_a_limit_is_given_to_archives_only(tmp_path, capsys):
    assert main(["data", "prepare", "folder", str(tmp_path), "--limit", "ratio=5"]) == 2
    assert "--accept and --limit" in capsys.readouterr().err
