"""What can be done to a survey as a whole, by people and by programs, each with its row in the log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from collector.audit import Act, record
from collector.sites import Site
from collector.surveys.lifecycle import (
    Survey,
    archive_survey,
    bring_back_survey,
    clone_survey,
    delete_survey,
    get_survey,
    pause_survey,
    publish_survey,
)
from collector.web.http import House

ACTS: Mapping[str, tuple[Act, Callable[..., Awaitable[Survey]]]] = {
    "publish": ("survey.published", publish_survey),
    "pause": ("survey.paused", pause_survey),
    "archive": ("survey.archived", archive_survey),
    "bring-back": ("survey.restored", bring_back_survey),
    "clone": ("survey.cloned", clone_survey),
    "delete": ("survey.deleted", delete_survey),
}
"""By the last part of the address."""
_MAY_CHANGE_NOTHING = ("publish", "pause", "archive")


async def act_on(house: House, connection: AsyncConnection, who: str, site: Site, survey_id: UUID, act: str) -> Survey:
    """Do one of `ACTS`; the survey as it is then, or its copy. An act that changed nothing is not in the log.

    Every process is told to read the surveys anew; call ``house.live.forget()`` once the transaction has ended.
    """
    name, do = ACTS[act]
    before = await get_survey(connection, site.id, survey_id) if act in _MAY_CHANGE_NOTHING else None
    survey = await do(connection, site.id, survey_id, now=house.clock())
    if before is None or (before.status, before.revision) != (survey.status, survey.revision):
        await record(connection, who, name, survey.name, now=house.clock(), site_id=site.id)
    await house.database.tell(connection)
    return survey
