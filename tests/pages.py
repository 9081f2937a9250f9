"""What a page of the admin says."""

from __future__ import annotations

import re


def plain(text: str) -> str:
    """What a page says, in one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def comments(text: str) -> list[str]:
    return re.findall(r'class="comment" dir="auto">([^<]*)</span>', text)
