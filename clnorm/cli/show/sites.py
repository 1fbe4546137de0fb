"""What `clnorm norms audit` prints."""

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clnorm.catalogue import BACKBONES
from clnorm.conformance.swap_audit import NormAudit
from clnorm.norms.sites.report import SiteReport

_NARROW = 70  # columns of a terminal below which the class that stood at a site is left out


def print_audit(audit: NormAudit) -> None:
    """A table of sites on stdout, then the summary; a narrow terminal gets fewer columns."""
    console = Console()
    wide = console.width >= _NARROW
    backbone = BACKBONES.parse(audit.backbone).short  # its options but for defaults
    norms = " and ".join(dict.fromkeys(f"{site.kind_to} on axis {site.axis}" for site in audit.swap.sites))
    # As Text, since in a str [brackets] would be markup.
    table = Table(title=Text(f"{norms} in {backbone}"), title_justify="left", box=SIMPLE, pad_edge=False)
    for heading in ("site", *(["was"] if wide else []), "channels", "groups", "carried", "fresh"):
        numeric = heading in ("channels", "groups")
        table.add_column(
            heading, justify="right" if numeric else "left", overflow="fold", no_wrap=heading in ("site", "was")
        )
    for site in audit.swap.sites:
        table.add_row(*(Text(cell) for cell in _cells(site, wide=wide)))
    console.print(table)
    console.print(Text(audit.summary()), soft_wrap=True)


def _cells(site: SiteReport, *, wide: bool) -> list[str]:
    fresh = [*site.fresh, *(["statistics"] if site.running else [])]
    groups = "" if site.groups is None else str(site.groups)
    return [
        site.name,
        *([site.kind_from] if wide else []),
        str(site.channels),
        groups,
        ", ".join(site.carried),
        ", ".join(fresh),
    ]
