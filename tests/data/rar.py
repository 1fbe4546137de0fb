"""RAR archives written by hand, because nothing free writes them: version 4, files stored without compression.

The blocks are those of the format's published technical note: a 2-byte CRC of the header, its type, flags and size,
then its fields, then the file's bytes.
"""

import stat
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

STORED, COMPRESSED = 0x30, 0x33
SOLID = 0x0008


def write_rar(
    path: Path,
    files: Mapping[str, bytes],
    *,
    links: Mapping[str, str] | None = None,
    flags: int = 0,
    method: int = STORED,
) -> Path:
    """Write an archive of `files` and symbolic `links`; any name is taken as it is."""
    data = b"Rar!\x1a\x07\x00" + _block(0x73, flags, struct.pack("<HI", 0, 0))
    for name, content in files.items():
        data += _entry(name, content, mode=stat.S_IFREG | 0o644, method=method)
    for name, target in (links or {}).items():
        data += _entry(name, target.encode(), mode=stat.S_IFLNK | 0o777, method=STORED)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data + _block(0x7B, 0x4000, b""))
    return path


def pack_rar(files: Mapping[str, bytes], folder: Path) -> bytes:
    """The bytes of an archive of `files`, written to `folder` and read back."""
    path = write_rar(folder / "inner.rar", files)
    content = path.read_bytes()
    path.unlink()
    return content


def _entry(name: str, content: bytes, *, mode: int, method: int) -> bytes:
    encoded = name.encode()
    unix, version, time = 3, 29, 0x21 << 16
    fields = struct.pack(
        "<IIBIIBBHI", len(content), len(content), unix, zlib.crc32(content), time, version, method, len(encoded), mode
    )
    return _block(0x74, 0x8000 | 0x0200, fields + encoded) + content


def _block(kind: int, flags: int, fields: bytes) -> bytes:
    header = struct.pack("<BHH", kind, flags, 7 + len(fields)) + fields
    return struct.pack("<H", zlib.crc32(header) & 0xFFFF) + header
