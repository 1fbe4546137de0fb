"""RAR archives: rarfile parses them, and has unrar, unar, 7z or bsdtar decompress what is not just stored.

Of an archive that is not solid, a clip comes through a pipe, and no tool is told where to write or which name to look
for. A solid one can only be unpacked as a whole: it is listed and checked first, and compared with its list afterwards.
"""

import contextlib
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

import rarfile

from clnorm.data.prepare.limits import Tally
from clnorm.errors import UserError

TOOLS = {"unrar": "unrar", "unar": "unar", "7z": "sevenzip", "7zz": "sevenzip2", "bsdtar": "bsdtar"}
"""The programs that decompress RAR, in the order of preference, with rarfile's word for each."""

_LOOK = 0.5  # seconds between two looks at what a program has written
_UNPACK = {
    "unrar": ["x", "-inul", "-y", "-p-", "{file}", "{folder}/"],
    "unar": ["-quiet", "-no-directory", "-output-directory", "{folder}", "{file}"],
    "7z": ["x", "-y", "-bd", "-o{folder}", "{file}"],
    "7zz": ["x", "-y", "-bd", "-o{folder}", "{file}"],
}


def open_rar(path: Path, where: str, stack: ExitStack, tally: Tally) -> rarfile.RarFile:
    """A RAR archive, ready to be read; what it lists is in the tally.

    Raises:
        UserError: it holds more than the limits say, or is encrypted.
        rarfile.Error: it is damaged, or what it holds is compressed and none of `TOOLS` is on the PATH.
    """
    # The callback is called for each header as soon as it is parsed, so that parsing ends at the limit.
    archive = rarfile.RarFile(path, errors="strict", info_callback=lambda _: tally.count(where))
    stack.enter_context(archive)
    if archive.needs_password():
        locked = next((info.filename for info in archive.infolist() if info.needs_password()), None)
        what = "the archive is encrypted, its names too" if locked is None else f"the entry {locked!r} is encrypted"
        raise UserError(what, where=where, hint="unpack it by hand and pass the folder")
    packed = sum(Path(volume).stat().st_size for volume in archive.volumelist())
    tally.weigh(where, sum(info.file_size for info in archive.infolist() if info.is_file()), packed=packed)
    if archive.is_solid() or any(info.compress_type != rarfile.RAR_M0 for info in archive.infolist() if info.is_file()):
        choose_tool(solid=archive.is_solid())
    return archive


def is_link(info: rarfile.RarInfo) -> bool:
    """Whether an entry is a link, hard ones and copies of other entries included."""
    return not (info.is_file() or info.is_dir()) or info.file_redir is not None


def choose_tool(*, solid: bool) -> str:
    """The first of `TOOLS` on the PATH that can read such an archive, which rarfile uses from now on.

    Raises:
        RarCannotExec: there is none.
    """
    # A compressed clip is always handed over as an archive of its own: tools take a name with [ or * for a pattern.
    rarfile.HACK_SIZE_LIMIT = 1 << 62
    for tool, word in TOOLS.items():
        if shutil.which(tool) and (not solid or tool in _UNPACK) and (not tool.startswith("7z") or _has_rar(tool)):
            with contextlib.suppress(rarfile.RarCannotExec):  # it does not start
                rarfile.tool_setup(**{other: other == word for other in TOOLS.values()}, force=True)
                return tool
    raise rarfile.RarCannotExec("no program that reads RAR")


def unpack_solid(path: Path, archive: rarfile.RarFile, folder: Path) -> None:
    """Unpack a solid archive, whose entries have been checked, into an empty folder.

    Raises:
        BadRarFile: the tool fails, or what it wrote is not what the archive lists.
    """
    tool = choose_tool(solid=True)
    words = [word.format(file=path.absolute(), folder=folder.absolute()) for word in _UNPACK[tool]]
    listed = {info.filename: info.file_size for info in archive.infolist() if info.is_file()}
    code, said = _run_bounded([tool, *words], folder, most=sum(listed.values()))
    files = [file for file in folder.rglob("*") if file.is_symlink() or not file.is_dir()]
    found = {file.relative_to(folder).as_posix(): file.lstat().st_size for file in files if not file.is_symlink()}
    if code or found != listed or len(found) < len(files):
        raise rarfile.BadRarFile(f"{tool} cannot unpack it: {' '.join(said.split()) or 'files are missing'}")


def _run_bounded(command: list[str], folder: Path, *, most: int) -> tuple[int, str]:
    """Run a program that writes into a folder, for as long as no more than `most` bytes lie there.

    Returns:
        Its exit code, and what it said.

    Raises:
        BadRarFile: it wrote more, and was ended.
    """
    quiet, pipe = subprocess.DEVNULL, subprocess.PIPE
    with subprocess.Popen(command, stdin=quiet, stdout=pipe, stderr=pipe) as process:  # noqa: S603
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    out, err = process.communicate(timeout=_LOOK)
                    return process.returncode, (err or out).decode(errors="replace")
                if sum(file.lstat().st_size for file in list(folder.rglob("*")) if not file.is_dir()) > most:
                    raise rarfile.BadRarFile("it holds more than it lists")
        finally:
            process.kill()


def _has_rar(sevenzip: str) -> bool:
    """Whether this build of 7-Zip has RAR, which Debian's has not."""
    listed = subprocess.run([sevenzip, "i"], capture_output=True, check=False).stdout  # noqa: S603
    return b"Rar5" in listed
