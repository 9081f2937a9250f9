"""A collector that is killed or stopped while answers come in."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from collector.db.sqlite import FileLock
from tests.faults.conftest import Collector, Place
from tests.faults.load import Answer, Reply, Wire
from tests.faults.times import times
from tests.postgres import Cluster, wait_until

KILLS = times(3, 100)
STOPS = times(1, 100)
READY_SECONDS = 5.0
IN_FLIGHT = 20
HELD_UP_SECONDS = 0.5
"""How long they are still under way after the signal."""


def test_no_acknowledged_answer_is_lost_when_the_collector_is_killed_or_stopped(place: Place) -> None:
    chance, slowest = random.Random(1), 0.0
    ends = ["kill"] * KILLS + ["stop"] * STOPS
    chance.shuffle(ends)
    with place.load() as load:
        for how in ends:
            load.wait_for(chance.randrange(1, 200))
            if how == "kill":
                place.collector.stop(signal.SIGKILL)
            else:
                place.collector.end()
            place.collector.start()
            slowest = max(slowest, place.collector.start_seconds)
        load.wait_for(1)
        place.end(load)
    place.collector.check_data()
    assert load.losses >= len(ends), "nobody was there to notice"
    assert slowest < READY_SECONDS, f"ready only after {slowest:.1f} seconds"


def test_requests_in_flight_are_answered_before_a_stop(place: Place, request: pytest.FixtureRequest) -> None:
    answers = [Answer(number) for number in range(IN_FLIGHT)]
    wires = [Wire(place.collector.port) for _ in answers]

    async def send(wire: Wire, answer: Answer) -> Reply:
        body = json.dumps({"events": [answer.event(place.survey, 1)]}).encode()
        return await wire.post(place.site.key, body)

    async def send_all() -> list[Reply]:
        return await asyncio.gather(*map(send, wires, answers))

    def are_in_flight() -> bool:
        return all(wire.has_asked for wire in wires) and in_flight(place.collector) == IN_FLIGHT

    with start_blocking_portal() as portal:
        with held_up(place, request):
            replies = portal.start_task_soon(send_all)
            wait_until(are_in_flight, lambda: "some have not arrived")
            began = time.monotonic()
            os.kill(place.collector.pid, signal.SIGTERM)
            wait_until(lambda: not listens(place.collector.port), lambda: "it still listens")
            assert not place.collector.has_ended(HELD_UP_SECONDS)
            assert not replies.done()
        assert [reply.status for reply in replies.result(20)] == [200] * IN_FLIGHT
    assert place.collector.has_ended(15 - (time.monotonic() - began))
    stored = place.audit()
    assert {row[0] for row in stored.responses} == {answer.id.replace("-", "") for answer in answers}
    assert not stored.differences


def in_flight(collector: Collector) -> int:
    """Connections of which the collector has read all that was sent."""
    collector.http.close()  # the one that asked whether it is ready
    rows = [line.split() for line in Path(f"/proc/{collector.pid}/net/tcp").read_text().splitlines()[1:]]
    port, established, nothing = f":{collector.port:04X}", "01", "00000000"
    mine = [row for row in rows if row[1].endswith(port) and row[3] == established]
    return sum(row[4].partition(":")[2] == nothing for row in mine)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def held_up(place: Place, request: pytest.FixtureRequest) -> Iterator[None]:
    """While this lasts, no answer can be stored: someone else has the turn."""
    url = place.collector.store
    if url.startswith("sqlite:"):
        lock = FileLock(Path(url.removeprefix("sqlite:///") + ".lock"))
        wait_until(lock.try_hold, lambda: "the turn never comes")
        try:
            yield
        finally:
            lock.close()
        return
    cluster: Cluster = request.getfixturevalue("postgres")
    with subprocess.Popen(
        [cluster.binaries / "psql", "-XAt", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as session:
        assert session.stdin
        assert session.stdout
        session.stdin.write("BEGIN; LOCK TABLE rollups;\n")
        assert [session.stdout.readline() for _ in range(2)] == ["BEGIN\n", "LOCK TABLE\n"]
        yield
        session.stdin.close()
