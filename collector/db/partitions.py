"""Partitions by month on PostgreSQL.

Ids are UUIDv7, whose first 48 bits are the Unix time in milliseconds, so a month is a range of ids. What claims another
time than those months (a browser's clock may be off by years) lies in a partition for all the rest.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.schema import PARTITIONED

MONTHS_AHEAD = 3

log = structlog.get_logger()


def first_id(moment: datetime) -> UUID:
    """The lowest UUIDv7 of a moment."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def months(now: datetime) -> list[tuple[datetime, datetime]]:
    """The month before this one, this one, and those ahead, each with its end."""
    start = now.year * 12 + now.month - 2
    firsts = [datetime(n // 12, n % 12 + 1, 1, tzinfo=UTC) for n in range(start, start + MONTHS_AHEAD + 3)]
    return list(pairwise(firsts))


async def make_partitions(connection: AsyncConnection, now: datetime) -> None:
    """Make the partitions that are not there yet."""
    for table in PARTITIONED:
        await _make(connection, table.name, f"{table.name}_other", "DEFAULT")
        for first, after in months(now):
            span = f"FOR VALUES FROM ('{first_id(first)}') TO ('{first_id(after)}')"
            await _make(connection, table.name, f"{table.name}_{first:%Y_%m}", span)


async def _make(connection: AsyncConnection, table: str, name: str, values: str) -> None:
    there = await connection.execute(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": name})
    if there.scalar_one():
        return
    try:
        async with connection.begin_nested():
            await connection.execute(text(f"CREATE TABLE {name} PARTITION OF {table} {values}"))
    except IntegrityError:  # the rest holds rows of that month; they stay where they are
        log.warning("a month stays in the partition for all the rest", partition=name)
