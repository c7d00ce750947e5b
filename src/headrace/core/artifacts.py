"""Artifacts: how large they may be, and which bytes are an image that browsers show and that carries no script."""

#: Bytes of a markdown text, of a table as JSON, of an image, of a link's address; characters of a title or a key.
MARKDOWN_BYTES = 512 * 1024
TABLE_BYTES = 2 * 1024 * 1024
IMAGE_BYTES = 5 * 1024 * 1024
URL_CHARACTERS = 2000
TITLE_CHARACTERS = 200
#: Columns and rows of a table.
COLUMNS = 200
ROWS = 10_000
#: Artifacts of one run; those that are made after them are not kept.
MOST = 1000
#: Bytes of all artifacts of one run together.
MOST_BYTES = 256 * 1024 * 1024

#: What is taken for an image. SVG is not among them: it is a document that may hold scripts.
ENDINGS = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp"}


def media_type(data: bytes) -> str:
    """What kind of image these bytes are, whatever anybody says of them; "" for anything else."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return ""


def is_link(url: str) -> bool:
    """Whether it is an address that a page may link to: of the web, and not one that runs a script."""
    begins = url.lower().startswith(("https://", "http://"))
    clean = url.isprintable() and not any(character in " \"'<>\\`" for character in url)
    return begins and clean and len(url) <= URL_CHARACTERS and len(url.split("://", 1)[1]) > 0


def is_key(key: str) -> bool:
    """Whether it may name an artifact from run to run; "" names none."""
    return len(key) <= TITLE_CHARACTERS and key.isprintable() and key == key.strip()
