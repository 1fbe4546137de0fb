"""What files are known by: the md5 and the sha256 of their content, in hexadecimal digits."""

import hashlib
from pathlib import Path


def md5_of(path: Path) -> str:
    """The md5 of a file: what archives are published with, no protection against an attacker."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def sha256_of(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
