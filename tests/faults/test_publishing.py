"""Publishing at one of several collectors on one PostgreSQL: what the others load anew, and how soon it is live."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import pytest

from collector.access.sites import Site, create_site
from collector.db.postgres import PostgreSQL
from collector.db.store import Database
from collector.run.app import open_services
from collector.settings import Settings
from collector.surveys.lifecycle import create_survey, publish_survey
from collector.surveys.templates import document_of
from collector.web.visitors.cache import FRESH_SECONDS, RENEW_SECONDS
from collector.web.visitors.live import Live
from collector.web.visitors.script import Script
from collector.web.visitors.services import VisitorServices
from tests.conftest import SECRET
from tests.faults.times import times
from tests.stores import in_a_loop

SITES = 12
COLLECTORS = times(3, 10)
HEARD_SECONDS = 2.0
"""What is published is live everywhere within this time, where the others are told."""
LOOK_SECONDS = 0.05
"""Between two requests of a visitor."""

Loads = list[tuple[Live, str]]


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Loads:
    """Which collector loaded the script of which site, in order."""
    found: Loads = []
    load = Live._load_script

    async def note(self: Live, name: str, earlier: Script | None) -> Script:
        found.append((self, name))
        return await load(self, name, earlier)

    monkeypatch.setattr(Live, "_load_script", note)
    return found


@asynccontextmanager
async def collectors(url: str) -> AsyncIterator[list[VisitorServices]]:
    """Several, each as if it were alone in its process."""
    async with AsyncExitStack() as stack:
        settings = Settings(database_url=url, secret=SECRET)
        yield [await stack.enter_async_context(open_services(settings)) for _ in range(COLLECTORS)]


async def add_sites(database: Database) -> list[tuple[Site, UUID]]:
    """Sites with a published survey, and the id of one that is a draft."""
    found, now = [], datetime.now(UTC)
    async with database.write() as connection:
        for number in range(SITES):
            site = await create_site(connection, f"Shop {number}", by="tests", now=now)
            document = document_of("csat_checkout", "en", "First")
            first = await create_survey(connection, site.id, document, by="tests", now=now)
            await publish_survey(connection, site.id, first.id, by="tests", now=now)
            second = document.model_copy(update={"name": "Second", "question": "Published just now?"})
            found.append((site, (await create_survey(connection, site.id, second, by="tests", now=now)).id))
    return found


async def publish(database: Database, site: Site, survey_id: UUID) -> None:
    async with database.write() as connection:
        await publish_survey(connection, site.id, survey_id, by="tests", now=datetime.now(UTC))


async def look_at(services: Sequence[VisitorServices], keys: Sequence[str]) -> None:
    for one in services:
        for key in keys:
            await one.live.scripts.get(key)


async def seconds_until_live(services: Sequence[VisitorServices], key: str) -> list[float]:
    """How long each takes from now on, with a visitor on its pages all the while."""
    began = time.monotonic()

    async def seconds(one: VisitorServices) -> float:
        while "Published just now?" not in (await one.live.scripts.get(key)).config:
            assert time.monotonic() - began < 20
            await asyncio.sleep(LOOK_SECONDS)
        return time.monotonic() - began

    return await asyncio.gather(*map(seconds, services))


def in_collectors(url: str, story: Callable[[list[VisitorServices]], Awaitable[None]]) -> None:
    async def run() -> None:
        async with collectors(url) as services:
            await story(services)

    in_a_loop(run)


def test_others_are_told_and_load_that_site_alone(postgres_store: tuple[str, str], loads: Loads) -> None:
    async def story(services: list[VisitorServices]) -> None:
        sites = await add_sites(services[0].database)
        keys = [site.key for site, _ in sites]
        async with asyncio.timeout(20):
            while not all(one.database.hears for one in services):
                await asyncio.sleep(LOOK_SECONDS)
        for _ in range(2):  # the first may come before what was told of the sites
            await look_at(services, keys)
            del loads[:]
            await asyncio.sleep(RENEW_SECONDS + 0.5)
        await look_at(services, keys)
        assert loads == [], "nothing has changed"
        site, draft = sites[0]
        await publish(services[-1].database, site, draft)
        assert max(await seconds_until_live(services, site.key)) < HEARD_SECONDS
        await look_at(services, keys)
        assert {name for _, name in loads} == {site.key}, "no other site was loaded"
        assert len({id(one) for one, _ in loads}) == COLLECTORS
        assert len(loads) <= COLLECTORS + 1, "each loaded it once; who published it is told by itself as well"

    in_collectors(postgres_store[0], story)


def test_who_is_not_told_looks_within_seconds(
    postgres_store: tuple[str, str], loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind PgBouncer, where nothing is heard."""
    monkeypatch.setattr(PostgreSQL, "hears", property(lambda _: False))
    monkeypatch.setattr(PostgreSQL, "listen", lambda self, changed: setattr(self, "_changed", changed))

    async def story(services: list[VisitorServices]) -> None:
        sites = await add_sites(services[0].database)
        site, draft = sites[0]
        await look_at(services, [site.key])
        await publish(services[0].database, site, draft)
        own, *others = await seconds_until_live(services, site.key)
        assert own < HEARD_SECONDS, "whoever published it knows"
        assert min(others) > RENEW_SECONDS / 2
        assert max(others) < FRESH_SECONDS + 1
        assert {name for _, name in loads} == {site.key}

    in_collectors(postgres_store[0], story)
