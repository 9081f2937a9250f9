"""Where a site's tag was seen: what tells its owner that it is in their pages."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from collector.errors import Unavailable

EVERY_SECONDS = 3600.0
"""A site's tag is written down once in so long."""
_PAGE = re.compile(rb"https?://([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?(?:[/?#]|$)")

_ASKED_FOR = (b"script", b"empty")
"""By a tag, or by the pinned loader that one brought."""

Write = Callable[[str, str], Awaitable[None]]
"""Writes down a site's key and a host. It may raise `Unavailable`."""


class Sightings:
    """Notes requests for the scripts of sites that there are, so that what it remembers is bounded by those."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._next: dict[str, float] = {}
        self._underway: set[asyncio.Task[None]] = set()

    def note(self, key: str, headers: Mapping[bytes, bytes]) -> None:
        """A script, or what is in one, was asked for with these headers; it counts where they name its page."""
        now = time.monotonic()
        if now < self._next.get(key, 0.0):
            return
        page = _PAGE.match(headers.get(b"referer", b""))
        if page is None or headers.get(b"sec-fetch-dest", b"script") not in _ASKED_FOR:
            return
        self._next[key] = now + EVERY_SECONDS
        task = asyncio.create_task(self._note(key, page[1].decode().lower()))
        self._underway.add(task)
        task.add_done_callback(self._underway.discard)

    async def _note(self, key: str, host: str) -> None:
        try:
            await self._write(key, host)
        except Unavailable:
            self._next.pop(key, None)  # the next request tries again

    async def close(self) -> None:
        """Wait for what is being written."""
        while self._underway:
            with suppress(asyncio.CancelledError):
                await asyncio.wait(set(self._underway))
