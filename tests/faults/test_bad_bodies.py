"""Bodies that nobody sends in good faith: refused at once, at no cost, and nothing of them is stored."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal

from collector.web.http.direct import MOST_BYTES
from tests.conftest import PERSON
from tests.faults.conftest import Place
from tests.faults.load import Answer, Reply, Wire
from tests.faults.times import times

ROUNDS = times(5, 100)
MOST_GROWTH = 20 * 1024 * 1024
"""Bytes."""
_numbers = count()
CHUNKED = "Transfer-Encoding: chunked\r\n"


def good(place: Place) -> dict[str, Any]:
    return {**Answer(0).event(place.survey, 1), "impression": None}


def bad_bodies(place: Place) -> Iterator[tuple[str, bytes]]:
    """What each is, and the body."""
    event = good(place)
    body = json.dumps({"events": [event]})
    room = MOST_BYTES - len(body) - 10

    def with_score(score: str) -> bytes:
        return body.replace('"score": 1', f'"score": {score}').encode()

    def with_text(name: str, value: bytes) -> bytes:
        return json.dumps({"events": [{**event, name: "HERE"}]}).encode().replace(b"HERE", value)

    yield "one byte too many", body.ljust(MOST_BYTES + 1).encode()
    yield "a megabyte", body.ljust(1_000_000).encode()
    yield "100,000 brackets", b"[" * 100_000
    yield "as many brackets as fit", b'{"events":' + b"[" * (MOST_BYTES - 20)
    yield "as many braces as fit", b'{"events":[' + b'{"a":' * (MOST_BYTES // 5 - 10)
    yield "deep inside of an event", with_score("[" * (room // 2) + "]" * (room // 2))
    yield "a number of a million digits", with_score("9" * 1_000_000)
    yield "a number of as many digits as fit", with_score("9" * room)
    yield "a negative one", with_score("-" + "9" * room)
    yield "a fraction of as many", with_score("0." + "9" * room)
    yield "an exponent of as many", with_score("1e" + "9" * room)
    yield "a number beyond what is counted", with_score("1e400")
    yield "no number", with_score("NaN")
    yield "endless", with_score("Infinity")
    yield "a raw NUL", with_text("comment", b"a\0b")
    yield "NUL alone", b"\0" * 1000
    yield "NUL in the id", with_text("id", b"\\u0000")
    yield "NUL in the survey", with_text("survey", b"\\u0000")
    yield "a lone surrogate in UTF-8", with_text("comment", b"\xed\xa0\x80")
    yield "a lone surrogate in the id", with_text("id", b"\\ud800")
    yield "a lone surrogate in the survey", with_text("survey", b"\\ud800")
    yield "no UTF-8", with_text("comment", b"\xff\xfe")
    yield "UTF-16", body.encode("utf-16")
    yield "a key twice", body.replace('"score": 1', '"score": 1, "score": 1').encode()
    yield "events twice", body.replace('"events"', '"events": [], "events"').encode()
    yield "a text too long", with_text("comment", b"a" * 10_001)
    yield "nothing", b""
    yield "no object", b"null"
    yield "no events", b'{"events": []}'
    yield "more events than one request has", json.dumps({"events": [event] * 51}).encode()
    yield "not to the end", body.encode()[:-3]


def requests(place: Place) -> Iterator[tuple[str, bytes]]:
    """What each is, and all of its bytes."""
    for what, body in bad_bodies(place):
        yield what, head(place, f"Content-Length: {len(body)}\r\n") + body
        if len(body) <= 1000:
            yield f"{what}, in pieces", head(place, CHUNKED) + chunked(body, 7)
    whole = json.dumps({"events": [good(place)]}).encode()
    for encoding in ("gzip", "br", "deflate", "GZIP"):
        packed = gzip.compress(b"0" * 10_000_000)
        yield encoding, head(place, f"Content-Encoding: {encoding}\r\nContent-Length: {len(packed)}\r\n") + packed
    yield "gzip in name only", head(place, f"Content-Encoding: gzip\r\nContent-Length: {len(whole)}\r\n") + whole
    yield "too much in pieces", head(place, CHUNKED) + chunked(whole.ljust(MOST_BYTES + 1), 4096)
    yield "too much byte for byte", head(place, CHUNKED) + chunked(whole.ljust(MOST_BYTES + 1), 1)
    yield "a length that is none", head(place, "Content-Length: many\r\n") + whole
    yield "a negative length", head(place, "Content-Length: -1\r\n") + whole
    yield "a length of a million digits", head(place, f"Content-Length: {'9' * 1_000_000}\r\n") + whole


def head(place: Place, headers: str) -> bytes:
    """With a user agent that was not seen before."""
    agent = f"User-Agent: {PERSON} Build/{next(_numbers)}\r\n"
    return f"POST /w/{place.site.key}/events HTTP/1.1\r\nHost: collector.test\r\n{agent}{headers}\r\n".encode()


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def ask(place: Place, data: list[bytes]) -> list[Reply]:
    """Each over a connection of its own, eight at a time."""

    async def send(one: bytes) -> Reply:
        async with turns:
            wire = Wire(place.collector.port)
            try:
                return await wire.send(one)
            finally:
                wire.close()

    async def send_all() -> list[Reply]:
        return await asyncio.gather(*map(send, data))

    turns = asyncio.Semaphore(8)
    with start_blocking_portal() as portal:
        return portal.call(send_all)


def test_bad_bodies_are_refused_and_cost_nothing(shared_place: Place) -> None:
    ask(shared_place, list(dict(requests(shared_place)).values()))  # once for what is loaded the first time
    forget_peak(shared_place)
    before = shared_place.collector.memory("VmRSS")

    for _ in range(ROUNDS):
        named = dict(requests(shared_place))
        replies = ask(shared_place, list(named.values()))
        statuses = {what: reply.status for what, reply in zip(named, replies, strict=True)}
        assert {what: status for what, status in statuses.items() if not 400 <= status < 500} == {}
    assert shared_place.collector.memory("VmHWM") - before < MOST_GROWTH
    stored = shared_place.audit()
    assert (stored.responses, stored.impressions, stored.differences) == ([], [], [])

    body = json.dumps({"events": [good(shared_place)]}).encode()
    assert ask(shared_place, [head(shared_place, f"Content-Length: {len(body)}\r\n") + body])[0].status == 200
    assert len(shared_place.audit().responses) == 1


def forget_peak(place: Place) -> None:
    """From now on VmHWM is the most that it has since."""
    Path(f"/proc/{place.collector.pid}/clear_refs").write_text("5")


def test_what_no_database_keeps_costs_no_answer(shared_place: Place) -> None:
    for what in ("\\u0000", "\\ud800", "\\udfff\\ud800", "\\ud83d"):
        answer = {**good(shared_place), "comment": "HERE"}
        body = json.dumps({"events": [answer]}).replace("HERE", f"a{what}b").encode()
        (reply,) = ask(shared_place, [head(shared_place, f"Content-Length: {len(body)}\r\n") + body])
        assert reply.status == 200
        comments = {row[0]: row[4] for row in shared_place.audit().responses}
        assert comments[answer["id"].replace("-", "")] == "a" + "\ufffd" * what.count("u") + "b"
