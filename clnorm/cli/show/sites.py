"""What `clnorm norms audit` prints."""

from rich.box import SIMPLE
from rich.table import Table

from clnorm.catalogue import BACKBONES
from clnorm.cli.output import rich_stdout
from clnorm.conformance.swap_audit import NormAudit
from clnorm.console import as_text
from clnorm.norms.sites.report import SiteReport

_NARROW = 70  # columns of a terminal below which the class that stood at a site is left out


def print_sites(audit: NormAudit) -> None:
    """A table of sites on stdout, then the summary; a narrow terminal gets fewer columns."""
    with rich_stdout() as console:
        console.print(_table(audit, wide=console.width >= _NARROW))
        console.print(as_text(*audit.summary().splitlines()), soft_wrap=True)


def _table(audit: NormAudit, *, wide: bool) -> Table:
    backbone = BACKBONES.parse(audit.backbone).short  # its options but for defaults
    norms = " and ".join(dict.fromkeys(f"{site.kind_to} on axis {site.axis}" for site in audit.swap.sites))
    table = Table(title=as_text(f"{norms} in {backbone}"), title_justify="left", box=SIMPLE, pad_edge=False)
    for heading in ("site", *(["was"] if wide else []), "channels", "groups", "carried", "fresh"):
        numeric = heading in ("channels", "groups")
        table.add_column(
            heading, justify="right" if numeric else "left", overflow="fold", no_wrap=heading in ("site", "was")
        )
    for site in audit.swap.sites:
        table.add_row(*(as_text(cell) for cell in _cells(site, wide=wide)))
    return table


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
