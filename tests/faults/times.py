"""How often a test tries its luck: a few times in ``make test``, more with ``FAULTS=long``."""

from __future__ import annotations

import os


def times(short: int, long: int) -> int:
    return long if os.environ.get("FAULTS") == "long" else short
