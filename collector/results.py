"""Figures and exports. Only reads; figures come from the sums that are kept with every answer."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.metrics import Figure, figure, scores
from collector.rollups import total_of
from collector.schema import moment, responses
from collector.surveys.lifecycle import Survey

CSV_COLUMNS = (
    "id",
    "created_at",
    "updated_at",
    "score",
    "group",
    "comment",
    "email",
    "email_verified",
    "consent_text",
    "complete",
    "page",
    "language",
    "device",
    "browser",
    "system",
    "revision",
    "visitor_id",
    "bot",
)


@dataclass(frozen=True)
class Counts:
    """How far people went; ``robots`` are responses that were flagged and stand in none of the other numbers."""

    impressions: int
    dismissals: int
    scores: int
    comments: int
    emails: int
    robots: int


@dataclass(frozen=True)
class Results:
    """``distribution`` has every score of the scale, lowest first, with its number of answers."""

    figure: Figure
    counts: Counts
    distribution: list[tuple[int, int]]

    def as_json(self) -> dict[str, Any]:
        return {
            "headline": asdict(self.figure),
            "counts": asdict(self.counts),
            "distribution": [{"score": score, "count": count} for score, count in self.distribution],
        }


async def results_of(connection: AsyncConnection, survey: Survey) -> Results:
    """The figures of one survey over all its revisions."""
    total = await total_of(connection, survey.site_id, survey.id)
    document = survey.document
    people = total.scores
    return Results(
        figure(document.metric, document.points, people),
        Counts(
            total.impressions,
            total.dismissals,
            sum(people.values()),
            total.comments,
            total.emails,
            total.robots,
        ),
        [(score, people.get(score, 0)) for score in scores(document.metric, document.points)],
    )


async def export_csv(connection: AsyncConnection, survey: Survey) -> AsyncIterator[bytes]:
    """Every response as CSV (RFC 4180, UTF-8 with a byte-order mark, as spreadsheets want it), oldest first.

    A cell that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    yield b"\xef\xbb\xbf" + _csv_line(CSV_COLUMNS)
    columns = [responses.c[name] for name in CSV_COLUMNS]
    query = (
        select(*columns)
        .where(responses.c.site_id == survey.site_id, responses.c.survey_id == survey.id)
        .order_by(responses.c.created_at, responses.c.id)
    )
    async with connection.stream(query) as rows:
        async for part in rows.partitions(500):
            yield b"".join(_csv_line([_cell(value) for value in row]) for row in part)


def _csv_line(cells: Any) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return moment(value)
    text = str(value)
    return "'" + text if isinstance(value, str) and text[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") else text
