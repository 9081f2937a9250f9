"""The outbox of a store for tests that have no loop of their own, and workers on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from itertools import count
from typing import Any, TypeVar
from uuid import UUID

from anyio.from_thread import BlockingPortal, start_blocking_portal
from sqlalchemy import Row, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.signing import Signing
from collector.access.sites import create_site
from collector.automations.webhooks import KIND, create_webhook
from collector.channels.outbound import Outbound
from collector.db import outbox
from collector.db.ids import new_id
from collector.db.kinds import INSTALLATION, Rules
from collector.db.opening import open_database
from collector.db.outbox import Job, Outcome
from collector.db.schema import jobs as table
from collector.db.store import Database
from collector.run.kinds import KINDS, Kind
from collector.run.worker import Worker
from collector.settings import Settings
from tests.conftest import SECRET
from tests.receiver import OWN_NETWORK

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
_OF_SITES = table.c.site_id != INSTALLATION
HERE = [ip_network(OWN_NETWORK)]
PATIENCE = 30

_numbers = count(1)
Found = TypeVar("Found")


def sharing(count_: int) -> dict[str, Kind]:
    """Webhooks alone, of which one worker calls so many of a site at the same time."""
    return {KIND: replace(KINDS[KIND], share=count_)}


@dataclass
class Clock:
    """A clock that goes on by itself and can be put forward or back."""

    off: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.off


@dataclass
class Jobs:
    """Made by `open_jobs`."""

    portal: BlockingPortal
    database: Database
    signing: Signing = field(default_factory=lambda: Signing(SECRET))

    def write(self, act: Callable[[AsyncConnection], Awaitable[Found]]) -> Found:
        async def run() -> Found:
            async with self.database.write() as connection:
                return await act(connection)

        return self.portal.call(run)

    def add_site(self) -> int:
        name = f"Site {next(_numbers)} with jobs"
        return self.write(lambda connection: create_site(connection, name, by="tests", now=NOW)).id

    def add_webhook(self, site: int, url: str) -> UUID:
        return self.write(lambda one: create_webhook(one, site, url, by="tests", now=NOW, networks=HERE)).id

    def put(
        self,
        site: int,
        count_: int = 1,
        *,
        due: datetime = NOW,
        target: UUID | None = None,
        subject: UUID | None = None,
        kind: str = KIND,
    ) -> list[UUID]:
        """Jobs of one site, due one microsecond after the other and the last at ``due``; their ids in that order."""
        target_id, subject_id = target or new_id(), subject or new_id()
        ids = [new_id() for _ in range(count_)]
        rows = [
            {
                "site_id": site,
                "id": job_id,
                "kind": kind,
                "target_id": target_id,
                "subject_id": subject_id,
                "payload": '{"type": "test"}',
                "status": "waiting",
                "attempts": 0,
                "due_at": due - timedelta(microseconds=left),
                "created_at": due,
            }
            for left, job_id in zip(reversed(range(count_)), ids, strict=True)
        ]
        self.write(lambda connection: connection.execute(insert(table), rows))
        return ids

    def claim(
        self,
        now: datetime,
        *,
        most: int = 64,
        kinds: Mapping[str, Rules] = KINDS,
        shares: Mapping[int, int] | None = None,
        running: Collection[UUID] = (),
    ) -> list[Job]:
        """``shares`` is how many webhooks of a site are being called already."""
        busy = {(site, KIND): count_ for site, count_ in (shares or {}).items()}
        return self.write(lambda one: outbox.claim(one, now=now, most=most, kinds=kinds, shares=busy, running=running))

    def settle(self, *outcomes: Outcome, now: datetime) -> None:
        self.write(lambda connection: outbox.settle(connection, outcomes, now=now))

    def rows(self, site: int | None = None) -> dict[UUID, Row[Any]]:
        query = select(table).where(_OF_SITES if site is None else table.c.site_id == site)
        found = self.write(lambda connection: connection.execute(query))
        return {row.id: row for row in found}

    def statuses(self) -> dict[str, int]:
        """How many jobs there are of each status."""
        query = select(table.c.status, func.count()).where(_OF_SITES).group_by(table.c.status)
        return {row[0]: row[1] for row in self.write(lambda connection: connection.execute(query))}

    def wait_for(self, **wanted: int) -> None:
        """Until there are just so many jobs of each status."""

        async def run() -> None:
            query = select(table.c.status, func.count()).where(_OF_SITES).group_by(table.c.status)
            async with asyncio.timeout(PATIENCE):
                while True:
                    async with self.database.read() as connection:
                        found = {row[0]: row[1] for row in await connection.execute(query)}
                    if found == wanted:
                        return
                    await asyncio.sleep(0.02)  # the pause between two looks at a condition

        try:
            self.portal.call(run)
        except TimeoutError:
            raise AssertionError(f"{self.statuses()}, and never {wanted}") from None

    def tried(self, wanted: UUID) -> Row[Any]:
        """A job, once a try of it has come to an end."""

        async def run() -> Row[Any]:
            async with asyncio.timeout(PATIENCE):
                while True:
                    async with self.database.read() as connection:
                        row: Row[Any] = (await connection.execute(select(table).where(table.c.id == wanted))).one()
                    if row.attempts and row.lease is None:
                        return row
                    await asyncio.sleep(0.02)  # the pause between two looks at a condition

        row: Row[Any] = self.portal.call(run)
        return row

    @contextmanager
    def working(
        self, outbound: Outbound, *, clock: Clock | None = None, kinds: Mapping[str, Kind] = KINDS
    ) -> Iterator[Worker]:
        """A worker until the block ends."""
        worker = Worker(self.database, self.signing, outbound, clock or Clock(), kinds)

        async def start() -> asyncio.Task[None]:
            return asyncio.create_task(worker.run())

        async def stop() -> None:
            running.cancel()
            await asyncio.wait([running])
            await outbound.aclose()

        running = self.portal.call(start)
        try:
            yield worker
        finally:
            self.portal.call(stop)


@contextmanager
def open_jobs(url: str) -> Iterator[Jobs]:
    settings = Settings(database_url=url, secret=SECRET)
    with start_blocking_portal() as portal:
        database = portal.call(open_database, settings)
        try:
            yield Jobs(portal, database)
        finally:
            portal.call(database.close)
