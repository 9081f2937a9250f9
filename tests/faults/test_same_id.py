"""One answer that is sent many times at once, from many connections and to several collectors."""

from __future__ import annotations

import json
from collections import Counter

from tests.faults.at_once import send_at_once
from tests.faults.conftest import Place
from tests.faults.load import Answer

TIMES = 1000


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
