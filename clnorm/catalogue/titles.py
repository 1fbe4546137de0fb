"""What papers call a thing of the catalogue, with the options that are not at their defaults."""

from string import Formatter

from clnorm.catalogue.option import Value, write_value
from clnorm.catalogue.registry import Registry


def write_title(registry: Registry, name: str) -> str:
    """The name in papers of `name:option=value,...`; a plug-in's, and one that has none, stays as it is.

    Options that the title does not state stand behind it where they are not at their defaults: `GN (groups=8)`. A title
    that states one which is off is cut before it: `Replay (total=200)`, not `Replay (none a class, total=200)`.
    """
    spec = registry.parse_own(name)
    if spec is None or not spec.entry.title:
        return name
    entry = spec.entry
    stated = {word for _, word, _, _ in Formatter().parse(entry.title) if word}
    template = entry.title
    if off := stated & {key for key, value in spec.options if value == "none"}:
        template, stated = template.partition(" (")[0], stated | off
    title = template.format(word=entry.word, **{key: write_plain(value) for key, value in spec.options})
    rest = [
        f"{key}={write_plain(value)}"
        for key, value in spec.options
        if key not in stated and value != entry.options[key].default
    ]
    if not rest:
        return title
    begun = f"{title[:-1]}, " if title.endswith(")") else f"{title} ("
    return f"{begun}{', '.join(rest)})"


def write_plain(value: Value) -> str:
    """A value for readers: 100.0 is 100."""
    return f"{value:.10g}" if isinstance(value, float) else write_value(value)
