"""Pictures as people upload them."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image


def picture(
    width: int = 80, height: int = 40, kind: str = "PNG", mode: str = "RGB", color: Any = "teal", **options: Any
) -> bytes:
    """A file with a picture of one colour."""
    file = io.BytesIO()
    Image.new(mode, (width, height), color).save(file, kind, **options)
    return file.getvalue()


PIXEL = picture(1, 1)
