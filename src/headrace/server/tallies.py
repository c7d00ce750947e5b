"""What this server has done itself, counted as it goes: several servers' tallies are added up by whoever watches them."""

from collections import Counter

from headrace.web.figures import Histogram


class Tally:
    """`service.part(tallies.Tally)`. Changed on the event loop's thread, after the commit."""

    def __init__(self) -> None:
        #: Runs that ended, by the state in which they did.
        self.ended: Counter[str] = Counter()
        #: How long runs that were due had waited when an agent took them.
        self.waited = Histogram()

    def end(self, state: str) -> None:
        """One run has ended so."""
        self.ended[state] += 1
