"""Removes for good what was deleted long ago: a survey with its answers, sums and what was still to be sent.

In steps that are short transactions each, because there may be millions of answers; whoever is interrupted, or meets
another worker at it, goes on from what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.audit import record
from collector.access.sites import zones_of
from collector.db.outbox import forget_subject
from collector.db.schema import impressions, jobs, payloads, responses, revisions, rollups, surveys
from collector.errors import NotFound
from collector.responses.rollups import Sums, add_up
from collector.surveys.lifecycle import DELETED, KEPT_DELETED

GRACE = timedelta(hours=1)
"""After the last moment in which it can be brought back, by whichever clock."""
AT_ONCE = 500
"""Responses or impressions that one transaction removes."""


async def surveys_to_remove(connection: AsyncConnection, *, now: datetime) -> Sequence[tuple[int, int]]:
    """The sites and numbers of those that were deleted too long ago to be brought back."""
    due = surveys.c.status == DELETED, surveys.c.updated_at < now - KEPT_DELETED - GRACE
    rows = await connection.execute(select(surveys.c.site_id, surveys.c.number).where(*due))
    return [(row.site_id, row.number) for row in rows]


async def remove_responses(connection: AsyncConnection, site_id: int, number: int) -> int:
    """Remove some of a survey's responses, with what was to be sent of them; how many, 0 once there are none."""
    mine = responses.c.site_id == site_id, responses.c.survey_number == number
    ids = (await connection.execute(select(responses.c.id).where(*mine).limit(AT_ONCE))).scalars().all()
    for table in (jobs, payloads):
        await connection.execute(delete(table).where(table.c.site_id == site_id, table.c.subject_id.in_(ids)))
    await connection.execute(delete(responses).where(responses.c.site_id == site_id, responses.c.id.in_(ids)))
    return len(ids)


async def remove_impressions(connection: AsyncConnection, site_id: int, number: int) -> int:
    """Remove some of a survey's impressions; how many, 0 once there are none."""
    mine = impressions.c.site_id == site_id, impressions.c.survey_number == number
    ids = (await connection.execute(select(impressions.c.id).where(*mine).limit(AT_ONCE))).scalars().all()
    await connection.execute(delete(impressions).where(impressions.c.site_id == site_id, impressions.c.id.in_(ids)))
    return len(ids)


async def remove_survey(connection: AsyncConnection, site_id: int, number: int) -> None:
    """The survey itself, once its responses and impressions are gone."""
    for table in (rollups, revisions):
        await connection.execute(delete(table).where(table.c.site_id == site_id, table.c.survey_number == number))
    await connection.execute(delete(surveys).where(surveys.c.site_id == site_id, surveys.c.number == number))


async def delete_response(
    connection: AsyncConnection, site_id: int, response_id: UUID, *, by: str, now: datetime
) -> None:
    """Remove a response with the impression that it came of, what was counted for both, and what was still to happen
    because of it. Raises `NotFound`."""
    here = responses.c.site_id == site_id, responses.c.id == response_id
    row = (await connection.execute(select(responses).where(*here).with_for_update())).mappings().one_or_none()
    if row is None:
        raise NotFound("Response not found.")
    sums = Sums(0, await zones_of(connection, site_id))
    sums.count_response(row, -1)
    shown = impressions.c.site_id == site_id, impressions.c.id == row["impression_id"]
    query = select(impressions).where(*shown).with_for_update()
    for impression in (await connection.execute(query)).mappings().all():
        sums.count_impression(impression, -1)
    await connection.execute(delete(impressions).where(*shown))
    await add_up(connection, sums)
    await forget_subject(connection, site_id, response_id)
    await connection.execute(delete(responses).where(*here))
    await record(connection, by, "response.deleted", str(response_id), now=now, site_id=site_id)
