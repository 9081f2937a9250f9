"""Who is inside one server: what all its connections share, and what those of one address cost together."""

from __future__ import annotations

import asyncio
from collections import Counter
from weakref import WeakKeyDictionary

from uvicorn.server import ServerState


class Door:
    """Who is inside one server: how many by address, and a look at each from time to time."""

    def __init__(self, server_state: ServerState) -> None:
        self.connections = server_state.connections
        self.open: Counter[str] = Counter()
        self.costs: Counter[str] = Counter()
        self._rendered: tuple[list[tuple[bytes, bytes]] | None, bytes] = None, b""
        self._next: asyncio.TimerHandle | None = None

    def rendered(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """The headers that the server adds to every answer, the date among them; it makes new ones each second."""
        known, lines = self._rendered
        if known is not headers:
            lines = b"".join(b"%b: %b\r\n" % header for header in headers)
            self._rendered = headers, lines
        return lines

    def note_cost(self, share: str, change: int) -> int:
        """How many bytes of memory the connections of an address hold up from now on."""
        self.costs[share] += change
        return self.costs[share] or self.costs.pop(share)

    def leave(self, share: str) -> None:
        self.open[share] -= 1
        if not self.open[share]:
            del self.open[share]

    def watch(self, loop: asyncio.AbstractEventLoop, every: float) -> None:
        if self._next is None:
            self._next = loop.call_later(every, self._look, loop, every)

    def _look(self, loop: asyncio.AbstractEventLoop, every: float) -> None:
        self._next = None
        if self.connections:
            self.watch(loop, every)
        now = loop.time()
        for connection in list(self.connections):
            check = getattr(connection, "check_deadlines", None)  # uvicorn's own protocols have none
            if check:
                check(now)


_doors: WeakKeyDictionary[ServerState, Door] = WeakKeyDictionary()


def door_of(server_state: ServerState) -> Door:
    return _doors.get(server_state) or _doors.setdefault(server_state, Door(server_state))
