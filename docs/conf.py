"""How the documentation is built: `make docs` fails on a warning, a dead link or a page outside of the navigation."""

import inspect
import re
import sys
from dataclasses import is_dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import generated

import clnorm

project = "clnorm"
author = "The clnorm authors"
copyright = author  # noqa: A001 - the name that Sphinx reads
version = release = clnorm.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_ext"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 3  # `page.md#a-heading` is a link that is checked
highlight_language = "none"  # of blocks that name no language
default_role = "code"  # docstrings are Markdown: `x` is code

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 80
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
toc_object_entries = False
add_module_names = False

html_theme = "furo"
html_title = f"clnorm {version}"
html_static_path = ["_static"]
html_css_files = ["clnorm.css"]
html_show_copyright = html_show_sphinx = False
html_copy_source = False

_MARK = re.compile(r"^<!-- generated: ([\w.-]+) -->$", re.MULTILINE)


def fill_in(app, docname, source):
    """Put what the program says of itself where a page has `<!-- generated: NAME -->`."""
    source[0] = _MARK.sub(lambda mark: generated.create(mark[1]), source[0])


def read_markdown(app, what, name, obj, options, lines):
    """Docstrings are Markdown, and autodoc reads reStructuredText."""
    lines[:] = generated.convert_docstring(lines)


def shorten_signature(app, what, name, obj, options, signature, returned):
    """A signature with the defaults that a user writes: of a dataclass, and of a function those that it has by name."""
    if is_dataclass(obj):
        return generated.dataclass_signature(obj), returned
    if not signature or not inspect.isfunction(obj):
        return None
    named = obj.__globals__
    return re.sub(r"= (_[A-Z_]+)\b", lambda found: f"= {named[found[1]]!r}", signature), returned


def setup(app):
    app.connect("source-read", fill_in)
    app.connect("autodoc-process-signature", shorten_signature)
    app.connect("autodoc-process-docstring", read_markdown)
