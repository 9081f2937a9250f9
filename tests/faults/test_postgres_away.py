"""A PostgreSQL that goes away, fails over or says nothing: no acknowledged answer is lost, and nobody need help."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2 as httpx
import pytest

from collector.web.visitors.cache import FRESH_SECONDS
from tests.faults.conftest import Place, furnish
from tests.faults.load import Answer, Load
from tests.faults.times import times
from tests.postgres import Cluster, running, wait_until

pytestmark = pytest.mark.usefixtures("postgres_installed")

STOPS = times(1, 20)
FAILOVERS = times(1, 50)
DATABASE = "answers"
LONGER_THAN_FRESH = FRESH_SECONDS + 0.2
"""Seconds: by then, what is kept was looked for again."""
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"

Begin = Callable[..., Place]


@dataclass
class Pair:
    """A primary whose every commit waits for its standby, with a furnished database."""

    primary: Cluster
    standby: Cluster
    token: str

    def store(self, *, standby_first: bool = False) -> tuple[str, str]:
        ports = [self.primary.port, self.standby.port][:: -1 if standby_first else 1]
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        return f"postgresql://tevreden@{hosts}/{DATABASE}", self.token


@contextmanager
def made_pair() -> Iterator[Pair]:
    with running(durable=False) as primary:
        token = furnish(primary.create_database(DATABASE))
        yield Pair(primary, primary.add_standby(), token)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """For tests that leave both running as they were."""
    with made_pair() as pair:
        yield pair


@pytest.fixture
def server() -> Iterator[Cluster]:
    with running(durable=False) as cluster:
        yield cluster


def expect_unavailable(place: Place, load: Load) -> None:
    """Answers are refused, and the script is there as before."""
    before = load.refusals
    load.wait_until(lambda: load.refusals > before, "nobody was refused")
    wait_until(lambda: place.collector.http.get(place.collector.url + "/readyz").status_code == 503, str)
    over = time.monotonic() + LONGER_THAN_FRESH
    while time.monotonic() < over:
        expect_script(place)


def expect_script(place: Place, seconds: float = 10) -> None:
    script = httpx.get(f"{place.collector.url}/w/{place.site.key}.js", timeout=seconds)
    assert script.status_code == 200
    assert place.survey["key"] in script.text


def test_server_that_stops_and_starts_is_found_again(begin: Begin, server: Cluster) -> None:
    url = server.create_database(DATABASE)
    place = begin((url, furnish(url)))
    expect_script(place)
    chance = random.Random(6)
    with place.load() as load:
        for _ in range(STOPS):
            load.wait_for(chance.randrange(1, 200))
            server.stop(chance.choice(("fast", "immediate")))
            expect_unavailable(place, load)
            server.start()
            wait_until(lambda: place.collector.http.get(place.collector.url + "/readyz").status_code == 200, str)
        load.wait_for(100)
        place.end(load)


def test_failover_to_the_standby_loses_and_doubles_no_answer(begin: Begin) -> None:
    chance = random.Random(7)
    for number in range(FAILOVERS):
        with made_pair() as pair:
            place = begin(pair.store())
            with place.load() as load:
                load.wait_for(chance.randrange(50, 300))
                if number % 2 == 0:  # commits are under way that the standby knows nothing of
                    pair.standby.kill()
                    wait_until(lambda: bool(pair.primary.execute(WAITING)), lambda: f"no commit waits: {load}")
                    pair.primary.kill()
                    pair.standby.start()
                else:
                    pair.primary.kill()
                pair.standby.promote()
                load.wait_for(100)
                place.end(load)
            assert load.refusals or load.losses, "nobody noticed"


def test_commit_that_no_standby_has_is_no_acknowledgement(begin: Begin, pair: Pair) -> None:
    place = begin(pair.store())
    answer = Answer(0)
    with without_standby(pair):
        sending = Sending(place, answer)
        wait_until(lambda: bool(pair.primary.execute(WAITING)), lambda: "no commit waits")
        ((pid,),) = pair.primary.execute(WAITING)
        pair.primary.execute(f"SELECT pg_cancel_backend({pid})")
        assert sending.status() == 503
        # It is there all the same, for as long as this server lives.
        count = f"SELECT count(*) FROM responses WHERE id = '{answer.id}'"
        assert pair.primary.execute(count, DATABASE) == [("1",)]

        sending = Sending(place, answer)  # as the widget does; and the server is terminated in the middle of it
        wait_until(lambda: bool(pair.primary.execute(WAITING)), lambda: "no commit waits")
        ((pid,),) = pair.primary.execute(WAITING)
        pair.primary.execute(f"SELECT pg_terminate_backend({pid})")
        assert sending.status() == 503
    assert Sending(place, answer).status() == 200
    assert pair.primary.execute(count, DATABASE) == [("1",)]
    place.collector.end()


def test_collector_that_waits_for_a_standby_stops_in_time(begin: Begin, pair: Pair) -> None:
    place = begin(pair.store())
    with without_standby(pair):
        sending = Sending(place, Answer(0))
        wait_until(lambda: bool(pair.primary.execute(WAITING)), lambda: "no commit waits")
        began = time.monotonic()
        os.kill(place.collector.pid, signal.SIGTERM)
        assert sending.status() != 200
        assert place.collector.has_ended(15 - (time.monotonic() - began))


def test_primary_is_found_wherever_it_stands_in_the_url(begin: Begin, pair: Pair) -> None:
    place = begin(pair.store(standby_first=True))
    assert Sending(place, Answer(0)).status() == 200
    place.collector.end()


def test_script_is_served_while_the_server_does_not_answer(begin: Begin, pair: Pair) -> None:
    place = begin(pair.store())
    expect_script(place)
    over = time.monotonic() + LONGER_THAN_FRESH
    with frozen(pair.primary):
        while time.monotonic() < over:
            expect_script(place)
    place.collector.end()


def test_answers_are_refused_while_the_server_does_not_answer(begin: Begin, pair: Pair) -> None:
    place = begin(pair.store())
    assert Sending(place, Answer(0)).status() == 200
    with frozen(pair.primary):
        assert Sending(place, Answer(1)).status() == 503
    wait_until(lambda: Sending(place, Answer(2)).status() == 200, lambda: "it does not recover")
    place.collector.end()


class Sending:
    """One response on its way."""

    def __init__(self, place: Place, answer: Answer) -> None:
        self._url = f"{place.collector.url}/w/{place.site.key}/events"
        self._body = json.dumps({"events": [{**answer.event(place.survey, 1), "impression": None}]})
        self._status: int | None = None
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def _send(self) -> None:
        try:
            self._status = httpx.post(self._url, content=self._body, timeout=20).status_code
        except httpx.HTTPError:
            self._status = None

    def status(self) -> int | None:
        """None when there was no reply within 20 seconds."""
        self._thread.join()
        return self._status


@contextmanager
def without_standby(pair: Pair) -> Iterator[None]:
    """Every commit waits until this is over."""
    pair.standby.kill()
    try:
        yield
    finally:
        pair.standby.start()
        streaming = "SELECT sync_state FROM pg_stat_replication"
        wait_until(lambda: pair.primary.execute(streaming) == [("sync",)], pair.standby.output.read_text)


@contextmanager
def frozen(cluster: Cluster) -> Iterator[None]:
    """While this lasts a server says nothing, as one whose machine is gone, and its connections stay open."""
    server = (cluster.data / "postmaster.pid").read_text().split()[0]
    os.kill(int(server), signal.SIGSTOP)  # first, so that it starts no further process
    listed = subprocess.run(["ps", "--ppid", server, "-o", "pid="], capture_output=True, text=True, check=True)
    processes = [int(pid) for pid in (server, *listed.stdout.split())]
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(processes):
            os.kill(pid, signal.SIGCONT)
