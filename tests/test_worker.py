"""The worker: that it does what is due, once, whatever hangs, fails, stops or is away."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from collector.automations.webhooks import KIND, message_id
from collector.channels.outbound import Failed, Outbound, Refused, Reply
from collector.db import outbox
from collector.db.kinds import SHARE
from collector.db.outbox import KEPT, Outcome
from collector.db.store import Database
from collector.errors import Unavailable
from collector.run import worker
from collector.run.kinds import KINDS
from collector.run.worker import AT_ONCE
from tests.jobs import NOW, PATIENCE, Clock, Jobs, open_jobs

Answer = Callable[[str], Awaitable[int]]
POSTGRES_ALONE = pytest.mark.parametrize("store", ["postgresql"], indirect=True)


class Outside(Outbound):
    """In place of the network: notes which jobs were called for, and answers as a test tells it."""

    def __init__(self, answer: Answer | None = None) -> None:
        super().__init__()
        self.calls: list[str] = []
        """The message ids, in the order in which they came."""
        self.urls: Counter[str] = Counter()
        self._answer = answer
        self._came = asyncio.Condition()

    async def post(self, url: str, *, content: bytes, headers: Mapping[str, str], most: int = 0) -> Reply:  # noqa: ARG002
        async with self._came:
            self.calls.append(headers["webhook-id"])
            self.urls[url] += 1
            self._came.notify_all()
        return Reply(await self._answer(url) if self._answer else 200, "")

    async def called(self, count: int, url: str | None = None) -> None:
        """Wait until there were so many calls (of one address)."""
        async with self._came, asyncio.timeout(PATIENCE):
            await self._came.wait_for(lambda: (len(self.calls) if url is None else self.urls[url]) >= count)


@pytest.fixture
def jobs(store: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    monkeypatch.setattr(worker, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(worker, "DRAIN_SECONDS", 0.5)
    with open_jobs(store[0]) as opened:
        yield opened


@pytest.fixture
def site(jobs: Jobs) -> int:
    return jobs.add_site()


URL = "https://receiver.example/"


@pytest.fixture
def webhook(jobs: Jobs, site: int) -> UUID:
    return jobs.add_webhook(site, URL)


async def for_ever(_: str) -> int:
    await asyncio.Event().wait()
    return 200


def raising(error: Exception) -> Answer:
    async def answer(_: str) -> int:
        raise error

    return answer


def test_what_is_due_is_done_and_what_is_not_is_left(jobs: Jobs, site: int, webhook: UUID) -> None:
    due = jobs.put(site, 20, target=webhook)
    (later,) = jobs.put(site, target=webhook, due=Clock()() + timedelta(hours=1))
    outside = Outside()
    with jobs.working(outside):
        jobs.wait_for(done=20, waiting=1)
    assert Counter(outside.calls) == dict.fromkeys(map(message_id, due), 1)
    rows = jobs.rows()
    assert rows[later].attempts == 0
    for job in due:
        assert (rows[job].attempts, rows[job].reason, rows[job].lease) == (1, None, None)
        assert rows[job].finished_at is not None


def test_worker_that_is_woken_does_not_wait_for_its_next_look(
    jobs: Jobs, site: int, webhook: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "POLL_SECONDS", 600.0)
    with jobs.working(Outside()) as one:
        jobs.put(site, target=webhook)
        jobs.portal.call(one.wake)
        jobs.wait_for(done=1)


@pytest.mark.parametrize(
    ("problem", "status", "reason"),
    [
        (Failed("no connection"), "waiting", "no connection"),
        (Refused("not a public address"), "failed", "not a public address"),
        (KeyError("a bug"), "waiting", "something went wrong on our side"),
        (TimeoutError(), "waiting", "it took longer than 30 seconds"),
    ],
)
def test_try_that_fails_is_written_down_with_its_reason(
    jobs: Jobs, site: int, webhook: UUID, problem: Exception, status: str, reason: str
) -> None:
    (wanted,) = jobs.put(site, target=webhook)
    with jobs.working(outside := Outside(raising(problem))):
        row = jobs.tried(wanted)
    assert (row.status, row.reason, row.attempts) == (status, reason, 1)
    assert (row.finished_at is None) == (status == "waiting")
    assert len(outside.calls) == 1


def test_failed_try_is_made_again_until_it_succeeds(
    jobs: Jobs, site: int, webhook: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "WAITS", (0.01,) * len(outbox.WAITS))
    statuses = iter([500, 503, 200])

    async def answer(_: str) -> int:
        return next(statuses)

    (wanted,) = jobs.put(site, target=webhook)
    with jobs.working(outside := Outside(answer)):
        jobs.wait_for(done=1)
    assert outside.calls == [message_id(wanted)] * 3
    assert jobs.rows()[wanted].attempts == 3


def test_try_that_takes_too_long_has_failed(jobs: Jobs, site: int, webhook: UUID) -> None:
    hasty = {KIND: replace(KINDS[KIND], longest_seconds=0.05)}
    (wanted,) = jobs.put(site, target=webhook)
    with jobs.working(Outside(for_ever), kinds=hasty):
        row = jobs.tried(wanted)
    assert (row.status, row.attempts) == ("waiting", 1)
    assert row.reason.startswith("it took longer than")


def test_job_that_this_release_knows_nothing_of_is_tried_later(jobs: Jobs, site: int) -> None:
    (wanted,) = jobs.put(site, kind="fax")
    with jobs.working(Outside()):
        row = jobs.tried(wanted)
    assert (row.status, row.reason) == ("waiting", "this release knows no job of the kind fax")


def test_job_for_a_webhook_that_is_gone_is_given_up(jobs: Jobs, site: int) -> None:
    jobs.put(site)
    with jobs.working(outside := Outside()):
        jobs.wait_for(failed=1)
    assert outside.calls == []
    assert [row.reason for row in jobs.rows().values()] == ["Webhook not found."]


def test_webhook_of_another_site_is_not_called(jobs: Jobs, site: int, webhook: UUID) -> None:
    """Not even when a job of that site is claimed at the same moment."""
    jobs.put(jobs.add_site(), target=webhook)
    (own,) = jobs.put(site, target=webhook)
    with jobs.working(outside := Outside()):
        jobs.wait_for(failed=1, done=1)
    assert outside.calls == [message_id(own)]


# Whose turn it is


def test_site_whose_receiver_hangs_holds_its_share_and_no_more(jobs: Jobs, site: int) -> None:
    async def answer(url: str) -> int:
        return await for_ever(url) if url == "https://hangs.example/" else 200

    jobs.put(site, 200, target=jobs.add_webhook(site, "https://hangs.example/"))
    others = [jobs.add_site() for _ in range(3)]
    outside = Outside(answer)
    with jobs.working(outside):
        jobs.portal.call(outside.called, SHARE, "https://hangs.example/")
        for other in others:
            jobs.put(other, 40, target=jobs.add_webhook(other, "https://answers.example/"))
        jobs.wait_for(waiting=200, done=120)
        assert outside.urls == {"https://hangs.example/": SHARE, "https://answers.example/": 120}


def test_one_job_goes_before_the_many_of_another_site(jobs: Jobs, site: int, webhook: UUID) -> None:
    async def answer(_: str) -> int:
        await asyncio.sleep(0.005)
        return 200

    jobs.put(site, 10_000, target=webhook)
    calm = jobs.add_site()
    target = jobs.add_webhook(calm, "https://calm.example/")
    outside = Outside(answer)
    with jobs.working(outside):
        jobs.portal.call(outside.called, 50)
        (one,) = jobs.put(calm, target=target)
        put = len(outside.calls)
        jobs.portal.call(outside.called, 1, "https://calm.example/")
        between = outside.calls.index(message_id(one)) - put
    assert between < 5 * SHARE
    assert jobs.statuses()["waiting"] > 5_000


def test_never_more_is_begun_than_one_worker_does_at_once(jobs: Jobs) -> None:
    for _ in range(6):
        site = jobs.add_site()
        jobs.put(site, SHARE, target=jobs.add_webhook(site, URL))
    outside = Outside(for_ever)
    with jobs.working(outside) as one:
        jobs.portal.call(outside.called, AT_ONCE)
        late = jobs.add_site()
        jobs.put(late, target=jobs.add_webhook(late, "https://late.example/"))
        for _ in range(3):
            one.wake()
            jobs.portal.call(_a_look, jobs.database)
        assert outside.urls == {URL: AT_ONCE}


async def _a_look(database: Database) -> None:
    """As long as a worker needs to look for what is due, and more."""
    for _ in range(3):
        async with database.write():
            pass


# The clock


@pytest.fixture
def clock(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the server, of the database's too."""
    clock = Clock()

    async def now(*_: Any) -> datetime:
        return clock()

    monkeypatch.setattr(jobs.database, "now", now)
    return clock


@pytest.mark.parametrize("days", [1, -1])
def test_clock_off_by_a_day_does_nothing_twice(jobs: Jobs, site: int, webhook: UUID, clock: Clock, days: int) -> None:
    released = asyncio.Event()

    async def answer(url: str) -> int:
        if url == URL:
            await released.wait()
        return 200

    held = jobs.put(site, 5, target=webhook, due=clock())
    other = jobs.add_webhook(site, "https://answers.example/")
    outside = Outside(answer)
    with jobs.working(outside, clock=clock):
        jobs.portal.call(outside.called, 5)
        clock.off += timedelta(days=days)
        jobs.put(site, 5, target=other, due=clock())
        jobs.wait_for(waiting=5, done=5)  # so the worker has looked since
        clock.off -= timedelta(days=days)
        jobs.put(site, 5, target=other, due=clock())
        jobs.wait_for(waiting=5, done=10)
        jobs.portal.start_task_soon(_set, released)
        jobs.wait_for(done=15)
    assert Counter(outside.calls).most_common(1)[0][1] == 1
    assert {row.attempts for job, row in jobs.rows().items() if job in held} == {1}


async def _set(event: asyncio.Event) -> None:
    event.set()


# Stopping, and what is away


def test_worker_that_is_told_to_stop_ends_what_it_has_begun(jobs: Jobs, site: int, webhook: UUID) -> None:
    async def answer(_: str) -> int:
        await asyncio.sleep(0.1)  # a receiver that takes its time
        return 200

    jobs.put(site, 3 * SHARE, target=webhook)
    outside = Outside(answer)
    with jobs.working(outside):
        jobs.portal.call(outside.called, SHARE)
    assert jobs.statuses()["done"] == len(outside.calls) >= SHARE
    assert {row.lease for row in jobs.rows().values()} == {None}


def test_what_could_not_be_ended_is_done_by_another_once_its_lease_is_over(
    jobs: Jobs, site: int, webhook: UUID, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "DRAIN_SECONDS", 0.05)
    (wanted,) = jobs.put(site, target=webhook, due=clock())
    first, second = Outside(for_ever), Outside()
    with jobs.working(first, clock=clock):
        jobs.portal.call(first.called, 1)
    with jobs.working(second, clock=clock):
        jobs.portal.call(_a_look, jobs.database)
        assert jobs.statuses() == {"waiting": 1}
        assert second.calls == []
        clock.off += outbox.LEASE
        jobs.wait_for(done=1)
    assert first.calls == second.calls == [message_id(wanted)]
    assert jobs.rows()[wanted].attempts == 2


def test_outcome_is_kept_while_the_store_is_away_and_the_job_not_done_again(
    jobs: Jobs, site: int, webhook: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = 0
    open_, is_away = jobs.database.write, False

    def write() -> Any:
        nonlocal refused
        if is_away:
            refused += 1
            raise Unavailable
        return open_()

    async def answer(_: str) -> int:
        nonlocal is_away
        is_away = True
        return 200

    async def enough() -> None:
        nonlocal is_away
        async with asyncio.timeout(PATIENCE):
            while refused < 3:
                await asyncio.sleep(0.02)  # the pause between two looks at a condition
        is_away = False

    jobs.put(site, target=webhook)
    monkeypatch.setattr(jobs.database, "write", write)
    with jobs.working(outside := Outside(answer)):
        jobs.portal.call(enough)
        jobs.wait_for(done=1)
    assert len(outside.calls) == 1


def test_store_that_is_away_stops_no_worker(
    jobs: Jobs, site: int, webhook: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, back = 0, jobs.database.read

    def read() -> Any:
        nonlocal looks
        looks += 1
        raise Unavailable if looks % 2 else RuntimeError("a bug")

    async def enough() -> None:
        async with asyncio.timeout(PATIENCE):
            while looks < 4:
                await asyncio.sleep(0.02)  # the pause between two looks at a condition

    jobs.put(site, target=webhook)
    monkeypatch.setattr(jobs.database, "read", read)
    with jobs.working(Outside()):
        jobs.portal.call(enough)
        monkeypatch.setattr(jobs.database, "read", back)
        jobs.wait_for(done=1)


def test_worker_sweeps_what_has_been_over_for_long(jobs: Jobs, site: int, webhook: UUID) -> None:
    (old,) = jobs.put(site, target=webhook)
    (claimed,) = jobs.claim(NOW)
    jobs.settle(Outcome(claimed, "done"), now=Clock()() - KEPT - timedelta(minutes=1))
    (recent,) = jobs.put(site, target=webhook)
    with jobs.working(Outside()):
        jobs.wait_for(done=1)
    assert set(jobs.rows()) == {recent} != {old}


def test_housekeeping_that_fails_stops_no_job(
    jobs: Jobs, site: int, webhook: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: datetime) -> None:
        raise RuntimeError("no partition can be made")

    monkeypatch.setattr(jobs.database, "maintain", broken)
    jobs.put(site, target=webhook)
    with jobs.working(Outside()):
        jobs.wait_for(done=1)


@POSTGRES_ALONE
def test_two_workers_never_do_the_same_job(store: tuple[str, str], jobs: Jobs) -> None:
    wanted: list[UUID] = []
    for _ in range(4):
        site = jobs.add_site()
        wanted += jobs.put(site, 60, target=jobs.add_webhook(site, URL))
    first, second = Outside(), Outside()
    with open_jobs(store[0]) as others, jobs.working(first), others.working(second):
        jobs.wait_for(done=240)
    assert Counter(first.calls + second.calls) == dict.fromkeys(map(message_id, wanted), 1)
    assert first.calls
    assert second.calls
