"""Runs the jobs of the outbox: claims what is due, does it, and writes down how it went."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.signing import Signing
from collector.channels.outbound import Failed, Outbound, OutboundError, Refused
from collector.db.group import GroupCommit
from collector.db.outbox import LEASE, Job, Outcome, claim, done, failed, is_due, later, settle
from collector.db.scheduling import keep_lease, put_what_comes_round
from collector.db.store import Database
from collector.errors import NotFound, Problem, Unavailable
from collector.run.kinds import KINDS, PAUSE_SECONDS, Kind, Means

AT_ONCE = 64
"""Jobs that one worker does at the same time."""
POLL_SECONDS = 1.0
LOOK_SECONDS = 3600.0
"""Between two looks whether what comes round stands in the outbox."""
LOOK_AGAIN_SECONDS = 60.0
"""After a look that failed."""
DRAIN_SECONDS = 4.0
"""How long a worker that was told to stop goes on with what it has begun."""

log = structlog.get_logger()


class Worker:
    """One worker. Run it with `run` until it is cancelled."""

    def __init__(
        self,
        database: Database,
        signing: Signing,
        outbound: Outbound,
        clock: Callable[[], datetime],
        kinds: Mapping[str, Kind] = KINDS,
    ) -> None:
        self._means = Means(database, signing, outbound, clock)
        self._database, self._clock, self._kinds = database, clock, kinds
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._shares: Counter[tuple[int, str]] = Counter()
        self._awake = asyncio.Event()
        self._settling: GroupCommit[Outcome, None] = GroupCommit(self._settle, largest=200, most_waiting=AT_ONCE * 2)

    def wake(self) -> None:
        """There may be something to do."""
        self._awake.set()

    async def run(self) -> None:
        """Do what is due, for ever. Once cancelled, what was begun is ended first."""
        loop = asyncio.get_running_loop()
        look_at = loop.time()
        try:
            while True:
                self._awake.clear()
                if loop.time() >= look_at:
                    put = await _tried(self._put_what_comes_round())
                    look_at = loop.time() + (LOOK_AGAIN_SECONDS if put is None else LOOK_SECONDS)
                claimed = await _tried(self._claim())
                if claimed:
                    await asyncio.sleep(PAUSE_SECONDS)  # a claim is a transaction: let room gather for several jobs
                if not claimed or len(self._running) >= AT_ONCE:
                    with suppress(TimeoutError):  # not by wait_for, which before Python 3.12 may swallow a cancellation
                        async with asyncio.timeout(POLL_SECONDS):
                            await self._awake.wait()
        finally:
            await self._drain()

    async def _put_what_comes_round(self) -> int:
        async with self._database.write() as connection:
            now = await self._database.now(connection, self._clock)
            await put_what_comes_round(connection, self._kinds.values(), now=now)
        return 0

    async def _claim(self) -> int:
        room = AT_ONCE - len(self._running)
        if room <= 0:
            return 0
        async with self._database.read() as connection:  # looking costs no writer its turn
            if not await is_due(connection, now=await self._database.now(connection, self._clock)):
                return 0
        async with self._database.write() as connection:
            now = await self._database.now(connection, self._clock)
            told = [await kind.do_some(connection, now) for kind in self._kinds.values() if kind.do_some]
            claimed = await claim(
                connection, now=now, most=room, kinds=self._kinds, shares=self._shares, running=self._running
            )
            known = await self._look_up(connection, claimed)
        for job in claimed:
            self._shares[job.site_id, job.kind] += 1
            task = self._running[job.id] = asyncio.create_task(self._do(job, known.get(job.id)))
            task.add_done_callback(partial(self._ended, job))
        return sum(told) + len(claimed)

    async def _look_up(self, connection: AsyncConnection, claimed: Sequence[Job]) -> dict[UUID, Any]:
        """What the claimed jobs of each kind need."""
        known: dict[UUID, Any] = {}
        for kind in self._kinds.values():
            mine = [job for job in claimed if job.kind == kind.name]
            if mine and kind.look_up:
                known |= await kind.look_up(connection, mine)
        return known

    def _ended(self, job: Job, _: asyncio.Task[None]) -> None:
        del self._running[job.id]
        self._shares[job.site_id, job.kind] -= 1
        self._awake.set()

    async def _do(self, job: Job, known: Any) -> None:
        kind = self._kinds.get(job.kind)
        if kind is None or kind.longest_seconds < LEASE.total_seconds():
            outcome = await self._try(job, kind, known)
        else:
            keeping = asyncio.create_task(self._keep_lease(job))
            try:
                outcome = await self._try(job, kind, known)
            finally:
                keeping.cancel()
        while outcome:
            try:
                await self._settling.submit(outcome)
            except Problem:  # it was done: as long as the lease lasts nobody else may do it
                await asyncio.sleep(POLL_SECONDS)
            else:
                return

    async def _try(self, job: Job, kind: Kind | None, known: Any) -> Outcome | None:
        """How it went; None if nobody can tell, so that it is done again once its lease ends."""
        if kind is None or kind.do is None:
            return failed(job, f"this release knows no job of the kind {job.kind}")
        try:
            async with asyncio.timeout(kind.longest_seconds):
                seconds = await kind.do(self._means, job, known)
        except Refused as refused:
            return failed(job, str(refused), permanent=True, tries=kind.tries)
        except Failed as problem:
            return failed(job, str(problem), wait=problem.retry_after, tries=kind.tries)
        except (NotFound, OutboundError) as problem:
            return failed(job, str(problem), permanent=True, tries=kind.tries)
        except TimeoutError:
            return failed(job, f"it took longer than {kind.longest_seconds:.0f} seconds", tries=kind.tries)
        except Unavailable:
            return None
        except Exception as error:
            log.error("unexpected in a job", kind=job.kind, job=str(job.id), exc_info=error)
            return failed(job, "something went wrong on our side", tries=kind.tries)
        return done(job, kind) if seconds is None else later(job, seconds)

    async def _keep_lease(self, job: Job) -> None:
        """For as long as a job takes that may take longer."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 2)
            with suppress(Problem):
                async with self._database.write() as connection:
                    await keep_lease(connection, job, now=await self._database.now(connection, self._clock))

    async def _settle(self, outcomes: Sequence[Outcome]) -> list[None]:
        async with self._database.write() as connection:
            await settle(connection, outcomes, now=await self._database.now(connection, self._clock))
        return [None] * len(outcomes)

    async def _drain(self) -> None:
        running = list(self._running.values())
        if running:
            _, late = await asyncio.wait(running, timeout=DRAIN_SECONDS)
            for task in late:
                task.cancel()
        await self._settling.drain()


async def _tried(work: Awaitable[int]) -> int | None:
    """What came of it; None when it could not be done now. What is wrong is logged, and ends no worker."""
    try:
        return await work
    except Unavailable:
        return None
    except Exception as error:
        log.error("unexpected in the worker", exc_info=error)
        return None
