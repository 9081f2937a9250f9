"""Durable jobs: what must happen because of something that was stored, written in the same transaction.

A job is claimed with a lease, tried again later when it fails, and given up with a reason after `MOST_ATTEMPTS`. A
worker that dies loses its lease in time, and another one does the job: at least once, always under the same id.
"""

from __future__ import annotations

import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.db.schema import jobs, new_hex_id, new_id, payloads, sites
from collector.db.verbs import Insert
from collector.errors import Conflict, Fault, Invalid, NotFound

LEASE = timedelta(seconds=90)
"""How long a worker may take for a job before another one does it."""
MOST_ATTEMPTS = 10
WAITS = (5, 30, 120, 600, 1800, 3600, 10800, 21600, 43200)
"""Seconds until the next try, after the first, second … try failed; each is made up to a fifth longer or shorter."""
KEPT = timedelta(days=30)
"""How long a job that is over can be looked up."""

Status = Literal["waiting", "done", "failed"]
COLUMNS = (
    *("site_id", "id", "kind", "target_id", "subject_id", "payload", "payload_id"),
    *("status", "attempts", "due_at", "created_at"),
)

put_jobs = Insert(jobs, COLUMNS)
put_payloads = Insert(payloads, ("site_id", "id", "subject_id", "body", "created_at"))


def new_job(
    site_id: str, kind: str, target_id: str, subject_id: str, payload: str, now: datetime, payload_id: str | None = None
) -> tuple[Any, ...]:
    """A row for `put_jobs`, due at once. Ids are hex."""
    return (site_id, new_hex_id(), kind, target_id, subject_id, payload, payload_id, "waiting", 0, now, now)


def new_jobs(
    site_id: str, kind: str, targets: Sequence[str], subject_id: str, payload: str, now: datetime
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Rows for `put_payloads` and `put_jobs`, a job for each target. What is sent stands on the disk once."""
    if len(targets) == 1:
        return [], [new_job(site_id, kind, targets[0], subject_id, payload, now)]
    shared = new_hex_id()
    each = [new_job(site_id, kind, target, subject_id, "", now, shared) for target in targets]
    return [(site_id, shared, subject_id, payload, now)], each


_WITH_PAYLOAD = jobs.outerjoin(payloads, and_(payloads.c.site_id == jobs.c.site_id, payloads.c.id == jobs.c.payload_id))


def _whole_jobs() -> Select[Any]:
    """Jobs with what they send, wherever it stands."""
    own = [column for column in jobs.c if column.name != "payload"]
    payload = func.coalesce(payloads.c.body, jobs.c.payload).label("payload")
    return select(*own, payload).select_from(_WITH_PAYLOAD)


@dataclass(frozen=True)
class Job:
    """One job that this worker holds the lease of."""

    site_id: UUID
    id: UUID
    kind: str
    target_id: UUID | None
    payload: str
    attempts: int
    """Including the one that is being made."""
    lease: UUID


async def is_due(connection: AsyncConnection, *, now: datetime) -> bool:
    """Whether there is anything to claim."""
    due = exists().where(_due_of(sites.c.id, now))
    return (await connection.execute(select(sites.c.id).where(due).limit(1))).first() is not None


async def claim(
    connection: AsyncConnection,
    *,
    now: datetime,
    most: int,
    share: int,
    shares: Mapping[UUID, int],
    running: Collection[UUID] = (),
) -> list[Job]:
    """Take up to ``most`` jobs that are due, at most ``share`` of one site; less what ``shares`` says it has already.

    ``running`` are jobs that the caller is still at: they are not due to it, whatever became of the clock. No site
    waits for another's queue to empty: each that has something due gets its part in turn.
    """
    due = exists().where(_due_of(sites.c.id, now))
    waiting = list((await connection.execute(select(sites.c.id).where(due))).scalars())
    random.shuffle(waiting)
    await _give_up_the_hopeless(connection, waiting, running, now)
    lease, claimed = new_id(), list[Job]()
    for number, site_id in enumerate(waiting):
        fair = max(1, (most - len(claimed)) // (len(waiting) - number))
        wanted = min(fair, share - shares.get(site_id, 0), most - len(claimed))
        if wanted <= 0:
            continue
        query = (
            _whole_jobs()
            .where(_due_of(site_id, now), jobs.c.id.not_in(running))
            .order_by(jobs.c.due_at)
            .limit(wanted)
            .with_for_update(of=jobs, skip_locked=True)
        )
        claimed += [
            Job(row.site_id, row.id, row.kind, row.target_id, row.payload, row.attempts + 1, lease)
            for row in await connection.execute(query)
        ]
    if claimed:
        here = (jobs.c.site_id == bindparam("its_site")) & (jobs.c.id == bindparam("its_id"))
        held = {"lease": lease, "due_at": now + LEASE, "attempts": jobs.c.attempts + 1}
        await connection.execute(
            update(jobs).where(here).values(held), [{"its_site": job.site_id, "its_id": job.id} for job in claimed]
        )
    return claimed


async def _give_up_the_hopeless(
    connection: AsyncConnection, waiting: Collection[UUID], running: Collection[UUID], now: datetime
) -> None:
    """A job that every worker dies of must not go on for ever."""
    tried = and_(jobs.c.status == "waiting", jobs.c.due_at <= now, jobs.c.attempts >= MOST_ATTEMPTS)
    here = jobs.c.site_id.in_(waiting), tried, jobs.c.id.not_in(running)
    end = {"status": "failed", "reason": "no worker lived to say how it went", "lease": None, "finished_at": now}
    await connection.execute(update(jobs).where(*here).values(end))


def _due_of(site_id: Any, now: datetime) -> ColumnElement[bool]:
    return and_(jobs.c.site_id == site_id, jobs.c.status == "waiting", jobs.c.due_at <= now)


@dataclass(frozen=True)
class Outcome:
    """How a try went: ``done``; ``waiting`` so many seconds for the next one; or ``failed`` for good."""

    job: Job
    status: Status
    wait: float = 0.0
    reason: str | None = None


def failed(job: Job, reason: str, *, permanent: bool = False, wait: float | None = None) -> Outcome:
    """What becomes of a job whose try failed; ``wait`` is how many seconds the other side asked for."""
    if permanent or job.attempts >= MOST_ATTEMPTS:
        return Outcome(job, "failed", reason=reason)
    seconds = WAITS[min(job.attempts, len(WAITS)) - 1] * random.uniform(0.8, 1.2)  # noqa: S311
    return Outcome(job, "waiting", max(seconds, wait or 0.0), reason)


async def settle(connection: AsyncConnection, outcomes: Sequence[Outcome], *, now: datetime) -> None:
    """Write down how tries went. A job whose lease has passed to another worker is left to that one.

    In order of their ids, as `_forget` takes them, so that neither waits for the other.
    """
    here = (
        (jobs.c.site_id == bindparam("its_site"))
        & (jobs.c.id == bindparam("its_id"))
        & (jobs.c.lease == bindparam("its_lease"))
    )
    await connection.execute(
        update(jobs).where(here),
        [
            {
                "its_site": one.job.site_id,
                "its_id": one.job.id,
                "its_lease": one.job.lease,
                "status": one.status,
                "due_at": now + timedelta(seconds=one.wait),
                "reason": one.reason,
                "lease": None,
                "finished_at": None if one.status == "waiting" else now,
            }
            for one in sorted(outcomes, key=lambda one: (one.job.site_id, one.job.id))
        ],
    )


async def redo(connection: AsyncConnection, site_id: UUID, job_id: UUID, *, now: datetime) -> None:
    """Try again, under the same id, what was done or given up. Raises `NotFound`, or `Conflict` while it waits."""
    await get_job(connection, site_id, job_id)
    over = jobs.c.site_id == site_id, jobs.c.id == job_id, jobs.c.status != "waiting"
    again = {"status": "waiting", "attempts": 0, "due_at": now, "finished_at": None}
    done = await connection.execute(update(jobs).where(*over).values(again))
    if not done.rowcount:  # perhaps since a moment, when somebody else asked for it too
        raise Conflict("It has not been given up: it is tried again by itself.")


async def get_job(connection: AsyncConnection, site_id: UUID, job_id: UUID) -> Row[Any]:
    """Raises `NotFound`."""
    row: Row[Any] | None = (
        await connection.execute(_whole_jobs().where(jobs.c.site_id == site_id, jobs.c.id == job_id))
    ).one_or_none()
    if row is None:
        raise NotFound("This site has no such delivery.")
    return row


async def list_jobs(
    connection: AsyncConnection, site_id: UUID, target_id: UUID, *, limit: int, cursor: str | None = None
) -> tuple[Sequence[Row[Any]], str | None]:
    """Newest first, with the cursor of the next page or None. Raises `Invalid` for a cursor that is none of ours."""
    query = _whole_jobs().where(jobs.c.site_id == site_id, jobs.c.target_id == target_id)
    if cursor is not None:
        query = query.where(jobs.c.id < _read_cursor(cursor))
    rows = (await connection.execute(query.order_by(jobs.c.id.desc()).limit(limit + 1))).all()
    following = urlsafe_b64encode(rows[limit - 1].id.bytes).decode().rstrip("=") if len(rows) > limit else None
    return rows[:limit], following


def _read_cursor(cursor: str) -> UUID:
    try:
        return UUID(bytes=urlsafe_b64decode(cursor + "=="))
    except ValueError:
        raise Invalid(faults=[Fault("?cursor", "must be the next of an earlier list")]) from None


async def forget_subject(connection: AsyncConnection, site_id: UUID, subject_id: UUID) -> None:
    """Remove every job about something that is removed itself."""
    await _forget(connection, site_id, jobs.c.subject_id == subject_id)
    mine = payloads.c.site_id == site_id, payloads.c.subject_id == subject_id
    await connection.execute(delete(payloads).where(*mine))


async def forget_target(connection: AsyncConnection, site_id: UUID, target_id: UUID) -> None:
    """Remove every job for a place that nothing is sent to any more."""
    await _forget(connection, site_id, jobs.c.target_id == target_id)


async def _forget(connection: AsyncConnection, site_id: UUID, which: ColumnElement[bool]) -> None:
    held = select(jobs.c.id).where(jobs.c.site_id == site_id, which).order_by(jobs.c.id).with_for_update()
    await connection.execute(delete(jobs).where(jobs.c.site_id == site_id, jobs.c.id.in_(held)))


async def sweep(connection: AsyncConnection, *, now: datetime) -> int:
    """Remove jobs that have been over for long, and what none of them sends any more; how many jobs there were."""
    removed = (await connection.execute(delete(jobs).where(jobs.c.finished_at < now - KEPT))).rowcount
    same = jobs.c.site_id == payloads.c.site_id, jobs.c.subject_id == payloads.c.subject_id
    sent = exists().where(*same, jobs.c.payload_id == payloads.c.id)
    await connection.execute(delete(payloads).where(payloads.c.created_at < now - KEPT, ~sent))
    return removed


async def backlog(connection: AsyncConnection) -> dict[str, int]:
    """How many jobs wait, and how many were given up, over all sites."""
    query = select(jobs.c.status, func.count()).where(jobs.c.status != "done").group_by(jobs.c.status)
    found = {"waiting": 0, "failed": 0}
    for status, count in await connection.execute(query):
        found[status] = count
    return found
