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

from clnorm.errors import UserError

TOOLS = {"unrar": "unrar", "unar": "unar", "7z": "sevenzip", "7zz": "sevenzip2", "bsdtar": "bsdtar"}
"""The programs that decompress RAR, in the order of preference, with rarfile's word for each."""

_UNPACK = {
    "unrar": ["x", "-inul", "-y", "-p-", "{file}", "{folder}/"],
    "unar": ["-quiet", "-no-directory", "-output-directory", "{folder}", "{file}"],
    "7z": ["x", "-y", "-bd", "-o{folder}", "{file}"],
    "7zz": ["x", "-y", "-bd", "-o{folder}", "{file}"],
}


def open_rar(path: Path, where: str, stack: ExitStack) -> rarfile.RarFile:
    """A RAR archive, ready to be read.

    Raises:
        UserError: it is encrypted.
        rarfile.Error: it is damaged, or what it holds is compressed and none of `TOOLS` is on the PATH.
    """
    archive = stack.enter_context(rarfile.RarFile(path, errors="strict"))
    if archive.needs_password():
        raise UserError("the archive is encrypted", where=where, hint="unpack it by hand and pass the folder")
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
    done = subprocess.run([tool, *words], capture_output=True, check=False, stdin=subprocess.DEVNULL)  # noqa: S603
    listed = {info.filename: info.file_size for info in archive.infolist() if info.is_file()}
    files = [file for file in folder.rglob("*") if file.is_symlink() or not file.is_dir()]
    found = {file.relative_to(folder).as_posix(): file.lstat().st_size for file in files if not file.is_symlink()}
    if done.returncode or found != listed or len(found) < len(files):
        said = (done.stderr or done.stdout).decode(errors="replace")
        raise rarfile.BadRarFile(f"{tool} cannot unpack it: {' '.join(said.split()) or 'files are missing'}")


def _has_rar(sevenzip: str) -> bool:
    """Whether this build of 7-Zip has RAR, which Debian's has not."""
    listed = subprocess.run([sevenzip, "i"], capture_output=True, check=False).stdout  # noqa: S603
    return b"Rar5" in listed
