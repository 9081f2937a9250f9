"""Responses for the REST interface and the pages: one, or a list by cursor."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.db.schema import impressions, jobs, responses, surveys
from collector.db.text import folded
from collector.errors import Fault, Invalid, NotFound
from collector.surveys.lifecycle import DELETED
from collector.surveys.metrics import Group

MOST = 200
LOOKED_AT_ONCE = 10_000
"""Characters of comments, before others have their turn."""
AT_FIRST = 4
"""So many pages' worth of responses are looked through before going further back."""


SAMPLE = 0x73616D70
"""The last 32 bits of the ids of sample results, which the demo shows. Of other ids one in 4,000,000,000 ends so."""


def is_sample(row_id: UUID) -> bool:
    return row_id.int & 0xFFFFFFFF == SAMPLE


@dataclass(frozen=True)
class Filter:
    """Which responses are wanted; what is None does not restrict. ``since`` is inclusive, ``until`` exclusive."""

    survey_id: UUID | None = None
    group: Group | None = None
    commented: bool | None = None
    bot: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    score: int | None = None
    page: str | None = None
    """As results name it."""
    device: str | None = None
    language: str | None = None
    revision: int | None = None
    emailed: bool | None = None
    """Whether an e-mail address came with it."""
    words: str | None = None
    """In the comment: whatever the case, the width or how accents are written, the same on every store."""


_WITHOUT_INDEX = ["group", "commented", "bot", "score", "page", "device", "language", "revision", "emailed", "words"]
"""What no index knows of a filter."""


async def list_responses(
    connection: AsyncConnection,
    site_id: int,
    wanted: Filter,
    *,
    limit: int,
    cursor: str | None = None,
    look_through: int | None = None,
) -> tuple[Sequence[Row[Any]], str | None]:
    """Newest first, with the cursor of the next page or None.

    ``look_through``: for what no index knows, so many responses are gone through at most. A page may then have fewer
    than it has room for, and a cursor all the same. Raises `Invalid` for a cursor that is none of ours.
    """
    before = _read_cursor(cursor) if cursor else None
    query = _newest_first(filtered(site_id, wanted), before)
    edge = None
    if look_through and any(getattr(wanted, name) is not None for name in _WITHOUT_INDEX):
        near = AT_FIRST * limit  # what is found there mostly fills the page, and the way to the edge is short
        for count in (near, look_through) if near < look_through else (look_through,):
            edge = await _edge(connection, site_id, wanted, before, count)
            within = query if edge is None else query.where(_back_to(edge))
            rows = await _rows(connection, within, wanted.words, limit + 1)
            if edge is None or len(rows) > limit:
                break
    else:
        rows = await _rows(connection, query, wanted.words, limit + 1)
    last = rows[limit - 1] if len(rows) > limit else edge
    return rows[:limit], _cursor(last) if last else None


async def _rows(connection: AsyncConnection, query: Select[Any], words: str | None, most: int) -> Sequence[Row[Any]]:
    """The first rows of a query, of those whose comment has the words.

    Comments are compared here, since stores differ in what they take for the same letter.
    """
    if words is None:
        first: Sequence[Row[Any]] = (await connection.execute(query.limit(most))).all()
        return first
    looked_for = folded(words)
    found: list[UUID] = []
    comments = query.with_only_columns(responses.c.id, responses.c.comment).where(responses.c.comment.is_not(None))
    looked_at = 0
    async with connection.stream(comments) as parts:
        async for part in parts.partitions(200):
            for row in part:
                if looked_for in folded(row.comment):
                    found.append(row.id)
                looked_at += len(row.comment)
                if looked_at > LOOKED_AT_ONCE:
                    looked_at = 0
                    await asyncio.sleep(0)  # whatever strangers wrote, answers do not wait for a search
            if len(found) >= most:
                break
    if not found:
        return []
    rows: Sequence[Row[Any]] = (await connection.execute(query.where(responses.c.id.in_(found[:most])))).all()
    return rows


def _back_to(edge: Row[Any]) -> ColumnElement[bool]:
    """Not before this one, which is of them."""
    same = and_(responses.c.created_at == edge.created_at, responses.c.id >= edge.id)
    return or_(responses.c.created_at > edge.created_at, same)


async def _edge(
    connection: AsyncConnection, site_id: int, wanted: Filter, before: tuple[datetime, UUID] | None, count: int
) -> Row[Any] | None:
    """The last of so many responses, found by the index alone; None if there are no more than these."""
    bare = replace(wanted, **dict.fromkeys(_WITHOUT_INDEX))
    query = restricted(
        select(responses.c.created_at, responses.c.id).where(responses.c.site_id == site_id), site_id, bare
    )
    rows = (await connection.execute(_newest_first(query, before).offset(count - 1).limit(2))).all()
    return rows[0] if len(rows) == 2 else None


def _newest_first(query: Select[Any], before: tuple[datetime, UUID] | None) -> Select[Any]:
    query = query.order_by(responses.c.created_at.desc(), responses.c.id.desc())
    if before is None:
        return query
    at, row_id = before
    return query.where(or_(responses.c.created_at < at, and_(responses.c.created_at == at, responses.c.id < row_id)))


async def get_response(connection: AsyncConnection, site_id: int, response_id: UUID) -> Row[Any]:
    """Raises `NotFound`."""
    query = filtered(site_id, Filter()).where(responses.c.id == response_id)
    row: Row[Any] | None = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFound("Response not found.")
    return row


async def site_of_response(connection: AsyncConnection, site_ids: Collection[int], response_id: UUID) -> int | None:
    """Which of these sites has a response of this id."""
    query = select(responses.c.site_id).where(responses.c.site_id.in_(site_ids), responses.c.id == response_id)
    found: int | None = (await connection.execute(query.limit(1))).scalar_one_or_none()
    return found


async def was_shown(connection: AsyncConnection, site_id: int) -> bool:
    """Whether any survey of a site was ever seen on a page: its tag works then."""
    query = select(impressions.c.id).where(impressions.c.site_id == site_id).limit(1)
    return (await connection.execute(query)).first() is not None


@dataclass(frozen=True)
class History:
    """What happened around a response: when the survey was shown and closed, and what was sent on because of it."""

    shown_at: datetime | None
    dismissed_at: datetime | None
    jobs: Sequence[Row[Any]]


async def history_of(connection: AsyncConnection, response: Row[Any]) -> History:
    here = impressions.c.site_id == response.site_id, impressions.c.id == response.impression_id
    query = select(impressions.c.shown_at, impressions.c.dismissed_at).where(*here)
    shown = (await connection.execute(query)).one_or_none() if response.impression_id else None
    mine = jobs.c.site_id == response.site_id, jobs.c.subject_id == response.id
    sent = (await connection.execute(select(jobs).where(*mine).order_by(jobs.c.created_at, jobs.c.id))).all()
    return History(shown.shown_at if shown else None, shown.dismissed_at if shown else None, sent)


def filtered(site_id: int, wanted: Filter) -> Select[Any]:
    """Responses with their surveys, for all of a filter but its words."""
    joined = responses.join(
        surveys, and_(surveys.c.site_id == responses.c.site_id, surveys.c.number == responses.c.survey_number)
    )
    query = (
        select(
            responses,
            surveys.c.id.label("survey_id"),
            surveys.c.name.label("survey_name"),
            surveys.c.key.label("survey_key"),
        )
        .select_from(joined)
        .where(responses.c.site_id == site_id, surveys.c.status != DELETED)
    )
    return restricted(query, site_id, wanted)


def restricted(query: Select[Any], site_id: int, wanted: Filter) -> Select[Any]:
    """A query of a site's responses with all of a filter but its words."""
    if wanted.survey_id is not None:
        its = surveys.c.site_id == site_id, surveys.c.id == wanted.survey_id
        query = query.where(responses.c.survey_number == select(surveys.c.number).where(*its).scalar_subquery())
    if wanted.group is not None:
        query = query.where(responses.c.group == wanted.group)
    if wanted.commented is not None:
        query = query.where(responses.c.comment.is_not(None) if wanted.commented else responses.c.comment.is_(None))
    if wanted.bot is not None:
        query = query.where(responses.c.bot.is_(wanted.bot))
    if wanted.emailed is not None:
        query = query.where(responses.c.email.is_not(None) if wanted.emailed else responses.c.email.is_(None))
    for column, value in (
        (responses.c.score, wanted.score),
        (responses.c.page_label, wanted.page),
        (responses.c.device, wanted.device),
        (responses.c.language, wanted.language),
        (responses.c.revision, wanted.revision),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.since is not None:
        query = query.where(responses.c.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(responses.c.created_at < wanted.until)
    return query


def moment_of(cursor: str) -> datetime:
    """When the response was given that a cursor of ours stands at."""
    return _read_cursor(cursor)[0]


def _cursor(row: Row[Any]) -> str:
    return urlsafe_b64encode(json.dumps([row.created_at.isoformat(), str(row.id)]).encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[datetime, UUID]:
    try:
        if len(cursor) > 200:
            raise ValueError(cursor)
        moment, row_id = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return datetime.fromisoformat(moment).astimezone(UTC), UUID(row_id)
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise Invalid(faults=[Fault("?cursor", "must be the next of an earlier list")]) from None
