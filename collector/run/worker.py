"""Runs the jobs of the outbox: claims what is due, does it, and writes down how it went."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from uuid import UUID

import structlog

from collector.access.guesses import forget_guesses
from collector.access.signing import Signing
from collector.automations.subscriptions import tell
from collector.automations.webhooks import KIND as WEBHOOK
from collector.automations.webhooks import Webhook, find_webhooks, message_id
from collector.channels.outbound import Failed, Outbound, OutboundError, Refused
from collector.channels.webhook import deliver
from collector.db.group import GroupCommit
from collector.db.outbox import Job, Outcome, claim, failed, is_due, settle, sweep
from collector.db.store import Database
from collector.errors import NotFound, Problem, Unavailable
from collector.responses import removal
from collector.responses.rollups import fold_lanes

AT_ONCE = 64
"""Jobs that one worker does at the same time."""
SHARE = 16
"""Of those, how many may be of one site: another site's never wait for all of them."""
LONGEST_SECONDS = 30.0
"""A try that takes longer has failed; well within the lease."""
POLL_SECONDS = 1.0
PAUSE_SECONDS = 0.01
"""Between two claims, so that what ended meanwhile makes room for several jobs at once: a claim is a transaction."""
SWEEP_SECONDS = 3600.0
TIDY_AGAIN_SECONDS = 60.0
"""After housekeeping that failed; jobs do not wait for it."""
DRAIN_SECONDS = 4.0
"""How long a worker that was told to stop goes on with what it has begun."""

log = structlog.get_logger()


class Worker:
    """One worker. Run it with `run` until it is cancelled."""

    def __init__(self, database: Database, signing: Signing, outbound: Outbound, clock: Callable[[], datetime]) -> None:
        self._database, self._signing, self._outbound, self._clock = database, signing, outbound, clock
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._shares: Counter[int] = Counter()
        self._awake = asyncio.Event()
        self._settling: GroupCommit[Outcome, None] = GroupCommit(self._settle, largest=200, most_waiting=AT_ONCE * 2)

    def wake(self) -> None:
        """There may be something to do."""
        self._awake.set()

    async def run(self) -> None:
        """Do what is due, for ever. Once cancelled, what was begun is ended first."""
        loop = asyncio.get_running_loop()
        tidy_at = loop.time()
        removing = asyncio.create_task(self._remove_for_ever())
        try:
            while True:
                self._awake.clear()
                if loop.time() >= tidy_at:
                    tidied = await _tried(self._tidy())
                    tidy_at = loop.time() + (TIDY_AGAIN_SECONDS if tidied is None else SWEEP_SECONDS)
                claimed = await _tried(self._claim())
                if claimed:
                    await asyncio.sleep(PAUSE_SECONDS)
                if not claimed or len(self._running) >= AT_ONCE:
                    with suppress(TimeoutError):  # not by wait_for, which before Python 3.12 may swallow a cancellation
                        async with asyncio.timeout(POLL_SECONDS):
                            await self._awake.wait()
        finally:
            removing.cancel()
            await asyncio.wait([removing])
            await self._drain()

    async def _remove_for_ever(self) -> None:
        """What was deleted long ago, beside the jobs, because there may be millions of answers to a survey."""
        while True:
            await _tried(self._remove())
            await asyncio.sleep(SWEEP_SECONDS)

    async def _remove(self) -> int:
        async with self._database.read() as connection:
            due = await removal.surveys_to_remove(connection, now=self._clock())
        for survey in due:
            for remove_some in (removal.remove_responses, removal.remove_impressions):
                left = 1
                while left:
                    async with self._database.write() as connection:
                        left = await remove_some(connection, *survey)
                    await asyncio.sleep(PAUSE_SECONDS)
            async with self._database.write() as connection:
                await removal.remove_survey(connection, *survey)
        return len(due)

    async def _tidy(self) -> int:
        async with self._database.write() as connection:
            swept = await sweep(connection, now=self._clock())
        more = True
        while more:
            async with self._database.write() as connection:
                more = await forget_guesses(connection, now=await self._database.now(connection, self._clock))
        folded = 1
        while folded:
            async with self._database.write() as connection:
                folded = await fold_lanes(connection, before=self._clock().date())
        await self._database.keep_house(self._clock())
        return swept

    async def _claim(self) -> int:
        room = AT_ONCE - len(self._running)
        if room <= 0:
            return 0
        async with self._database.read() as connection:  # looking costs no writer its turn
            if not await is_due(connection, now=await self._database.now(connection, self._clock)):
                return 0
        async with self._database.write() as connection:
            now = await self._database.now(connection, self._clock)
            told = await tell(connection, now=now)
            claimed = await claim(
                connection, now=now, most=room, share=SHARE, shares=self._shares, running=self._running
            )
            places = {job.id: (job.site_id, job.target_id) for job in claimed if job.kind == WEBHOOK and job.target_id}
            webhooks = await find_webhooks(connection, places.values()) if places else {}
        for job in claimed:
            self._shares[job.site_id] += 1
            webhook = webhooks.get(places[job.id]) if job.id in places else None
            task = self._running[job.id] = asyncio.create_task(self._do(job, webhook))
            task.add_done_callback(partial(self._ended, job))
        return told + len(claimed)

    def _ended(self, job: Job, _: asyncio.Task[None]) -> None:
        del self._running[job.id]
        self._shares[job.site_id] -= 1
        self._awake.set()

    async def _do(self, job: Job, webhook: Webhook | None) -> None:
        try:
            if job.kind != WEBHOOK:
                outcome = failed(job, f"this release knows no job of the kind {job.kind}")
            else:
                async with asyncio.timeout(LONGEST_SECONDS):
                    await self._call_webhook(job, webhook)
                outcome = Outcome(job, "done")
        except Refused as refused:
            outcome = failed(job, str(refused), permanent=True)
        except Failed as problem:
            outcome = failed(job, str(problem), wait=problem.retry_after)
        except (NotFound, OutboundError) as problem:
            outcome = failed(job, str(problem), permanent=True)
        except TimeoutError:
            outcome = failed(job, f"it took longer than {LONGEST_SECONDS:.0f} seconds")
        except Unavailable:
            return  # its lease ends, and it is done again
        except Exception as error:
            log.error("unexpected in a job", kind=job.kind, job=str(job.id), exc_info=error)
            outcome = failed(job, "something went wrong on our side")
        while True:
            try:
                await self._settling.submit(outcome)
            except Problem:  # it was done: as long as the lease lasts nobody else may do it
                await asyncio.sleep(POLL_SECONDS)
            else:
                return

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

    async def _call_webhook(self, job: Job, webhook: Webhook | None) -> None:
        if webhook is None:
            raise NotFound("This site has no such webhook.")
        now = self._clock()
        secrets = [self._signing.webhook_secret(webhook.id, version) for version in webhook.secret_versions(now)]
        await deliver(self._outbound, webhook.url, secrets, message_id(job.id), job.payload.encode(), now=now)


async def _tried(work: Awaitable[int]) -> int | None:
    """What came of it; None when it could not be done now. What is wrong is logged, and ends no worker."""
    try:
        return await work
    except Unavailable:
        return None
    except Exception as error:
        log.error("unexpected in the worker", exc_info=error)
        return None
