"""What can be done to a survey as a whole, by people and by programs, each with its row in the log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.audit import Act, record
from collector.access.sites import Site
from collector.surveys.lifecycle import (
    Survey,
    archive_survey,
    bring_back_survey,
    clone_survey,
    delete_survey,
    get_survey,
    pause_survey,
    publish_survey,
    survey_to_act_on,
)
from collector.surveys.versions import require_version
from collector.web.http.shared import House

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


async def act_on(
    house: House,
    connection: AsyncConnection,
    who: str,
    site: Site,
    survey_id: UUID,
    act: str,
    *,
    version: Collection[str] | None = None,
) -> Survey:
    """Do one of `ACTS`; the survey as it is then, or its copy. An act that changed nothing is not in the log.

    Raises `Changed` unless the survey, held from here on, is in one of these versions; None takes any.
    Every process is told to read the surveys anew; call ``house.live.forget()`` once the transaction has ended.
    """
    name, do = ACTS[act]
    if act == "bring-back":
        before = await survey_to_act_on(connection, site.id, survey_id)
    else:
        before = await get_survey(connection, site.id, survey_id, to_change=True)
    if version is not None:
        require_version(before, version)
    survey = await do(connection, site.id, survey_id, now=house.clock())
    if act not in _MAY_CHANGE_NOTHING or (before.status, before.revision) != (survey.status, survey.revision):
        await record(connection, who, name, survey.name, now=house.clock(), site_id=site.id)
    await house.database.tell(connection)
    return survey
