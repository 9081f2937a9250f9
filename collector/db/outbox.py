"""Durable jobs: what must happen because of something that was stored, written in the same transaction.

A job is claimed with a lease, tried again later when it fails, and given up with a reason after as many tries as its
kind has. A worker that dies loses its lease in time, and another one does the job: at least once, always under the same
id, unless its kind says that nobody may when it is not known how it went.
"""

from __future__ import annotations

import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.db.ids import new_hex_id, new_id, new_id_beside
from collector.db.kinds import INSTALLATION, MOST_ATTEMPTS, SHARE, Rules
from collector.db.schema import jobs, payloads
from collector.db.verbs import Insert
from collector.errors import Conflict, Fault, Invalid, NotFound

LEASE = timedelta(seconds=90)
"""How long a worker may take for a job before another one does it."""
WAITS = (5, 30, 120, 600, 1800, 3600, 10800, 21600, 43200)
"""Seconds until the next try, after the first, second … try failed; each is made up to a fifth longer or shorter."""
UNKNOWN = "a worker died at it, and nobody knows whether it was done"
KEPT = timedelta(days=30)
"""How long a job that is over can be looked up."""

Status = Literal["new", "waiting", "done", "failed"]
EVENT = "event"
"""What has happened, until it is known who wants to hear of it."""

put_jobs = Insert(
    jobs, ("site_id", "id", "kind", "subject_id", "payload", "status", "attempts", "due_at", "created_at")
)


def new_event(site_id: int, subject_id: str, body: str, now: datetime) -> tuple[Any, ...]:
    """A row for `put_jobs`: ``body`` is what is sent to whoever wants to hear of it, ``subject_id`` in hex what it is
    about."""
    return (site_id, new_hex_id(), EVENT, subject_id, body, "new", 0, now, now)


@dataclass(frozen=True)
class Event:
    """What has happened, as it was written down."""

    site_id: int
    id: UUID
    subject_id: UUID
    body: str
    at: datetime


async def take_events(connection: AsyncConnection, *, most: int) -> list[Event]:
    """Take away what nobody was told of yet, so many at once, to put jobs in its place within this transaction."""
    query = (
        select(jobs.c.site_id, jobs.c.id, jobs.c.subject_id, jobs.c.payload, jobs.c.created_at)
        .where(in_status("new"))
        .order_by(jobs.c.site_id, jobs.c.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    taken = [Event(*row) for row in await connection.execute(query)]
    if taken:
        here = (jobs.c.site_id == bindparam("its_site")) & (jobs.c.id == bindparam("its_id"))
        await connection.execute(
            delete(jobs).where(here), [{"its_site": one.site_id, "its_id": one.id} for one in taken]
        )
    return taken


async def put_in_place(
    connection: AsyncConnection,
    kind: str,
    targets: Mapping[int, Sequence[UUID]],
    events: Sequence[Event],
    now: datetime,
) -> int:
    """A job for each target that an event's site has, due at once; how many. What several send is stored once."""
    shared, each = [], []
    for event in events:
        theirs = targets.get(event.site_id, ())
        payload_id = new_id_beside(event.id) if len(theirs) > 1 else None
        if payload_id:
            about = {"site_id": event.site_id, "id": payload_id, "subject_id": event.subject_id}
            shared.append({**about, "body": event.body, "created_at": event.at})
        each += [
            {
                "site_id": event.site_id,
                "id": new_id_beside(event.id),  # so that deliveries are in the order of what happened
                "kind": kind,
                "target_id": target,
                "subject_id": event.subject_id,
                "payload": "" if payload_id else event.body,
                "payload_id": payload_id,
                "status": "waiting",
                "attempts": 0,
                "due_at": now,
                "created_at": event.at,
            }
            for target in theirs
        ]
    for table, rows in ((payloads, shared), (jobs, each)):
        if rows:
            await connection.execute(insert(table), rows)
    return len(each)


def in_status(status: str) -> ColumnElement[bool]:
    """Written out, because an index of the jobs in one status is used for no other way of asking."""
    return jobs.c.status == literal_column(f"'{status}'")


_WITH_PAYLOAD = jobs.outerjoin(payloads, and_(payloads.c.site_id == jobs.c.site_id, payloads.c.id == jobs.c.payload_id))


def _whole_jobs() -> Select[Any]:
    """Jobs with what they send, wherever it stands."""
    own = [column for column in jobs.c if column.name != "payload"]
    payload = func.coalesce(payloads.c.body, jobs.c.payload).label("payload")
    return select(*own, payload).select_from(_WITH_PAYLOAD)


@dataclass(frozen=True)
class Job:
    """One job that this worker holds the lease of."""

    site_id: int
    id: UUID
    kind: str
    target_id: UUID | None
    payload: str
    attempts: int
    """Including the one that is being made."""
    lease: UUID


async def is_due(connection: AsyncConnection, *, now: datetime) -> bool:
    """Whether there is anything to tell or to claim."""
    told = (await connection.execute(select(jobs.c.id).where(in_status("new")).limit(1))).first()
    return told is not None or (await connection.execute(_sites_with_work(now).limit(1))).first() is not None


def _sites_with_work(now: datetime) -> Select[Any]:
    """The sites that have something due, from one to the next by the index: those without are not looked at."""
    first = select(func.min(jobs.c.site_id).label("site_id")).where(in_status("waiting")).cte("served", recursive=True)
    following = select(func.min(jobs.c.site_id)).where(in_status("waiting"), jobs.c.site_id > first.c.site_id)
    every = first.union_all(select(following.scalar_subquery()).where(first.c.site_id.is_not(None)))
    return select(every.c.site_id).where(every.c.site_id.is_not(None), exists().where(_due_of(every.c.site_id, now)))


async def claim(
    connection: AsyncConnection,
    *,
    now: datetime,
    most: int,
    kinds: Mapping[str, Rules],
    shares: Mapping[tuple[int, str], int],
    running: Collection[UUID] = (),
) -> list[Job]:
    """Take up to ``most`` jobs that are due, at most the share of its kind of one site; less what ``shares`` says that
    a site has of a kind already.

    ``running`` are jobs that the caller is still at: they are not due to it, whatever became of the clock. No site
    waits for another's queue to empty: each that has something due gets its part in turn.
    """
    waiting = list((await connection.execute(_sites_with_work(now))).scalars())
    random.shuffle(waiting)
    await _give_up_the_hopeless(connection, waiting, running, kinds, now)
    lease, claimed = new_id(), list[Job]()
    for number, site_id in enumerate(waiting):
        fair = max(1, (most - len(claimed)) // (len(waiting) - number))
        left = {kind: rules.share - shares.get((site_id, kind), 0) for kind, rules in kinds.items()}
        wanted = min(fair, most - len(claimed))
        if wanted <= 0:
            continue
        full = [kind for kind, room in left.items() if room <= 0]
        query = (
            _whole_jobs()
            .where(_due_of(site_id, now), jobs.c.id.not_in(running), jobs.c.kind.not_in(full))
            .order_by(jobs.c.due_at)
            .limit(wanted)
            .with_for_update(of=jobs, skip_locked=True)
        )
        for row in await connection.execute(query):
            left[row.kind] = left.get(row.kind, SHARE) - 1
            if left[row.kind] >= 0:
                claimed.append(_job(row, lease))
    if claimed:
        here = (jobs.c.site_id == bindparam("its_site")) & (jobs.c.id == bindparam("its_id"))
        held = {"lease": lease, "due_at": now + LEASE, "attempts": jobs.c.attempts + 1}
        await connection.execute(
            update(jobs).where(here).values(held), [{"its_site": job.site_id, "its_id": job.id} for job in claimed]
        )
    return claimed


def _job(row: Row[Any], lease: UUID) -> Job:
    return Job(row.site_id, row.id, row.kind, row.target_id, row.payload, row.attempts + 1, lease)


async def _give_up_the_hopeless(
    connection: AsyncConnection,
    waiting: Collection[int],
    running: Collection[UUID],
    kinds: Mapping[str, Rules],
    now: datetime,
) -> None:
    """A job that every worker dies of must not go on for ever, and one that may be done once is not done again."""
    here = jobs.c.site_id.in_(waiting), in_status("waiting"), jobs.c.due_at <= now, jobs.c.id.not_in(running)
    end = {"status": "failed", "lease": None, "finished_at": now}
    once = [kind for kind, rules in kinds.items() if rules.unknown == "stop"]
    if once:
        begun = jobs.c.kind.in_(once), jobs.c.lease.is_not(None)
        await connection.execute(update(jobs).where(*here, *begun).values(end | {"reason": UNKNOWN}))
    told = [(kind, rules.tries) for kind, rules in kinds.items() if rules.tries != MOST_ATTEMPTS]
    usual = and_(jobs.c.kind.not_in([kind for kind, _ in told]), jobs.c.attempts >= MOST_ATTEMPTS)
    own = [and_(jobs.c.kind == kind, jobs.c.attempts >= tries) for kind, tries in told if tries]
    reason = {"reason": "no worker lived to say how it went"}
    await connection.execute(update(jobs).where(*here, or_(usual, *own)).values(end | reason))


def _due_of(site_id: Any, now: datetime) -> ColumnElement[bool]:
    return and_(jobs.c.site_id == site_id, in_status("waiting"), jobs.c.due_at <= now)


@dataclass(frozen=True)
class Outcome:
    """How a try went: ``done``; ``waiting`` so many seconds for the next one; or ``failed`` for good."""

    job: Job
    status: Status
    wait: float = 0.0
    reason: str | None = None
    attempts: int | None = None
    """To go on from; None as many as there were."""


def later(job: Job, seconds: float) -> Outcome:
    """What becomes of a job of which a part was done: it goes on in a while."""
    return Outcome(job, "waiting", seconds, attempts=0)


def done(job: Job, rules: Rules | None = None) -> Outcome:
    """What becomes of a job that was done: one that comes round waits for its next time."""
    if rules is None or rules.every is None:
        return Outcome(job, "done")
    return later(job, rules.every.total_seconds())


def failed(
    job: Job,
    reason: str,
    *,
    permanent: bool = False,
    wait: float | None = None,
    tries: int | None = MOST_ATTEMPTS,
) -> Outcome:
    """What becomes of a job whose try failed; ``wait`` is how many seconds the other side asked for."""
    if tries is not None and (permanent or job.attempts >= tries):
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
                "attempts": one.job.attempts if one.attempts is None else one.attempts,
                "due_at": now + timedelta(seconds=one.wait),
                "reason": one.reason,
                "lease": None,
                "finished_at": None if one.status == "waiting" else now,
            }
            for one in sorted(outcomes, key=lambda one: (one.job.site_id, one.job.id))
        ],
    )


async def hold_back(connection: AsyncConnection, kind: str, reason: str, *, now: datetime) -> int:
    """Give up every job of a kind that waits, until somebody asks for it again with `redo`; how many there were."""
    end = {"status": "failed", "reason": reason, "lease": None, "finished_at": now}
    waiting = jobs.c.kind == kind, in_status("waiting")
    return (await connection.execute(update(jobs).where(*waiting).values(end))).rowcount


async def redo(connection: AsyncConnection, site_id: int, job_id: UUID, *, now: datetime) -> None:
    """Try again, under the same id, what was done or given up. Raises `NotFound`, or `Conflict` while it waits."""
    await get_job(connection, site_id, job_id)
    over = jobs.c.site_id == site_id, jobs.c.id == job_id, jobs.c.status != "waiting"
    again = {"status": "waiting", "attempts": 0, "due_at": now, "finished_at": None}
    done = await connection.execute(update(jobs).where(*over).values(again))
    if not done.rowcount:  # perhaps since a moment, when somebody else asked for it too
        raise Conflict("This delivery is still being retried automatically.")


async def get_job(connection: AsyncConnection, site_id: int, job_id: UUID) -> Row[Any]:
    """Raises `NotFound`."""
    row: Row[Any] | None = (
        await connection.execute(_whole_jobs().where(jobs.c.site_id == site_id, jobs.c.id == job_id))
    ).one_or_none()
    if row is None:
        raise NotFound("Delivery not found.")
    return row


async def list_jobs(
    connection: AsyncConnection, site_id: int, target_id: UUID, *, limit: int, cursor: str | None = None
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


async def forget_subject(connection: AsyncConnection, site_id: int, subject_id: UUID) -> None:
    """Remove every job about something that is removed itself."""
    for _ in range(2):  # jobs that take an event's place while the first waits for it are seen by the second
        await _forget(connection, site_id, jobs.c.subject_id == subject_id)
    mine = payloads.c.site_id == site_id, payloads.c.subject_id == subject_id
    await connection.execute(delete(payloads).where(*mine))


async def forget_target(connection: AsyncConnection, site_id: int, target_id: UUID) -> None:
    """Remove every job for a place that nothing is sent to any more."""
    await _forget(connection, site_id, jobs.c.target_id == target_id)


async def _forget(connection: AsyncConnection, site_id: int, which: ColumnElement[bool]) -> None:
    held = select(jobs.c.id).where(jobs.c.site_id == site_id, which).order_by(jobs.c.id).with_for_update()
    await connection.execute(delete(jobs).where(jobs.c.site_id == site_id, jobs.c.id.in_(held)))


async def sweep(connection: AsyncConnection, *, now: datetime) -> int:
    """Remove jobs that have been over for long, and what none of them sends any more; how many jobs there were."""
    over = jobs.c.finished_at.is_not(None), jobs.c.finished_at < now - KEPT
    removed = (await connection.execute(delete(jobs).where(*over))).rowcount
    same = jobs.c.site_id == payloads.c.site_id, jobs.c.subject_id == payloads.c.subject_id
    sent = exists().where(*same, jobs.c.payload_id == payloads.c.id)
    await connection.execute(delete(payloads).where(payloads.c.created_at < now - KEPT, ~sent))
    return removed


async def backlog(connection: AsyncConnection) -> dict[str, int]:
    """How many jobs wait, and how many were given up, over all sites."""
    found = {}
    for status in ("waiting", "failed"):
        counted = select(func.count()).where(in_status(status), jobs.c.site_id != INSTALLATION)
        found[status] = (await connection.execute(counted)).scalar_one()
    return found
