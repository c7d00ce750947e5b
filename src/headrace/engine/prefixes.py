"""Results in buckets: a prefix takes the place of a directory, and an object that of a file."""

import dataclasses

from headrace import errors
from headrace.graph import flow_options
from headrace.storage import buckets


@dataclasses.dataclass(frozen=True, slots=True)
class Prefix:
    """A prefix in a bucket, and how the bucket is reached. What lies in other buckets is reached by the environment alone."""

    place: buckets.Place
    bucket: buckets.Bucket

    def read(self, location: str) -> bytes:
        """Raises errors.ResultError, as all of these do."""
        bucket, key = self._find(location)
        try:
            return bucket.read(key)
        except errors.ContentError as error:
            raise errors.ResultError(f"the result at {location} cannot be read: {error.message}") from None

    def write(self, location: str, data: bytes) -> None:
        bucket, key = self._find(location)
        try:
            bucket.write(key, data)
        except errors.ContentError as error:
            raise errors.ResultError(f"the result cannot be written to {location}: {error.message}") from None

    def size(self, location: str) -> int | None:
        """How many bytes lie there; None where nothing does."""
        bucket, key = self._find(location)
        try:
            return bucket.size(key)
        except errors.ContentError as error:
            raise errors.ResultError(f"it cannot be seen what lies at {location}: {error.message}") from None

    def _find(self, location: str) -> tuple[buckets.Bucket, str]:
        place = buckets.place(location)
        return self.bucket if place.root == self.bucket.root else buckets.bucket(
            place.root, {}, {}
        ), place.key


def prefix(where: str | flow_options.InBucket) -> Prefix:
    """What a flow's `results=` or a task's target names: a URL, or an ObjectStore. Raises errors.Invalid."""
    if isinstance(where, str):
        place = buckets.place(where)
        return Prefix(place, buckets.bucket(place.root, {}, {}))
    place = buckets.place(where.url)
    return Prefix(place, buckets.bucket(place.root, where.options, where.variables))
