"""What holds for the jobs of one kind, whatever they do; `collector.run.kinds` is the table of all kinds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

INSTALLATION = 0
"""In place of a site's number, for jobs that are about no site."""
MOST_ATTEMPTS = 10
SHARE = 16
"""Jobs of one site and kind that one worker does at the same time, so that others' never wait for all of them."""
LONGEST_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Under which jobs of a kind are claimed, tried and given up."""

    name: str
    share: int = SHARE
    """How many of one site one worker does at the same time."""
    tries: int | None = MOST_ATTEMPTS
    """After so many that failed it is given up; None is never."""
    unknown: Literal["repeat", "stop"] = "repeat"
    """When its worker died at it: do it again under the same id, or give it up, because twice is worse than not."""
    every: timedelta | None = None
    """It comes round, once over all processes: due again so long after it was done."""
    longest_seconds: float = LONGEST_SECONDS
    """A try that takes longer has failed. While it lasts, the lease is kept."""
