"""The surveys of many sites, in one statement and without reading their documents."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.db.schema import surveys
from collector.surveys.lifecycle import DELETED, Status
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
