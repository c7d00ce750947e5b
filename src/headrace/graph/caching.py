"""How long a task's value may be used again, and what must be the same for it."""

import dataclasses
from datetime import timedelta

from headrace import errors
from headrace.graph import pickled


@pickled.by_name
@dataclasses.dataclass(frozen=True, slots=True)
class CachePolicy:
    """A value is used again for `expires` (None: for ever) while these are unchanged.

    `inputs`: the task's inputs, all (True), none (False) or the named ones. `parameters`: the flow's, likewise.
    """

    expires: timedelta | None = None
    inputs: bool | tuple[str, ...] = True
    parameters: bool | tuple[str, ...] = False

    def __post_init__(self) -> None:
        if self.expires is not None and self.expires <= timedelta(0):
            raise errors.GraphError(
                f"cache: {self.expires} is no time to keep a value for; give a positive timedelta."
            )
        for name in ("inputs", "parameters"):
            given = getattr(self, name)
            if isinstance(given, str):
                object.__setattr__(self, name, (given,))
            elif not isinstance(given, bool):
                object.__setattr__(self, name, tuple(given))

    def describe(self) -> str:
        """In words, for the server."""
        sides = [_side(name, getattr(self, name)) for name in ("inputs", "parameters") if getattr(self, name)]
        seconds = None if self.expires is None else self.expires.total_seconds()
        return f"{'for ever' if seconds is None else f'{seconds:g} s'} by {' and '.join(sides) or 'nothing'}"


def _side(name: str, chosen: bool | tuple[str, ...]) -> str:
    return name if chosen is True else f"{name} {', '.join(chosen or ())}"
