"""What every page is made with: templates that show all text visibly and escaped, and files that appear whole."""

import base64
import hashlib
import os
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from clnorm.console import visible
from clnorm.errors import UserError
from clnorm.files import replace_file

ENDINGS = (".html", ".htm")


def create_environment(package: str) -> Environment:
    """The templates of a package, whose values are escaped and made visible, but for `Markup`.

    The filter `embed` makes a source for an image of the bytes of one, `{{ png | embed("image/png") }}`.
    """
    environment = Environment(
        loader=PackageLoader(package, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=_show,
    )
    environment.filters["embed"] = _embed
    environment.globals["shared_style"] = Markup(read_part("clnorm.pages", "style.css"))  # noqa: S704 - it is ours
    return environment


def read_part(package: str, name: str) -> str:
    """The text of a file that goes with a package."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def allow_inline(style: str, script: str) -> str:
    """A Content-Security-Policy for a page with one style and one script of its own, and nothing from elsewhere.

    Args:
        style: what stands between the tags of the style, to the letter.
        script: likewise.
    """
    kinds = {"style-src": style, "script-src": script}
    own = "; ".join(f"{kind} 'sha256-{_digest(text)}'" for kind, text in kinds.items())
    return f"default-src 'none'; img-src data:; {own}; base-uri 'none'; form-action 'none'"


def write_page(text: str, path: Path) -> None:
    """Write a page to `path`, whole or not at all.

    Raises:
        UserError: as `check_page`.
        ClnormError: it cannot be written.
    """
    check_page(path)
    content = text.encode()
    replace_file(path, lambda file: file.write(content))


def check_page(path: Path) -> None:
    """Refuse a place for a page of HTML before it is made.

    Raises:
        UserError: as `check_place`, or its name does not end with .html, as that of a record or a configuration.
    """
    check_place(path)
    if path.suffix.lower() not in ENDINGS:
        raise UserError(f"{path.name!r} is no name of a page", where="--out", legal=ENDINGS, given=path.suffix)


def check_place(path: Path) -> None:
    """Refuse a place for a page before it is made.

    Raises:
        UserError: its folder does not exist or cannot be written, or it is a folder itself, or a device.
    """
    if not path.parent.is_dir():
        raise UserError("there is no such folder", where=str(path.parent), hint="make it, or choose another --out")
    if path.is_dir():
        raise UserError("is a folder", where=str(path), hint=f"name a file, such as --out {path / 'report.html'}")
    if path.exists() and not path.is_file():
        raise UserError("is no regular file, and is not replaced", where=str(path), hint="name another file")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UserError("cannot be written", where=str(path.parent), hint="choose another --out")


def _show(value: object) -> object:
    """What stands in the page for a value: a text made visible, and markup as it is."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _embed(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
