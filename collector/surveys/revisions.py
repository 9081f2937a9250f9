"""The revisions of a survey: what each publish froze, what a draft would change, and going back to one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.db.schema import revisions, surveys
from collector.errors import Conflict
from collector.surveys.document import SurveyDocument, stored_document
from collector.surveys.lifecycle import DELETED, Survey, get_revision, get_survey, replace_survey


@dataclass(frozen=True)
class Published:
    """A revision, and when it went live."""

    number: int
    document: SurveyDocument
    published_at: datetime


async def list_revisions(connection: AsyncConnection, survey: Survey) -> list[Published]:
    """The last one first."""
    here = revisions.c.site_id == survey.site_id, revisions.c.survey_number == survey.number
    rows = await connection.execute(select(revisions).where(*here).order_by(revisions.c.number.desc()))
    return [Published(row.number, stored_document(row.document), row.published_at) for row in rows]


async def changed_surveys(connection: AsyncConnection, site_id: int) -> set[int]:
    """The numbers of the surveys of which a publish would change what visitors see."""
    live = and_(
        revisions.c.site_id == surveys.c.site_id,
        revisions.c.survey_number == surveys.c.number,
        revisions.c.number == surveys.c.revision,
    )
    query = (
        select(surveys.c.number, surveys.c.document, revisions.c.document.label("live"))
        .join(revisions, live)
        .where(surveys.c.site_id == site_id, surveys.c.status.not_in((DELETED, "archived")))
    )
    return {
        row.number
        for row in await connection.execute(query)
        if row.document != row.live and differs(stored_document(row.live), stored_document(row.document))
    }


def differs(live: SurveyDocument, draft: SurveyDocument) -> bool:
    """Whether visitors would see another survey: they never see its name."""
    return live != draft.model_copy(update={"name": live.name})


async def draft_from(
    connection: AsyncConnection, site_id: int, survey_id: UUID, number: int | None, *, by: str, now: datetime
) -> Survey:
    """Make a revision the draft, under the name that the survey has; None takes the one that was published last.

    Raises `NotFound`, or `Conflict` where nothing was published yet and for an archived survey.
    """
    survey = await get_survey(connection, site_id, survey_id, to_change=True)
    if survey.revision is None:
        raise Conflict("This survey was not published yet, so there is no earlier version.")
    frozen = await get_revision(connection, site_id, survey.key, number or survey.revision)
    document = frozen.document.model_copy(update={"name": survey.name})
    return await replace_survey(connection, site_id, survey_id, document, by=by, now=now)


async def discard_changes(
    connection: AsyncConnection, site_id: int, survey_id: UUID, *, by: str, now: datetime
) -> Survey:
    """Make what is live the draft. Raises what `draft_from` does."""
    return await draft_from(connection, site_id, survey_id, None, by=by, now=now)
