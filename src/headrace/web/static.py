"""The built UI: files held in memory with their compressed forms, and the page for every address that is the UI's own."""

import dataclasses
import hashlib
import mimetypes
from pathlib import Path

from headrace import errors
from headrace.web.replies import Reply, gzipped

#: The build puts a digest into the names of what lies here, so it never changes.
_IMMUTABLE = "assets/"
_TEXT = ("text/", "application/javascript", "application/json", "image/svg+xml", "application/manifest+json")


@dataclasses.dataclass(frozen=True)
class _File:
    media_type: str
    content: bytes
    compressed: bytes | None
    etag: bytes


class Static:
    """Files under one folder. Only names that were found there when it was made are ever served."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
        self._files: dict[str, _File] = {}

    def reply(self, path: str, headers: dict[bytes, bytes]) -> Reply:
        """The file of this path, or the UI's page for an address without one."""
        name = path.lstrip("/") if path.count("/", 0, 2) < 2 else ""
        if name not in self._paths:
            if name.startswith(_IMMUTABLE) or b"text/html" not in headers.get(b"accept", b"text/html"):
                raise errors.NotFound("there is no such file")
            name = "index.html"
        if name not in self._paths:
            raise errors.NotFound(
                "this installation has no user interface: build it with `make ui`, or use the API"
            )
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = self._load(name)
        return _reply(file, headers, immutable=name.startswith(_IMMUTABLE))

    def _load(self, name: str) -> _File:
        content = self._paths[name].read_bytes()
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        if media_type == "text/javascript":
            media_type = "text/javascript; charset=utf-8"
        compressed = None
        if media_type.startswith(_TEXT):
            beside = self._paths.get(f"{name}.gz")
            compressed = beside.read_bytes() if beside else gzipped(content, 6)
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'.encode()
        return _File(media_type, content, compressed, etag)


def _reply(file: _File, headers: dict[bytes, bytes], *, immutable: bool) -> Reply:
    caching = b"public, max-age=31536000, immutable" if immutable else b"no-cache"
    sent = [(b"etag", file.etag), (b"cache-control", caching), (b"vary", b"accept-encoding")]
    if file.etag in headers.get(b"if-none-match", b""):
        return Reply(304, sent)
    sent.append((b"content-type", file.media_type.encode()))
    if file.compressed is not None and b"gzip" in headers.get(b"accept-encoding", b""):
        return Reply(200, [*sent, (b"content-encoding", b"gzip")], file.compressed)
    return Reply(200, sent, file.content)
