"""Bodies spoilt in a million ways: each is taken or refused by name, and what was taken is what is there."""

from __future__ import annotations

import json
import random
import socket
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from tests.conftest import BROWSER_SECRET
from tests.faults.conftest import Place
from tests.faults.load import Answer
from tests.faults.times import times

BODIES = times(3_000, 1_000_000)
AT_ONCE = 32
"""Connections, each with one request at a time."""
ALLOWED = {200, 400, 404, 409, 413, 422}
TOKENS = [
    *(b'"', b"\\", b"\\u0000", b"\\ud800", b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"[", b"]", b"{", b"}"),
    *(b"null", b"true", b"-1", b"0", b"1e308", b"99999999999999999999", b"NaN", b",", b":", b" ", b"\n"),
    *(b'"__proto__"', b'"id"', b'"type"', b'"dismissal"', b'"impression"', b'"response"', b'"identity"', b'"state"'),
]
"""What parsers and stores have stumbled over."""


def seeds(place: Place) -> Iterator[bytes]:
    """Bodies as a browser sends them, of every kind, for ever."""
    common = {
        "survey": place.survey["key"],
        "revision": 1,
        "page": "https://shop.example/a?b=ü",
        "language": "en",
        "secret": BROWSER_SECRET,
    }
    for number in range(10**9):
        answer = Answer(number)
        shown = {"type": "impression", "id": answer.impression, **common}
        given = {**answer.event(place.survey, 1 + number % 3), "email": "a@example.com", **common}
        closed = {"type": "dismissal", "id": answer.impression, **common}
        events = ([shown], [shown, given], [given], [given, closed])[number % 4]
        yield json.dumps({"visitor": None, "events": events}).encode()


def spoilt(place: Place, chance: random.Random) -> Iterator[bytes]:
    """The same with some bytes changed, dropped, repeated or put in; every tenth is left as it is."""
    for seed in seeds(place):
        body = bytearray(seed)
        for _ in range(chance.choice((0, 1, 1, 1, 1, 2, 2, 3, 5, 9))):
            at = chance.randrange(len(body) + 1)
            kind = chance.randrange(5)
            if kind == 0:
                body[at:at] = chance.choice(TOKENS)
            elif kind == 1:
                body[at : at + chance.randrange(1, 9)] = chance.choice(TOKENS)
            elif kind == 2:
                del body[at : at + chance.randrange(1, 40)]
            elif kind == 3:
                body[at:at] = body[at : at + chance.randrange(1, 200)]
            else:
                body[at : at + 1] = bytes([chance.randrange(256)])
        yield bytes(body)


class Connection:
    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 30)
        self._reader = self._socket.makefile("rb")

    def send(self, head: bytes, body: bytes) -> None:
        self._socket.sendall(b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body))

    def answer(self) -> tuple[int, bytes]:
        status = int(self._reader.readline().split()[1])
        length = 0
        while (line := self._reader.readline()) != b"\r\n":
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        return status, self._reader.read(length)

    def close(self) -> None:
        self._reader.close()
        self._socket.close()


def test_spoilt_bodies_are_stored_whole_or_refused(shared_place: Place) -> None:
    head = f"POST /w/{shared_place.site.key}/events HTTP/1.1\r\nHost: collector.test\r\n".encode()
    statuses: Counter[int] = Counter()
    stored: set[str] = set()
    connections = [Connection(shared_place.collector.port) for _ in range(AT_ONCE)]
    bodies = islice(spoilt(shared_place, random.Random(6)), BODIES)
    try:
        while batch := list(islice(bodies, AT_ONCE)):
            for connection, body in zip(connections, batch, strict=False):
                connection.send(head, body)
            for connection, body in zip(connections, batch, strict=False):
                status, text = connection.answer()
                statuses[status] += 1
                assert status in ALLOWED, (status, body, text)
                if status == 200:
                    stored.update(one.replace("-", "") for one in json.loads(text)["stored"])
    finally:
        for connection in connections:
            connection.close()
    assert statuses.total() == BODIES
    assert min(statuses[200], statuses[400], statuses[422]) > BODIES / 50, statuses
    found = shared_place.audit()
    answers = {row[0] for row in found.responses}
    shown = {name for name, _ in found.impressions}
    assert answers <= stored <= answers | shown
    assert shown - stored <= {row[1] for row in found.responses}  # an answer says that it was shown
    assert found.differences == []
