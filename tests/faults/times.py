"""How often a fault comes: a few times in ``make test``, as often as anybody could wish in ``make test-faults``."""

from __future__ import annotations

import os

IS_LONG = os.environ.get("FAULTS") == "long"


def times(short: int, long: int) -> int:
    """The count for this run."""
    return long if IS_LONG else short
