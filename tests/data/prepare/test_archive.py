"""Archives: what is in them comes out bit for bit, and nothing that could leave the target or is damaged is taken."""

import stat
import sys
import zipfile
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import rarfile

from clnorm.data.prepare import rar
from clnorm.data.prepare.archive import list_folder, name_archive_errors, open_archive
from clnorm.data.prepare.limits import Limits, Tally
from clnorm.errors import ClnormError, UserError

FILES = {"dive/a!(1)#[2]&b;c.avi": b"hello" * 100, "dive/日本 é.avi": bytes(range(256)), "dive/empty.avi": b""}
OUTSIDE = ["../x.avi", "/x.avi", "dive/../../x.avi", "..\\x.avi", "C:\\x.avi", ".."]

# Stands in for unrar: `p` writes the bytes of the archive's only file to stdout, `x` those of all into a folder.
FAKE_UNRAR = """#!{python}
import struct, sys
from pathlib import Path
verb = sys.argv[1]
if verb not in "px":
    sys.exit()
archive = Path(sys.argv[-1] if verb == "p" else sys.argv[-2])
data, at = archive.read_bytes(), 20
while data[at + 2] == 0x74:
    size, packed = struct.unpack_from("<H", data, at + 5)[0], struct.unpack_from("<I", data, at + 7)[0]
    name = data[at + 32 : at + size].decode()
    content = data[at + size : at + size + packed]
    if verb == "p":
        sys.stdout.buffer.write(content)
        break
    target = Path(sys.argv[-1]) / name
    target.parent.mkdir(exist_ok=True, parents=True)
    target.write_bytes(content)
    at += size + packed
"""


def make_zip(path: Path, files, *, links=()) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        for name in links:
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, "/etc/passwd")
    return path


def read_all(path: Path) -> dict[str, bytes]:
    with open_archive(path, scratch=path.parent, tally=Tally(Limits())) as members:
        contents = {}
        for member in members:
            with name_archive_errors(member.source), member.open() as file:
                contents[str(member.path)] = file.read()
            assert member.size == len(contents[str(member.path)])
        return contents


def read_error(path: Path, kind: type[ClnormError] = UserError) -> str:
    with pytest.raises(kind) as error:
        read_all(path)
    assert str(path) in str(error.value)
    return str(error.value)


@pytest.fixture
def only_tool(tmp_path, monkeypatch):
    """A PATH that holds nothing, or a program of the text given; rarfile forgets what it found before."""

    def install(name: str | None, text: str = "") -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        if name is not None:
            (folder / name).write_text(text.format(python=sys.executable))
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        monkeypatch.setattr(rarfile, "CURRENT_SETUP", None)

    return install


def test_a_stored_rar_needs_no_program(tmp_path, make_rar, only_tool):
    only_tool(None)
    (tmp_path / "a.rar").write_bytes(make_rar(FILES))
    assert read_all(tmp_path / "a.rar") == FILES


def test_a_zip(tmp_path):
    assert read_all(make_zip(tmp_path / "a.zip", FILES)) == FILES


def test_a_folder(tmp_path):
    (tmp_path / "dive").mkdir()
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / ".hidden").touch()
    members = list_folder(tmp_path)
    assert [(str(member.path), member.size) for member in members] == sorted((n, len(c)) for n, c in FILES.items())
    with members[0].open() as file:
        assert file.read() == FILES[str(members[0].path)]


def test_a_compressed_rar_goes_through_a_pipe_whatever_its_names(tmp_path, make_rar, only_tool):
    """No name is handed to the program, so that none can be taken for a pattern or an option."""
    only_tool("unrar", FAKE_UNRAR)
    files = {name: content for name, content in FILES.items() if content} | {"-o [x]*.avi": b"1"}
    (tmp_path / "a.rar").write_bytes(make_rar(files, compressed=True))
    assert read_all(tmp_path / "a.rar") == files


def test_a_solid_rar_is_unpacked_and_cleared_away(tmp_path, make_rar, only_tool):
    only_tool("unrar", FAKE_UNRAR)
    (tmp_path / "a.rar").write_bytes(make_rar(FILES, solid=True))
    assert read_all(tmp_path / "a.rar") == FILES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.rar", "bin"]


def test_a_solid_rar_that_unpacks_to_something_else_is_refused(tmp_path, make_rar, only_tool):
    only_tool("unrar", "#!/bin/sh\nexit 0\n")
    (tmp_path / "a.rar").write_bytes(make_rar(FILES, solid=True))
    assert "unrar cannot unpack it: files are missing" in read_error(tmp_path / "a.rar", ClnormError)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.rar", "bin"]


@pytest.mark.slow
def test_a_program_that_writes_more_than_is_listed_is_ended(tmp_path, make_rar, only_tool):
    """It would write for ever."""
    endless = "#!{python}\nimport sys, time\nfile = open(sys.argv[-1] + 'a.avi', 'ab')\n"
    endless += "while len(sys.argv) > 3:\n    file.write(b'x' * 1000)\n    file.flush()\n    time.sleep(0.001)\n"
    only_tool("unrar", endless)
    (tmp_path / "a.rar").write_bytes(make_rar(FILES, solid=True))
    assert "it holds more than it lists" in read_error(tmp_path / "a.rar", ClnormError)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.rar", "bin"]


@pytest.mark.parametrize("solid", [False, True])
def test_without_a_program_the_legal_ones_are_named(tmp_path, make_rar, only_tool, solid):
    only_tool(None)
    (tmp_path / "a.rar").write_bytes(make_rar(FILES, compressed=True, solid=solid))
    message = read_error(tmp_path / "a.rar", ClnormError)
    assert "legal: unrar, unar, 7z, 7zz, bsdtar" in message
    assert "sudo apt-get install unar" in message


def test_a_7zip_without_rar_is_not_taken(tmp_path, make_rar, only_tool):
    only_tool("7z", "#!/bin/sh\necho Formats: zip tar\n")
    with pytest.raises(rarfile.RarCannotExec):
        rar.choose_tool(solid=False)


def test_a_program_that_does_not_start_is_passed_over(only_tool):
    only_tool("unrar", "#!/bin/sh\nexit 3\n")
    with pytest.raises(rarfile.RarCannotExec):
        rar.choose_tool(solid=False)


@pytest.mark.parametrize("name", OUTSIDE)
def test_an_entry_that_leads_out_is_refused(tmp_path, make_rar, name):
    (tmp_path / "a.rar").write_bytes(make_rar({"dive/good.avi": b"x", name: b"y"}))
    assert "leads out of the archive" in read_error(tmp_path / "a.rar")
    if name != "..":
        assert "leads out of the archive" in read_error(make_zip(tmp_path / "a.zip", {name: b"y"}))


def test_a_link_is_refused(tmp_path, make_rar):
    (tmp_path / "a.rar").write_bytes(make_rar({}, links={"dive/a.avi": "/etc/passwd"}))
    assert "the entry 'dive/a.avi' is a link" in read_error(tmp_path / "a.rar")
    assert "the entry 'l' is a link" in read_error(make_zip(tmp_path / "a.zip", {}, links=["l"]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"<html>404</html>", "it is no RAR and no ZIP archive; download it again"),
        (b"PK\x03\x04 and no more", "the archive is damaged"),
        (b"Rar!\x1a\x07\x00 and no more", "the archive is damaged"),
    ],
)
def test_what_is_no_archive_is_refused(tmp_path, content, message):
    (tmp_path / "a.rar").write_bytes(content)
    assert message in read_error(tmp_path / "a.rar", ClnormError)


def mark_entries(path: Path, *, at: int, mark: int) -> Path:
    """A field of 16 bits of each entry in a ZIP's list, counted from its start, with the bits of `mark` set."""
    content = bytearray(path.read_bytes())
    start = content.find(b"PK\x01\x02")
    while start >= 0:
        content[start + at] |= mark
        start = content.find(b"PK\x01\x02", start + 1)
    path.write_bytes(content)
    return path


def test_an_encrypted_entry_is_named(tmp_path, make_rar):
    path = mark_entries(make_zip(tmp_path / "a.zip", {"dive/a.avi": b"x"}), at=8, mark=1)
    assert "the entry 'dive/a.avi' is encrypted; unpack it by hand and pass the folder" in read_error(path)
    (tmp_path / "a.rar").write_bytes(make_rar({"dive/a.avi": b"x", "dive/b.avi": b"y"}, encrypted=["dive/b.avi"]))
    assert "the entry 'dive/b.avi' is encrypted" in read_error(tmp_path / "a.rar")


@pytest.mark.parametrize(("method", "name"), [(zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "lzma")])
def test_a_method_that_unpacks_without_a_bound_on_memory_is_refused(tmp_path, method, name):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("dive/a.avi", b"0" * 1000)
    message = read_error(tmp_path / "a.zip")
    assert f"the entry 'dive/a.avi' is compressed by the method '{name}'; legal: stored or deflated entries" in message


@pytest.mark.parametrize(
    ("at", "mark"), [(8, 0x20), (8, 0x40), (6, 0x80)], ids=["patched", "strongly encrypted", "of a later version"]
)
def test_what_zipfile_cannot_do_is_said(tmp_path, at, mark):
    path = mark_entries(make_zip(tmp_path / "a.zip", {"dive/a.avi": b"x"}), at=at, mark=mark)
    assert "the archive is damaged, or beyond the program that reads it" in read_error(path, ClnormError)


@pytest.mark.slow
def test_damage_is_never_taken_for_a_fault_of_the_disk(tmp_path):
    """Whatever byte is another or missing, in the data, the names, the list or the end of it."""
    content = make_zip(tmp_path / "a.zip", {"dive/é.avi": bytes(range(256)) * 2, "b.avi": b"y" * 99}).read_bytes()
    path = tmp_path / "b.zip"
    for at in range(4, len(content)):
        for changed in (b"", b"\xff"):
            path.write_bytes(content[:at] + changed + content[at + 1 :])
            with (
                suppress(ClnormError),
                open_archive(path, scratch=tmp_path, tally=Tally(Limits())) as members,
                ExitStack() as stack,
            ):
                for member in members:
                    stack.enter_context(name_archive_errors(member.source))
                    stack.enter_context(member.open()).read()


def test_a_missing_archive(tmp_path):
    assert "cannot read this archive: No such file" in read_error(tmp_path / "a.rar")


def test_a_truncated_or_changed_archive_is_damaged(tmp_path, make_rar):
    """Wherever it is cut off, nothing comes out of it without an error, but what ends with an entry."""
    content, path = make_rar({"a.avi": b"x" * 400, "b.avi": b"y" * 400}), tmp_path / "a.rar"
    for end in (10, 20, 40, 300, 500, 600, len(content) - 3):
        path.write_bytes(content[:end])
        with pytest.raises(ClnormError, match=r"damaged|holds no file"):
            read_all(path)
    path.write_bytes(content.replace(b"yyyy", b"yyyz", 1))
    assert "CRC" in read_error(path, ClnormError)
