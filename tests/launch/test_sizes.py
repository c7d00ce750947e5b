"""Amounts of memory as people write them."""

import pytest

from headrace import errors
from headrace.launch import sizes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512Mi", 512 * 2**20),
        ("2Gi", 2 * 2**30),
        ("1.5GiB", 3 * 2**29),
        ("1G", 10**9),
        ("500 MB", 500 * 10**6),
        ("1048576", 2**20),
    ],
)
def test_a_number_with_a_unit(text: str, size: int) -> None:
    assert sizes.memory(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1Gi", "0", "0.0Gi", "1e9", "1gi", "1Gi2", "٣Gi", "i", "1i"])
def test_what_is_no_amount_is_named(text: str) -> None:
    with pytest.raises(errors.LaunchError, match="no amount of memory") as refused:
        sizes.memory(text)
    assert refused.value.reason == "not_admitted"
