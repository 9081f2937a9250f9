"""Kinds of jobs: what comes round does so once over all processes; what holds when nobody knows how a try went."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from collector.automations.webhooks import KIND
from collector.channels.outbound import Outbound
from collector.db import outbox
from collector.db.kinds import INSTALLATION
from collector.db.outbox import LEASE, UNKNOWN, Job, Outcome, done
from collector.db.scheduling import put_once, put_what_comes_round
from collector.db.schema import jobs as table
from collector.run import worker
from collector.run.kinds import KINDS, Kind, Means
from tests.jobs import NOW, PATIENCE, Clock, Jobs, open_jobs

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ROUND = "comes round"


class Rounds:
    """A kind that comes round, and how often it was done."""

    def __init__(self, every: timedelta = HOUR, fails: int = 0) -> None:
        self.done, self._fails = 0, fails
        self.kinds = {ROUND: Kind(name=ROUND, do=self._do, every=every, tries=None)}

    async def _do(self, _: Means, __: Job, ___: Any) -> None:
        self.done += 1
        if self.done <= self._fails:
            raise RuntimeError("not this time")

    def wait(self, jobs: Jobs, count: int) -> None:
        async def run() -> None:
            async with asyncio.timeout(PATIENCE):
                while self.done < count or any(row.lease for row in await self._rows(jobs)):
                    await asyncio.sleep(0.02)  # the pause between two looks at a condition

        jobs.portal.call(run)

    @staticmethod
    async def _rows(jobs: Jobs) -> list[Any]:
        async with jobs.database.read() as connection:
            return list(await connection.execute(table.select().where(table.c.site_id == INSTALLATION)))


@pytest.fixture
def jobs(store: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    monkeypatch.setattr(worker, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(worker, "DRAIN_SECONDS", 0.5)
    with open_jobs(store[0]) as opened:
        yield opened


def put_round(jobs: Jobs, rounds: Rounds, now: Any) -> None:
    jobs.write(lambda connection: put_what_comes_round(connection, rounds.kinds.values(), now=now))


@pytest.mark.parametrize("workers", [2])
def test_what_comes_round_is_done_once_by_several_workers(jobs: Jobs, workers: int) -> None:
    rounds = Rounds()
    with jobs.working(Outbound(), kinds=rounds.kinds):
        for _ in range(workers - 1):
            with jobs.working(Outbound(), kinds=rounds.kinds):
                rounds.wait(jobs, 1)
                jobs.portal.call(asyncio.sleep, 0.3)
    assert rounds.done == 1
    (row,) = jobs.rows(INSTALLATION).values()
    assert (row.status, row.attempts, row.dedupe_key) == ("waiting", 0, ROUND)
    assert row.due_at > Clock()() + HOUR - timedelta(minutes=1)


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_processes_that_put_what_comes_round_at_the_same_moment_put_it_once(store: tuple[str, str], jobs: Jobs) -> None:
    rounds = Rounds()

    async def put_all(others: list[Jobs]) -> None:
        async def put(one: Jobs) -> None:
            async with one.database.write() as connection:
                await put_what_comes_round(connection, rounds.kinds.values(), now=NOW)

        await asyncio.gather(*(put(one) for one in others))

    jobs.portal.call(put_all, [jobs] * 6)
    with open_jobs(store[0]) as other:
        put_round(other, rounds, NOW)
    assert len(jobs.rows(INSTALLATION)) == 1


def test_clock_that_jumps_by_a_day_does_no_round_twice(jobs: Jobs) -> None:
    rounds = Rounds()
    for now, due in ((NOW, 1), (NOW + DAY, 1), (NOW + DAY, 0), (NOW, 0), (NOW + HOUR, 1), (NOW + HOUR, 0)):
        put_round(jobs, rounds, now)
        claimed = jobs.claim(now, kinds=rounds.kinds)
        assert len(claimed) == due, now
        for job in claimed:
            jobs.settle(done(job, rounds.kinds[ROUND]), now=now)


def test_clock_that_was_ahead_for_years_puts_no_round_off_for_years(jobs: Jobs) -> None:
    rounds = Rounds()
    ahead = NOW + timedelta(days=3650)
    put_round(jobs, rounds, ahead)
    (job,) = jobs.claim(ahead, kinds=rounds.kinds)
    jobs.settle(done(job, rounds.kinds[ROUND]), now=ahead)
    put_round(jobs, rounds, NOW)
    assert jobs.claim(NOW, kinds=rounds.kinds) == []
    assert len(jobs.claim(NOW + HOUR, kinds=rounds.kinds)) == 1


def test_round_that_fails_is_tried_again_and_never_given_up(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "WAITS", (0.01,))
    rounds = Rounds(fails=12)
    with jobs.working(Outbound(), kinds=rounds.kinds):
        rounds.wait(jobs, 13)
    (row,) = jobs.rows(INSTALLATION).values()
    assert (row.status, row.attempts, rounds.done) == ("waiting", 0, 13)


def test_round_whose_workers_all_die_is_never_given_up(jobs: Jobs) -> None:
    rounds, now = Rounds(), NOW
    put_round(jobs, rounds, now)
    for attempt in range(1, 15):
        assert [job.attempts for job in jobs.claim(now, kinds=rounds.kinds)] == [attempt]
        now += LEASE


def test_job_that_may_be_done_once_is_given_up_when_nobody_knows_how_it_went(jobs: Jobs) -> None:
    once = {KIND: replace(KINDS[KIND], unknown="stop")}
    site = jobs.add_site()
    died, failed = jobs.put(site, 2)
    claimed = {job.id: job for job in jobs.claim(NOW, kinds=once)}
    jobs.settle(outbox.failed(claimed[failed], "no answer"), now=NOW)
    again = jobs.claim(NOW + LEASE, kinds=once)
    assert [job.id for job in again] == [failed], "of what failed it is known that it was not done"
    row = jobs.rows()[died]
    assert (row.status, row.reason) == ("failed", UNKNOWN)
    jobs.settle(Outcome(claimed[died], "done"), now=NOW + LEASE)
    assert jobs.rows()[died].status == "failed", "whoever was late is not heard"


def test_job_that_may_be_repeated_is_anyones_when_its_worker_died(jobs: Jobs) -> None:
    (wanted,) = jobs.put(jobs.add_site())
    jobs.claim(NOW)
    assert [job.id for job in jobs.claim(NOW + LEASE)] == [wanted]


def test_kind_has_its_own_share_and_number_of_tries(jobs: Jobs) -> None:
    kinds = {
        **KINDS,
        "narrow": Kind(name="narrow", share=2),
        "short": Kind(name="short", tries=1),
    }
    site = jobs.add_site()
    jobs.put(site, 5, kind="narrow", due=NOW - HOUR)
    jobs.put(site, 30)
    assert Counter(job.kind for job in jobs.claim(NOW, kinds=kinds)) == {"narrow": 2, KIND: 16}
    (short,) = jobs.put(jobs.add_site(), kind="short")
    (job,) = (job for job in jobs.claim(NOW, kinds=kinds) if job.id == short)
    assert outbox.failed(job, "no", tries=kinds["short"].tries).status == "failed"


def test_one_job_of_a_key_waits_at_a_time(jobs: Jobs) -> None:
    site, other = jobs.add_site(), jobs.add_site()

    def put(site_id: int) -> bool:
        return jobs.write(lambda connection: put_once(connection, site_id, KIND, "the same", now=NOW))

    assert [put(site), put(site), put(other)] == [True, False, True]
    assert len(jobs.rows(site)) == 1
    (job,) = jobs.claim(NOW, shares={other: 16})
    assert not put(site), "it is being done"
    jobs.settle(done(job), now=NOW)
    assert put(site)


def test_long_job_keeps_its_lease_and_is_nobody_elses(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "LEASE", timedelta(seconds=0.2))
    goes_on = asyncio.Event()

    async def wait(_: Means, __: Job, ___: Any) -> None:
        await goes_on.wait()

    kinds = {"long": Kind(name="long", do=wait, longest_seconds=60)}

    async def renewed(job_id: UUID) -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                async with jobs.database.read() as connection:
                    query = table.select().where(table.c.id == job_id, table.c.due_at > NOW)
                    if (await connection.execute(query)).first():
                        return
                await asyncio.sleep(0.02)  # the pause between two looks at a condition

    (wanted,) = jobs.put(jobs.add_site(), kind="long")
    with jobs.working(Outbound(), kinds=kinds):
        jobs.portal.call(lambda: _claimed(jobs, wanted))
        passed = update(table).where(table.c.id == wanted).values(due_at=NOW)
        jobs.write(lambda connection: connection.execute(passed))
        jobs.portal.call(renewed, wanted)
        jobs.portal.call(goes_on.set)
        jobs.wait_for(done=1)


async def _claimed(jobs: Jobs, job_id: UUID) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            async with jobs.database.read() as connection:
                query = table.select().where(table.c.id == job_id, table.c.lease.is_not(None))
                if (await connection.execute(query)).first():
                    return
            await asyncio.sleep(0.02)  # the pause between two looks at a condition
