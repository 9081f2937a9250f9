"""What can be done to a survey as a whole, by the name of the act."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from collector.surveys.lifecycle import (
    Survey,
    archive_survey,
    bring_back_survey,
    clone_survey,
    delete_survey,
    pause_survey,
    publish_survey,
    resume_survey,
    survey_to_act_on,
)
from collector.surveys.revisions import discard_changes
from collector.surveys.versions import require_version

ACTS: Mapping[str, Callable[..., Awaitable[Survey]]] = {
    "publish": publish_survey,
    "pause": pause_survey,
    "resume": resume_survey,
    "discard": discard_changes,
    "archive": archive_survey,
    "bring-back": bring_back_survey,
    "clone": clone_survey,
    "delete": delete_survey,
}
"""By the last part of the address."""


async def act_on(
    connection: AsyncConnection,
    site_id: int,
    survey_id: UUID,
    act: str,
    *,
    by: str,
    now: datetime,
    version: Collection[str] | None = None,
) -> Survey:
    """Do one of `ACTS`; the survey as it is then, or its copy.

    Raises `Changed` unless the survey, held from here on, is in one of these versions; None takes any.
    """
    if version is not None:
        require_version(await survey_to_act_on(connection, site_id, survey_id), version)
    return await ACTS[act](connection, site_id, survey_id, by=by, now=now)
