"""Jobs that there is one of at a time: what comes round, and what a site has done over from the beginning."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import case, insert, literal, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.db.ids import new_id
from collector.db.kinds import INSTALLATION, Rules
from collector.db.outbox import LEASE, Job, in_status
from collector.db.schema import jobs
from collector.db.types import Instant


async def put_once(
    connection: AsyncConnection, site_id: int, kind: str, dedupe_key: str, *, now: datetime, payload: str = ""
) -> bool:
    """A job that is due now, unless one of this key waits or is being done; whether it was put."""
    row = {"site_id": site_id, "id": new_id(), "kind": kind, "dedupe_key": dedupe_key, "payload": payload}
    row |= {"status": "waiting", "attempts": 0, "due_at": now, "created_at": now}
    known = jobs.c.site_id == site_id, jobs.c.dedupe_key == dedupe_key, in_status("waiting")
    if (await connection.execute(select(jobs.c.id).where(*known))).first():
        return False
    try:
        async with connection.begin_nested():
            await connection.execute(insert(jobs).values(row))
    except IntegrityError:  # another process was first
        return False
    return True


async def put_what_comes_round(connection: AsyncConnection, kinds: Iterable[Rules], *, now: datetime) -> None:
    """One job for each kind that comes round, whichever process is first. A clock that was ahead for a while, and put
    it off for longer than from one time to the next, has no say any more."""
    for rules in kinds:
        if rules.every is None:
            continue
        if not await put_once(connection, INSTALLATION, rules.name, rules.name, now=now):
            mine = jobs.c.site_id == INSTALLATION, jobs.c.dedupe_key == rules.name, in_status("waiting")
            late = jobs.c.lease.is_(None), jobs.c.due_at > now + 2 * rules.every
            await connection.execute(update(jobs).where(*mine, *late).values(due_at=now + rules.every))


async def keep_lease(connection: AsyncConnection, job: Job, *, now: datetime) -> None:
    """Be at a job for another while, if this worker still is."""
    here = jobs.c.site_id == job.site_id, jobs.c.id == job.id, jobs.c.lease == job.lease
    await connection.execute(update(jobs).where(*here).values(due_at=now + LEASE))


async def put_over(connection: AsyncConnection, site_id: int, kind: str, *, now: datetime) -> None:
    """The one job of a kind that a site has, from its beginning: at once, or after the part that is being done."""
    if await put_once(connection, site_id, kind, kind, now=now):
        return
    due = case((jobs.c.lease.is_(None), literal(now, Instant)), else_=jobs.c.due_at)
    mine = jobs.c.site_id == site_id, jobs.c.dedupe_key == kind, in_status("waiting")
    await connection.execute(update(jobs).where(*mine).values(payload="", due_at=due))


async def progress_of(connection: AsyncConnection, site_id: int, kind: str) -> str | None:
    """What such a job has noted of how far it is; None if there is none."""
    mine = jobs.c.site_id == site_id, jobs.c.dedupe_key == kind, in_status("waiting")
    noted: str | None = (await connection.execute(select(jobs.c.payload).where(*mine))).scalar_one_or_none()
    return noted


async def note_progress(connection: AsyncConnection, job: Job, before: str, after: str) -> bool:
    """Note how far such a job is; not if it was to begin anew since ``before`` was noted."""
    return await _change(connection, job, before, {"payload": after})


async def end_of(connection: AsyncConnection, job: Job, before: str) -> bool:
    """Let another such job be put from now on; not if this one was to begin anew since ``before`` was noted."""
    return await _change(connection, job, before, {"payload": "", "dedupe_key": None})


async def _change(connection: AsyncConnection, job: Job, before: str, values: dict[str, str | None]) -> bool:
    here = jobs.c.site_id == job.site_id, jobs.c.id == job.id, jobs.c.payload == before
    return bool((await connection.execute(update(jobs).where(*here).values(values))).rowcount)
