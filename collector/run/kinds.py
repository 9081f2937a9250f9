"""All kinds of jobs: how each is done, how often it is tried, and what holds when nobody knows how a try went."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.guesses import forget_guesses
from collector.access.signing import Signing
from collector.access.sites import RECOUNT
from collector.automations import webhooks
from collector.automations.subscriptions import tell
from collector.channels.outbound import Outbound
from collector.channels.webhook import deliver
from collector.db.kinds import Rules
from collector.db.outbox import EVENT, Job, sweep
from collector.db.store import Database
from collector.errors import NotFound
from collector.responses import recounting, removal
from collector.responses.rollups import fold_lanes, put_right

PAUSE_SECONDS = 0.01
"""Between two transactions of one job, so that answers have their turn."""
HOURLY = timedelta(hours=1)
LONG = 3600.0
"""Seconds that housekeeping may take: there may be millions of rows."""


@dataclass(frozen=True)
class Means:
    """What jobs are done with."""

    database: Database
    signing: Signing
    outbound: Outbound
    clock: Callable[[], datetime]


@dataclass(frozen=True, kw_only=True)
class Kind(Rules):
    do: Callable[[Means, Job, Any], Awaitable[float | None]] | None = None
    """Does one job, with what ``look_up`` found for it; in how many seconds it goes on with it, None once it is done.
    """
    look_up: Callable[[AsyncConnection, Sequence[Job]], Awaitable[Mapping[UUID, Any]]] | None = None
    """For all that were claimed together, by their ids and in that transaction."""
    do_some: Callable[[AsyncConnection, datetime], Awaitable[int]] | None = None
    """Instead of both: does many within the transaction that claims, and says how many."""


async def _tell(connection: AsyncConnection, now: datetime) -> int:
    return await tell(connection, now=now)


async def _find_webhooks(connection: AsyncConnection, jobs: Sequence[Job]) -> Mapping[UUID, Any]:
    places = {job.id: (job.site_id, job.target_id) for job in jobs if job.target_id}
    found = await webhooks.find_webhooks(connection, places.values()) if places else {}
    return {job_id: found[place] for job_id, place in places.items() if place in found}


async def _call_webhook(means: Means, job: Job, webhook: webhooks.Webhook | None) -> None:
    if webhook is None:
        raise NotFound("Webhook not found.")
    now = means.clock()
    secrets = [means.signing.webhook_secret(webhook.id, version) for version in webhook.secret_versions(now)]
    name = webhooks.message_id(job.id)
    await deliver(means.outbound, webhook.url, secrets, name, job.payload.encode(), now=now)


async def _tidy(means: Means, _: Job, __: None) -> None:
    """What is over for long goes, what was added apart is put together, and the months to come get their partitions."""
    database, clock = means.database, means.clock
    async with database.write() as connection:
        await sweep(connection, now=clock())
    more = True
    while more:
        async with database.write() as connection:
            more = bool(await forget_guesses(connection, now=await database.now(connection, clock)))
    folded = 1
    while folded:
        async with database.write() as connection:
            folded = await fold_lanes(connection, before=clock().date())
    await database.maintain(clock())


async def _recount(means: Means, job: Job, _: None) -> float | None:
    """Every sum of a site by the days of another time zone. In short transactions, so that answers come in meanwhile;
    whoever is interrupted goes on with the survey that it was at."""
    while True:
        async with means.database.repairing():
            async with means.database.read() as connection:
                step = await recounting.next_step(connection, job)
            for some in step.parts:
                async with means.database.write() as connection:
                    await put_right(connection, job.site_id, step.survey_number, some)
        async with means.database.write() as connection:
            seconds = await recounting.move_on(connection, job, step)
        if seconds != 0:
            return seconds
        await asyncio.sleep(PAUSE_SECONDS)


async def _remove_surveys(means: Means, _: Job, __: None) -> None:
    """What was deleted long ago. In steps, because there may be millions of answers to a survey."""
    async with means.database.read() as connection:
        due = await removal.surveys_to_remove(connection, now=means.clock())
    for survey in due:
        for remove_some in (removal.remove_responses, removal.remove_impressions):
            left = 1
            while left:
                async with means.database.write() as connection:
                    left = await remove_some(connection, *survey)
                await asyncio.sleep(PAUSE_SECONDS)
        async with means.database.write() as connection:
            await removal.remove_survey(connection, *survey)


KINDS = {
    kind.name: kind
    for kind in (
        Kind(name=EVENT, do_some=_tell),
        Kind(name=webhooks.KIND, do=_call_webhook, look_up=_find_webhooks),
        Kind(name=RECOUNT, do=_recount, share=1, tries=None, longest_seconds=LONG),
        Kind(name="tidying", do=_tidy, every=HOURLY, tries=None, longest_seconds=LONG),
        Kind(name="removal", do=_remove_surveys, every=HOURLY, tries=None, longest_seconds=LONG),
    )
}
"""A receiver of a webhook knows what came twice by its id, and housekeeping done twice changes nothing: of today's
kinds, all are repeated when a worker died at them."""
