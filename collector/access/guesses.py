"""Counts of wrong guesses, in the store: every process counts together, and a restart forgets nothing.

A name has as many places as it may be guessed at within a while; a guess takes a place that is free, and holds it until
the while is over. So the store never holds more rows of a name than that, and no two processes count past it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import and_, bindparam, delete, func, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.db.schema import guesses
from collector.db.types import Instant

WITHIN = timedelta(minutes=15)
"""How long a guess counts."""
PART = 10_000
"""Rows that are removed at once."""

_TAKE = text(
    "INSERT INTO guesses (kind, name, place, at) VALUES (:kind, :name, :place, :now) "
    "ON CONFLICT (kind, name, place) DO UPDATE SET at = excluded.at "
    "WHERE guesses.at <= :since OR guesses.at > :until"
).bindparams(*(bindparam(name, type_=Instant) for name in ("now", "since", "until")))


async def count_guesses(connection: AsyncConnection, kind: str, name: str, *, now: datetime) -> int:
    """How many places are taken."""
    taken = and_(guesses.c.at > now - WITHIN, guesses.c.at <= now + WITHIN)  # a clock that was wrong locks nobody out
    query = select(func.count()).where(guesses.c.kind == kind, guesses.c.name == name, taken)
    return (await connection.execute(query)).scalar_one()


async def take_guess(connection: AsyncConnection, kind: str, name: str, most: int, *, now: datetime) -> int | None:
    """Take one of ``most`` places, before it is looked whether the guess is right; None if none is free."""
    query = select(guesses.c.place, guesses.c.at).where(guesses.c.kind == kind, guesses.c.name == name)
    taken = {row.place for row in await connection.execute(query) if now - WITHIN < row.at <= now + WITHIN}
    for place in range(most):
        if place in taken:
            continue
        values = {"kind": kind, "name": name, "place": place, "now": now, "since": now - WITHIN, "until": now + WITHIN}
        if (await connection.execute(_TAKE, values)).rowcount:
            return place  # otherwise another process took it in this moment
    return None


async def give_back(connection: AsyncConnection, kind: str, name: str, place: int) -> None:
    """What was right is no guess."""
    here = guesses.c.kind == kind, guesses.c.name == name, guesses.c.place == place
    await connection.execute(delete(guesses).where(*here))


async def forget_guesses(connection: AsyncConnection, *, now: datetime) -> bool:
    """Remove some that count no more; whether there may be others. Those that somebody takes now are left alone."""
    key = guesses.c.kind, guesses.c.name, guesses.c.place
    over = select(*key).where(guesses.c.at <= now - WITHIN).limit(PART).with_for_update(skip_locked=True)
    return (await connection.execute(delete(guesses).where(tuple_(*key).in_(over)))).rowcount == PART
