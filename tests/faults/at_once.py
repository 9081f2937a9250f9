"""Many bodies that are sent at the same moment."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from anyio.from_thread import start_blocking_portal

from tests.faults.conftest import Place
from tests.faults.load import Reply, Wire

CONNECTIONS = 100


def send_at_once(place: Place, bodies: list[Any], *, ports: list[int] | None = None) -> list[Reply]:
    """Send every body, over a hundred connections that are open before the first is sent; the replies in order."""
    places = ports or [place.collector.port]
    todo = list(enumerate(bodies))[::-1]
    replies: dict[int, Reply] = {}

    async def send_all() -> None:
        wires = [Wire(places[index % len(places)]) for index in range(min(CONNECTIONS, len(bodies)))]
        await asyncio.gather(*(wire.ask("GET /healthz") for wire in wires))
        await asyncio.gather(*map(send, wires))

    async def send(wire: Wire) -> None:
        while todo:
            index, body = todo.pop()
            replies[index] = await wire.post(place.site.key, json.dumps(body).encode())
        wire.close()

    with start_blocking_portal() as portal:
        portal.call(send_all)
    return [replies[index] for index in range(len(bodies))]
