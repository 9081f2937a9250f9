"""The surveys of many sites, in one statement and without reading their documents; and those that were deleted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.db.schema import surveys
from collector.surveys.lifecycle import DELETED, KEPT_DELETED, Status, Survey, survey_of
from collector.surveys.metrics import DEFAULT_SCALE, Metric


@dataclass(frozen=True)
class Listed:
    """What a list says of a survey; ``points`` are those of its scale."""

    site_id: int
    number: int
    id: UUID
    name: str
    status: Status
    delivery: str
    metric: Metric
    points: int


async def surveys_by_site(connection: AsyncConnection, site_ids: Collection[int]) -> dict[int, list[Listed]]:
    """The surveys of each of these sites, newest first, archived ones last."""
    columns = [surveys.c[name] for name in ("site_id", "number", "id", "name", "status")]
    columns += [surveys.c.document[name].as_string() for name in ("delivery", "metric")]
    query: Select[Any] = (
        select(*columns, surveys.c.document["scale"].as_integer())
        .where(surveys.c.site_id.in_(site_ids), surveys.c.status != DELETED)
        .order_by(surveys.c.status == "archived", surveys.c.created_at.desc(), surveys.c.id.desc())
    )
    found: dict[int, list[Listed]] = {one: [] for one in site_ids}
    for site_id, number, survey_id, name, status, delivery, metric, scale in await connection.execute(query):
        points = scale or DEFAULT_SCALE[metric]
        found[site_id].append(Listed(site_id, number, survey_id, name, status, delivery, metric, points))
    return found


@dataclass(frozen=True)
class Deleted:
    """A survey that was deleted, under the name it had."""

    survey: Survey
    deleted_at: datetime

    @property
    def id(self) -> UUID:
        return self.survey.id

    @property
    def name(self) -> str:
        return self.survey.document.name

    @property
    def until(self) -> datetime:
        """Until when it can be brought back."""
        return self.deleted_at + KEPT_DELETED


async def deleted_by_site(
    connection: AsyncConnection, site_ids: Collection[int], *, now: datetime
) -> dict[int, list[Deleted]]:
    """What can be brought back on each of these sites, the last deleted first."""
    here = surveys.c.site_id.in_(site_ids), surveys.c.status == DELETED, surveys.c.updated_at > now - KEPT_DELETED
    query = select(surveys).where(*here).order_by(surveys.c.updated_at.desc(), surveys.c.id)
    found: dict[int, list[Deleted]] = {one: [] for one in site_ids}
    for row in await connection.execute(query):
        found[row.site_id].append(Deleted(survey_of(row), row.updated_at))
    return found
