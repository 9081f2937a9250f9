"""The sample results of the demo: in every survey, marked, and out again without a trace."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.sites import Site, create_site
from collector.responses.reading import Filter, is_sample, list_responses
from collector.responses.rollups import total_of
from collector.run.demo import DOCUMENTS
from collector.run.samples import add_samples, remove_samples
from collector.surveys.document import read_document
from collector.surveys.lifecycle import create_survey, list_surveys, publish_survey
from tests.stores import differences_in, in_a_loop, opened

NOW = datetime.now(UTC)


async def published(connection: AsyncConnection) -> Site:
    site = await create_site(connection, "Sample shop of the test", by="test", now=NOW)
    for document in DOCUMENTS:
        survey = await create_survey(connection, site.id, read_document(document), by="test", now=NOW)
        await publish_survey(connection, site.id, survey.id, by="test", now=NOW)
    return site


async def counted(connection: AsyncConnection, site: Site) -> list[tuple[int, int]]:
    """Impressions and responses by survey."""
    totals = [await total_of(connection, site.id, one.number) for one in await list_surveys(connection, site.id)]
    return [(one.impressions, sum(one.scores.values())) for one in totals]


def test_samples_are_in_every_survey_marked_and_removed_without_a_trace(store: tuple[str, str]) -> None:
    async def run() -> None:
        async with opened(store[0]) as database:
            async with database.write() as connection:
                site = await published(connection)
                await add_samples(connection, site, now=NOW)
            async with database.read() as connection:
                found = await counted(connection, site)
                rows: Any = (await list_responses(connection, site.id, Filter(), limit=200))[0]
            assert len(found) == len(DOCUMENTS)
            assert all(shown > answered > 50 for shown, answered in found), found
            assert len(rows) == 200
            assert all(is_sample(row.id) for row in rows)
            assert await differences_in(database) == [], "the sums are those of the rows"
            async with database.write() as connection:
                assert await remove_samples(connection, site) == sum(answered for _, answered in found)
            async with database.read() as connection:
                assert await counted(connection, site) == [(0, 0)] * len(found)
                assert (await list_responses(connection, site.id, Filter(), limit=1))[0] == []
            assert await differences_in(database) == []

    in_a_loop(run)
