"""Requests that are sent without reading the answers: what a connection has in flight is bounded in memory."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Iterator

import pytest

from tests.faults.conftest import Place
from tests.faults.load import Answer

CONNECTIONS = 20
MOST_PER_CONNECTION = 1024 * 1024
"""Bytes of memory."""
MOST_SENT = 32 * 1024 * 1024
"""Bytes by one connection, far above what it may cost."""
STUCK_SECONDS = 1.0
"""After which a socket that takes nothing more counts as paused."""


def requests(place: Place) -> Iterator[tuple[str, bytes]]:
    """What each is, and one of them."""
    key, host = place.site.key, b"Host: a\r\n"
    yield "the script", b"GET /w/%b.js HTTP/1.1\r\n%b\r\n" % (key.encode(), host)
    yield "a page", b"GET /healthz HTTP/1.1\r\n%b\r\n" % host
    yield "nothing that is there", b"GET / HTTP/1.1\r\n%b\r\n" % host
    yield "the sign-in page", b"GET /admin/sign-in HTTP/1.1\r\n%b\r\n" % host
    yield "with many headers", b"GET /healthz HTTP/1.1\r\n%b%b\r\n" % (host, b"a:\r\n" * 90)
    body = json.dumps({"events": [Answer(0).event(place.survey, 1)]}).encode()
    for what, sent in (("answers", body), ("large bodies", body.ljust(60_000))):
        yield (
            what,
            b"POST /w/%b/events HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n" % (key.encode(), host, len(sent)) + sent,
        )


def push(place: Place, request: bytes) -> list[socket.socket]:
    """Send the same again and again over many connections and read nothing, until none takes more."""
    opened = [socket.create_connection(("127.0.0.1", place.collector.port)) for _ in range(CONNECTIONS)]
    many = request * max(1, 65536 // len(request))
    left = dict.fromkeys(opened, MOST_SENT)
    at = dict.fromkeys(opened, 0)
    for one in opened:
        one.setblocking(False)
    last = time.monotonic()
    while left and time.monotonic() - last < STUCK_SECONDS:
        for one in select.select([], list(left), [], 0.1)[1]:
            try:
                sent = one.send(many[at[one] :])
            except ConnectionError:
                del left[one]
                continue
            last = time.monotonic()
            at[one] = (at[one] + sent) % len(many)
            left[one] -= sent
            if left[one] <= 0:
                del left[one]
    return opened


@pytest.mark.parametrize("number", range(7))
def test_connection_that_pipelines_without_reading_costs_a_megabyte_at_most(shared_place: Place, number: int) -> None:
    what, request = list(requests(shared_place))[number]
    with socket.create_connection(("127.0.0.1", shared_place.collector.port)) as once:  # what is loaded the first time
        once.sendall(request)
        assert once.recv(100).startswith(b"HTTP/1.1 ")
    before = shared_place.collector.memory("VmRSS")
    opened = push(shared_place, request)
    try:
        grown = (shared_place.collector.memory("VmRSS") - before) / CONNECTIONS
        assert grown <= MOST_PER_CONNECTION, f"{what}: {grown / 1024:.0f} KiB"
        began = time.monotonic()
        assert shared_place.site.http.get(f"{shared_place.collector.url}/healthz").status_code == 200
        assert time.monotonic() - began < 5
    finally:
        for one in opened:
            one.close()
