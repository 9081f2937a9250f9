"""How often a fault is caused: a little with every test run, the full count in `make test-faults`."""

from __future__ import annotations

import os


def times(short: int, long: int) -> int:
    return long if os.environ.get("FAULTS") == "long" else short
