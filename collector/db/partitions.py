"""Partitions by month on PostgreSQL.

Ids are UUIDv7, whose first 48 bits are the Unix time in milliseconds, so a month is a range of ids. What claims another
time than those months (a browser's clock may be off by years) lies in a partition for all the rest, and moves into its
month once that is near: a month whose rows are there already could not be made otherwise.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.db.schema import PARTITIONED

MONTHS_AHEAD = 3


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
        rest = f"{table.name}_other"
        if not await _is_there(connection, rest):
            await connection.execute(text(f"CREATE TABLE {rest} PARTITION OF {table.name} DEFAULT"))
        for first, after in months(now):
            name = f"{table.name}_{first:%Y_%m}"
            if not await _is_there(connection, name):
                await _make_month(connection, table.name, rest, name, first_id(first), first_id(after))


async def _is_there(connection: AsyncConnection, name: str) -> bool:
    there = await connection.execute(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": name})
    return bool(there.scalar_one())


async def _make_month(connection: AsyncConnection, table: str, rest: str, name: str, first: UUID, after: UUID) -> None:
    """A partition with what the rest holds of it. Answers wait meanwhile: nothing may come in between."""
    span = f"id >= '{first}' AND id < '{after}'"
    for statement in (
        f"LOCK TABLE {rest} IN ACCESS EXCLUSIVE MODE",
        f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)",
        f"WITH moved AS (DELETE FROM {rest} WHERE {span} RETURNING *) INSERT INTO {name} SELECT * FROM moved",  # noqa: S608
        f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{first}') TO ('{after}')",
    ):
        await connection.execute(text(statement))
