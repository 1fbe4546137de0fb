"""What a swap of norms tells of itself."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

Settings = dict[str, float | None]


@dataclass(frozen=True)
class SiteReport:
    """What happened at one norm site.

    Args:
        name: the module's path in the model (the first one, where it is shared).
        kind_from: the class that stood there.
        kind_to: the class that stands there now.
        channels: C.
        axis: how tokens are viewed there; a norm that has no such option gives the same numbers on each axis.
        carried: the parameters that kept their values.
        fresh: the parameters that start anew.
        parameters: the number of elements of all parameters of the norm.
        groups: the effective number of channel groups, where the norm has groups.
        running: whether the norm has running statistics. They start anew, so that evaluation needs training or a
            calibration first.
        settings_from: eps and momentum of what stood there, as far as it had them; a momentum of None is a plain
            average over all batches.
        settings_to: the same of what stands there now.
    """

    name: str
    kind_from: str
    kind_to: str
    channels: int
    axis: str
    carried: tuple[str, ...]
    fresh: tuple[str, ...]
    parameters: int
    groups: int | None
    running: bool
    settings_from: Settings
    settings_to: Settings


@dataclass(frozen=True)
class LeftNorm:
    """A norm of the model that stands as it was: its path and its class."""

    name: str
    kind: str


@dataclass(frozen=True)
class SwapReport:
    """What a swap did: the norm with all its options, its sites in the model's order, and the norms left as they were.

    Norms are left by a partial swap only.
    """

    spec: str
    sites: tuple[SiteReport, ...]
    left: tuple[LeftNorm, ...] = ()

    @property
    def found(self) -> int:
        """The number of norms in the model."""
        return len(self.sites) + len(self.left)

    @property
    def replaced(self) -> int:
        """The number of norms replaced."""
        return len(self.sites)

    def to_dict(self) -> dict[str, Any]:
        """The report in JSON's types."""
        sites = [{**asdict(site), "carried": [*site.carried], "fresh": [*site.fresh]} for site in self.sites]
        left = [asdict(norm) for norm in self.left]
        return {"spec": self.spec, "found": self.found, "replaced": self.replaced, "sites": sites, "left": left}

    def summary(self) -> str:
        """One line: how many sites, affine parameters carried, groups, settings that changed, and what is left."""
        carried = sum(len(site.carried) for site in self.sites)
        fresh = sum(len(site.fresh) for site in self.sites)
        groups = Counter(site.groups for site in self.sites if site.groups is not None)
        effective = ", ".join(f"{count} groups at {sites}" for count, sites in groups.items())
        line = f"{self.spec}: {self.replaced} of {self.found} norms replaced, {carried} tensors carried, {fresh} fresh"
        left = ", ".join(f"{norm.name} ({norm.kind})" for norm in self.left)
        changed = ", ".join(f"{change} at {sites}" for change, sites in self._changed_settings().items())
        return "; ".join([line, *filter(None, [effective, changed, left and f"left as they are: {left}"])])

    def _changed_settings(self) -> Counter[str]:
        """Changes such as `eps 1e-05 -> 1e-06`, with the number of sites of each."""
        return Counter(
            f"{name} {site.settings_from[name]} -> {value}"
            for site in self.sites
            for name, value in site.settings_to.items()
            if name in site.settings_from and site.settings_from[name] != value
        )
