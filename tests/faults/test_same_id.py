"""One answer that is sent many times at once, from many connections and to several collectors."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

from anyio.from_thread import start_blocking_portal

from tests.faults.conftest import Place
from tests.faults.load import Answer, Reply, Wire

TIMES = 1000
CONNECTIONS = 100


def test_answer_sent_a_thousand_times_at_once_is_stored_once(shared_place: Place) -> None:
    answer = Answer(0)
    shown, given = (answer.event(shared_place.survey, state) for state in (0, 1))
    (first,) = send_at_once(shared_place, [{"events": [shown]}])
    visitor = first.json()["visitor"]

    replies = send_at_once(shared_place, [{"events": [shown, given], "visitor": visitor}] * TIMES)
    assert {(reply.status, reply.body) for reply in replies} == {
        (200, json.dumps({"stored": [answer.impression, answer.id]}, separators=(",", ":")).encode())
    }
    answer.sent = answer.acknowledged = 1
    assert len(shared_place.audit().responses) == 1
    shared_place.audit().holds([answer])


def test_of_answers_that_contradict_each_other_the_first_is_kept(shared_place: Place) -> None:
    answer = Answer(0)
    given = {**answer.event(shared_place.survey, 1), "impression": None}
    bodies = [{"events": [{**given, "score": number % 5 + 1}]} for number in range(TIMES)]

    replies = send_at_once(shared_place, bodies)
    assert Counter(reply.status for reply in replies) == {200: TIMES // 5, 409: TIMES // 5 * 4}
    kept = {number % 5 + 1 for number, reply in enumerate(replies) if reply.status == 200}
    assert len(kept) == 1, f"told that they are stored: {kept}"
    assert all(reply.json()["permanent"] for reply in replies if reply.status == 409)
    (row,) = shared_place.audit().responses
    assert (row[2], row[3]) == (1, kept.pop())
    assert not shared_place.audit().differences


def test_of_many_states_at_once_the_highest_is_kept(shared_place: Place) -> None:
    given = {**Answer(0).event(shared_place.survey, 1), "impression": None}
    bodies = [{"events": [{**given, "state": state, "comment": f"state {state}"}]} for state in range(1, 201)]

    replies = send_at_once(shared_place, bodies)
    assert {reply.status for reply in replies} <= {200, 409}
    assert replies[-1].status == 200, "nothing is above it"
    ((_, _, state, _, comment, _),) = shared_place.audit().responses
    assert (state, comment) == (200, "state 200")
    assert not shared_place.audit().differences


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
