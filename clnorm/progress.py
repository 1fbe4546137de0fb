"""What a run tells while it goes on; the console's reporter extends this silent one."""


class Reporter:
    """Receives the events of a run and does nothing with them."""

    def note(self, text: str) -> None:
        """One line that the user should read."""

    def start(self, title: str, *, total: int, unit: str) -> None:
        """A long step begins; `total` units of it are to come."""

    def advance(self, count: int) -> None:
        """`count` more units are done."""

    def epoch(self, text: str) -> None:
        """An epoch is over; one line on it."""

    def finish(self) -> None:
        """The long step is over."""
