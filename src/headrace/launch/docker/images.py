"""Images: whether they are there, and how they are pulled, with the credentials that `docker login` has left."""

import base64
import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from headrace import errors
from headrace.launch.docker.engine import Engine, EngineError

#: Where the image's name has no registry in it.
_HUB = "https://index.docker.io/v1/"


class Images:
    """The images of one engine. `variables` and `home` say where the user's credentials are."""

    def __init__(self, engine: Engine, variables: Mapping[str, str], home: Path) -> None:
        self._engine = engine
        self._config = Path(
            variables.get("DOCKER_CONFIG") or Path(variables.get("HOME") or home) / ".docker"
        ).joinpath("config.json")

    def provide(self, image: str, pull: str) -> Iterator[str]:
        """Sees to it that the image is there; yields words while it is pulled. Raises errors.LaunchError (image_missing)."""
        if pull == "always" or not self._is_there(image):
            if pull == "never":
                raise errors.LaunchError(
                    f"the image {image} is not on this machine, and the run config says that it is never pulled.",
                    reason="image_missing",
                )
            yield f"the engine pulls {image}"
            yield from self._pulled(image)

    def _is_there(self, image: str) -> bool:
        try:
            self._engine.call("GET", f"/images/{image}/json")
        except EngineError as error:
            if error.status == 404:
                return False
            raise _missing(image, str(error)) from None
        return True

    def _pulled(self, image: str) -> Iterator[str]:
        repository, tag = _parts(image)
        said = f"the engine pulls {image}"
        try:
            query = {"fromImage": repository, "tag": tag}
            for line in self._engine.lines("POST", "/images/create", query, self._credentials(repository)):
                if "error" in line:
                    raise _missing(image, str(line["error"]))
                # once more and the same: whoever launches looks whether it still should
                yield said
        except EngineError as error:
            raise _missing(image, str(error)) from None

    def _credentials(self, repository: str) -> dict[str, str]:
        """What `docker login` keeps in its file. Programs that keep it elsewhere are not asked."""
        first, slash, _ = repository.partition("/")
        registry = first if slash and ("." in first or ":" in first or first == "localhost") else _HUB
        with contextlib.suppress(OSError, msgspec.DecodeError, KeyError, ValueError):
            known: dict[str, Any] = msgspec.json.decode(self._config.read_bytes())["auths"][registry]
            user, _, password = base64.b64decode(known["auth"]).decode().partition(":")
            shown = {"username": user, "password": password, "serveraddress": registry}
            return {"X-Registry-Auth": base64.urlsafe_b64encode(msgspec.json.encode(shown)).decode()}
        return {}


def _parts(image: str) -> tuple[str, str]:
    """Repository, and tag or digest."""
    if "@" in image:
        repository, _, digest = image.partition("@")
        return repository, digest
    head, colon, tag = image.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (image, "latest")


def _missing(image: str, why: str) -> errors.LaunchError:
    return errors.LaunchError(f"the image {image} cannot be had: {why.rstrip('.')}.", reason="image_missing")
