"""What an image and a link are, by their bytes and characters."""

import pytest

from headrace.core import artifacts


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n...", "image/png"),
        (b"\xff\xd8\xff\xe0...", "image/jpeg"),
        (b"GIF89a...", "image/gif"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x10\x00\x00\x00WAVEfmt ", ""),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", ""),
        (b"<html>\x89PNG\r\n\x1a\n", ""),
        (b"", ""),
    ],
)
def test_an_image_is_known_by_its_bytes(data: bytes, kind: str) -> None:
    assert artifacts.media_type(data) == kind
    assert not kind or kind in artifacts.ENDINGS


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("https://example.com/a?b=c#d", True),
        ("HTTP://example.com", True),
        ("javascript:alert(1)", False),
        ("data:text/html,hello", False),
        ("//example.com", False),
        ("https://", False),
        ("https://a b", False),
        ("https://a\n", False),
        ('https://a"onclick="x', False),
        ("https://" + "a" * 2000, False),
    ],
)
def test_a_link_leads_into_the_web(url: str, fine: bool) -> None:
    assert artifacts.is_link(url) is fine
