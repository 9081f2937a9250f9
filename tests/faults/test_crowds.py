"""Many connections: those that only hold on, those that pretend to be many, and many people behind one address."""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from anyio.from_thread import start_blocking_portal

from collector.settings import PREFIX, Settings
from tests.faults.conftest import UNLIMITED, Place
from tests.faults.load import Answer, Reply, Wire
from tests.faults.times import times

SLOW = times(100, 1000)
SAMPLES = times(200, 2000)
PEOPLE = 500
DEFAULTS = {name: str(Settings.model_fields[name.removeprefix(PREFIX).lower()].default) for name in UNLIMITED}
SMALL_SHARE = 5
"""Requests a minute."""


@pytest.fixture
def many_files() -> Iterator[None]:
    """A file for every connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_slow_senders_are_shown_out_and_keep_nobody_waiting(
    begin: Callable[..., Place], sqlite_store: tuple[str, str]
) -> None:
    place = begin(sqlite_store)
    body = json.dumps({"events": [Answer(0).event(place.survey, 1)]}).encode()
    request = f"POST /w/{place.site.key}/events HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    held: list[float] = []

    async def drip(data: bytes, sent: int) -> None:
        """Send the first so many bytes at once, then one each second, until the other side has had enough."""
        reader, writer = await asyncio.open_connection("127.0.0.1", place.collector.port)
        began = time.monotonic()
        writer.write(data[:sent])
        closed = asyncio.ensure_future(reader.read())
        for byte in data[sent:]:
            writer.write(bytes([byte]))
            done, _ = await asyncio.wait([closed], timeout=1)
            if done:
                break
        held.append(time.monotonic() - began)
        closed.cancel()
        writer.close()

    async def crowd() -> tuple[list[float], list[float]]:
        before = await sample(place)
        slow = [asyncio.create_task(drip(request + body, sent)) for sent in split(len(request), SLOW)]
        during = [await sample(place, share=10) for _ in range(10)]
        await asyncio.gather(*slow)
        return before, [one for part in during for one in part]

    with start_blocking_portal() as portal:
        before, during = portal.call(crowd)
    assert len(held) == SLOW
    assert max(held) < 15
    assert min(held) > 5, "they were not let in at all"
    if SLOW == 1000:
        usual, crowded = (statistics.quantiles(one, n=100)[98] for one in (before, during))
        assert crowded <= 2 * usual, f"99 of 100 in {usual * 1000:.1f} ms without, {crowded * 1000:.1f} ms with them"
    assert place.audit().responses == []
    place.collector.end()


def split(head: int, number: int) -> list[int]:
    """Half of them are slow with the head, half with the body."""
    return [0] * (number // 2) + [head + 1] * (number - number // 2)


async def sample(place: Place, share: int = 1) -> list[float]:
    """How long each of some requests of others takes, in seconds."""
    wire, took = Wire(place.collector.port), []
    for _ in range(SAMPLES // share):
        body = json.dumps({"events": [Answer(0).event(place.survey, 0)]}).encode()
        began = time.perf_counter()
        assert (await wire.post(place.site.key, body)).status == 200
        took.append(time.perf_counter() - began)
    wire.close()
    return took


def test_forged_addresses_share_one_allowance(begin: Callable[..., Place], sqlite_store: tuple[str, str]) -> None:
    place = begin(sqlite_store, TEVREDEN_RATE_PER_ADDRESS=str(SMALL_SHARE))
    replies = from_addresses(place, [f"X-Forwarded-For: 203.0.113.{number}\r\n" for number in range(20)])
    assert Counter(reply.status for reply in replies) == {200: SMALL_SHARE, 429: 20 - SMALL_SHARE}
    late = replies[-1]
    assert 1 <= int(late.headers["retry-after"]) <= 60 / SMALL_SHARE + 1
    assert late.headers["access-control-allow-origin"] == "*"
    assert not late.json().get("permanent")
    assert len(place.audit().responses) == SMALL_SHARE


def test_addresses_that_a_trusted_proxy_names_have_allowances_of_their_own(
    begin: Callable[..., Place], sqlite_store: tuple[str, str]
) -> None:
    place = begin(sqlite_store, TEVREDEN_RATE_PER_ADDRESS=str(SMALL_SHARE), TEVREDEN_TRUSTED_PROXIES="127.0.0.1")
    named = [f"X-Forwarded-For: 203.0.113.{number}\r\n" for number in range(20)]
    assert Counter(reply.status for reply in from_addresses(place, named)) == {200: 20}
    # what stands before the address that the proxy itself added was made up by the client
    made_up = [f"X-Forwarded-For: 198.51.100.{number}, 203.0.113.77\r\n" for number in range(20)]
    replies = from_addresses(place, made_up)
    assert Counter(reply.status for reply in replies) == {200: SMALL_SHARE, 429: 20 - SMALL_SHARE}


def test_five_hundred_people_behind_one_address_are_all_heard(
    begin: Callable[..., Place], sqlite_store: tuple[str, str]
) -> None:
    place = begin(sqlite_store, **DEFAULTS)
    answers = [Answer(number) for number in range(PEOPLE)]

    async def visit(answer: Answer) -> list[int]:
        wire, seen = Wire(place.collector.port), []
        for state in range(3):
            body = json.dumps({"events": [answer.event(place.survey, state)]}).encode()
            seen.append((await wire.post(place.site.key, body)).status)
        wire.close()
        return seen

    async def visit_all() -> list[list[int]]:
        return await asyncio.gather(*map(visit, answers))

    with start_blocking_portal() as portal:
        assert portal.call(visit_all) == [[200] * 3] * PEOPLE
    for answer in answers:
        answer.sent = answer.acknowledged = 2
    place.audit().holds(answers)


def from_addresses(place: Place, headers: list[str]) -> list[Reply]:
    """One answer with each of some headers, one after the other."""

    async def send() -> list[Reply]:
        wire = Wire(place.collector.port)
        replies = []
        for number, header in enumerate(headers):
            body = json.dumps({"events": [{**Answer(number).event(place.survey, 1), "impression": None}]}).encode()
            replies.append(await wire.post(place.site.key, body, header))
        wire.close()
        return replies

    with start_blocking_portal() as portal:
        return portal.call(send)
