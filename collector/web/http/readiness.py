"""Whether an answer could be stored right now, found out by writing something: once a second, however many ask."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from collector.errors import Problem, Unavailable

KEPT_SECONDS = 1.0
LONGEST_SECONDS = 5.0
"""A store that takes longer to write one row keeps answers waiting too long to be called ready."""

log = structlog.get_logger()


class Readiness:
    """Of one process. ``probe`` writes as answers are written, and raises when that cannot be done."""

    def __init__(self, probe: Callable[[], Awaitable[None]]) -> None:
        self._probe = probe
        self._looking: asyncio.Task[None] | None = None
        self._found: Problem | None = None
        self._looked = float("-inf")

    async def check(self) -> None:
        """Raises `Unavailable` if nothing can be stored."""
        if time.monotonic() - self._looked >= KEPT_SECONDS:
            if self._looking is None:
                self._looking = asyncio.create_task(self._look())
            looking = self._looking
            done, _ = await asyncio.wait([looking], timeout=LONGEST_SECONDS)
            if not done:
                raise Unavailable(f"Writing one row to the database took longer than {LONGEST_SECONDS:.0f} seconds.")
        if self._found:
            raise self._found

    async def close(self) -> None:
        if self._looking:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def _look(self) -> None:
        try:
            await self._probe()
            self._found = None
        except Unavailable as problem:
            self._found = problem
        except Exception as error:
            log.error("the store cannot be written to", exc_info=error)
            self._found = Unavailable()
        finally:
            self._looked = time.monotonic()
            self._looking = None
