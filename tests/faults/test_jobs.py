"""Whoever does the jobs is killed under load: each answer stays once, and each of its webhooks arrives."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from subprocess import STDOUT, Popen
from typing import Any

import httpx2 as httpx
import pytest

from collector.db.ids import new_id
from tests.conftest import BROWSER_SECRET, PERSON, ROOT, Process, Site, add_site
from tests.faults.times import times
from tests.postgres import Cluster, wait_until
from tests.receiver import OWN_NETWORK, Receiver, answering, receiving

KILLS = times(2, 100)
VISITORS = 4
PAUSE = 0.02
"""Seconds between two requests of one visitor: 200 a second in all, at most."""

Query = Callable[[str], list[tuple[Any, ...]]]


class Mortal(Process):
    """A collector or worker with short leases, of which several may run on one store."""

    _starts = 0

    def start(self) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TEVREDEN_")}
        with self.output.open("ab") as output:
            self._process = Popen(
                [sys.executable, "-m", "tests.faults.short_lease", *self.arguments],
                cwd=self.folder,
                env={**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1", **self.environment},
                stdout=output,
                stderr=STDOUT,
            )

        self._starts += 1

    def wait_ready(self) -> None:
        def is_ready() -> bool:
            assert self._process
            assert self._process.poll() is None, self.output.read_text()
            if self.arguments == ("worker",):
                return self.output.read_text().count("working") == self._starts
            try:
                return self.http.get(self.url + "/readyz").status_code == 200
            except httpx.TransportError:
                return False

        wait_until(is_ready, self.output.read_text)


class Visitors:
    """People who answer one after the other; what is not acknowledged is sent again, as the widget does."""

    def __init__(self, site: Site, survey: dict[str, Any]) -> None:
        self._url = f"{site.url}/w/{site.key}/events"
        self._survey = survey
        self._stopping, self._giving_up = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=self._answer) for _ in range(VISITORS)]
        self.acknowledged: Counter[tuple[str, str]] = Counter()
        """Which response, and what of it; the ids in hex."""
        self.troubles: list[str] = []

    def __enter__(self) -> Visitors:
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """What was begun is sent until it is acknowledged, unless the test has failed already."""
        self._stopping.set()
        if kind:
            self._giving_up.set()
        for one in self._threads:
            one.join(60)
            assert not one.is_alive(), "an answer was never acknowledged"

    def _answer(self) -> None:
        with httpx.Client(timeout=5) as http:
            while not self._stopping.wait(PAUSE):
                response = str(new_id())
                self._send(http, {"id": response, "state": 1, "score": 4})
                self.acknowledged[response.replace("-", ""), "response.created"] += 1
                if random.random() < 0.3:
                    self._send(http, {"id": response, "state": 2, "score": 2, "comment": "Less so.", "complete": True})
                    self.acknowledged[response.replace("-", ""), "response.updated"] += 1

    def _send(self, http: httpx.Client, values: dict[str, Any]) -> None:
        event = {
            "type": "response",
            "survey": self._survey["key"],
            "revision": 1,
            "language": "en",
            "secret": BROWSER_SECRET,
            **values,
        }
        body = json.dumps({"events": [event]})
        while not self._giving_up.is_set():
            try:
                reply = http.post(self._url, content=body, headers={"User-Agent": PERSON})
            except httpx.TransportError:
                pass
            else:
                if reply.status_code == 200:
                    return
                if reply.status_code < 500:
                    self.troubles.append(reply.text)
                    return
            self._giving_up.wait(PAUSE)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def _processes(stack: ExitStack, folder: Path, url: str) -> list[Mortal]:
    """On PostgreSQL a worker of its own as well; the collector has one in it."""
    made = []
    for arguments in ["serve"] if url.startswith("sqlite") else ["serve", "worker"]:
        (folder / arguments).mkdir()
        one = Mortal(folder / arguments, arguments)
        stack.callback(one.close)
        one.environment |= {
            "TEVREDEN_DATABASE_URL": url,
            "TEVREDEN_ALLOWED_NETWORKS": OWN_NETWORK,
            "TEVREDEN_RATE_PER_ADDRESS": "0",
            "TEVREDEN_RATE_PER_SITE": "0",
        }
        made.append(one)
    return made


def _asking(url: str, request: pytest.FixtureRequest) -> Query:
    if url.startswith("sqlite"):

        def ask(sql: str) -> list[tuple[Any, ...]]:
            with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
                connection.execute("PRAGMA query_only=ON")
                return connection.execute(sql).fetchall()

        return ask
    cluster: Cluster = request.getfixturevalue("postgres")
    return lambda sql: cluster.execute(sql, url.rsplit("/", 1)[1])


def test_killed_under_load_every_answer_is_there_once_and_every_webhook_arrives(
    request: pytest.FixtureRequest, tmp_path: Path, store: tuple[str, str], receiver: Receiver
) -> None:
    url, token = store
    ask = _asking(url, request)
    with ExitStack() as stack:
        running = _processes(stack, tmp_path, url)
        serving = running[0]
        for one in running:
            one.start()
        for one in running:
            one.wait_ready()
        site = add_site(serving.http, serving.url, token)
        survey = site.publish()
        made = site.call("POST", "/webhooks", {"url": receiver.url()})
        assert made.status_code == 201, made.text
        with Visitors(site, survey) as visitors:
            for kill in range(KILLS):
                receiver.wait_for(len(receiver.calls) + 20)
                if kill % 2 == 0:  # all at once, while calls wait for their answer
                    victims = running
                    receiver.answer = lambda _: None
                    receiver.wait_for(len(receiver.calls) + 2)
                else:
                    victims = [random.choice(running)]
                    time.sleep(random.uniform(0, 0.2))  # the moment is what is tried
                for one in victims:
                    assert one.stop(signal.SIGKILL) == -signal.SIGKILL, one.output.read_text()
                receiver.answer = lambda _: answering()
                for one in victims:
                    one.start()
                for one in victims:
                    one.wait_ready()
        assert visitors.troubles == []
        left = "FROM jobs WHERE site_id > 0 AND status = 'waiting'"  # what comes round waits for its next time
        wait_until(
            lambda: int(ask(f"SELECT count(*) {left}")[0][0]) == 0,
            lambda: str(ask(f"SELECT status, attempts, due_at, reason {left} LIMIT 20")),
        )
        assert [one.stop() for one in running] == [0] * len(running)
        assert serving.command("check-data") == "All totals are correct."
        output = "".join(one.output.read_text() for one in running)
        assert not re.search("Traceback|unexpected", output), output

    assert set(visitors.acknowledged.values()) == {1}
    is_file = url.startswith("sqlite:")
    hexed = ("lower(hex({}))" if is_file else "replace(CAST({} AS text), '-', '')").format
    answers = Counter(row[0] for row in ask(f"SELECT {hexed('id')} FROM responses"))
    assert answers == dict.fromkeys((response for response, _ in visitors.acknowledged), 1)

    rows = ask(f"SELECT {hexed('id')}, {hexed('subject_id')}, payload, status FROM jobs WHERE site_id > 0")
    unfinished = "FROM jobs WHERE site_id > 0 AND status <> 'done'"
    assert ask(f"SELECT kind, status, attempts, created_at, due_at, reason {unfinished}") == []
    jobs = Counter((subject, json.loads(payload)["type"]) for _, subject, payload, _ in rows)
    assert jobs == visitors.acknowledged

    sent = {f"msg_{job}": payload.encode() for job, _, payload, _ in rows}
    assert {(call.id, call.body) for call in receiver.calls if call.is_answered} == set(sent.items())
    assert {call.id for call in receiver.calls} == set(sent)
