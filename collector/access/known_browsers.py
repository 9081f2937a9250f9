"""Browsers in which someone has signed in before, so that what strangers guess keeps nobody out there.

Each holds a random secret, of which a hash is stored. It is bound to one person, and ends by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.keys import digest, new_session
from collector.db.schema import devices

KNOWN_FOR = timedelta(days=90)
"""Since somebody last signed in there."""
MOST = 20
"""Browsers of one person; one more takes the place of the one that was used least lately."""


async def know_browser(connection: AsyncConnection, user_id: UUID, *, now: datetime) -> str:
    """The secret of a browser in which this person is known from now on."""
    secret = new_session()
    values = {"hash": digest(secret), "user_id": user_id, "created_at": now, "expires_at": now + KNOWN_FOR}
    await connection.execute(insert(devices).values(values))
    latest = select(devices.c.hash).where(devices.c.user_id == user_id)
    kept = latest.order_by(devices.c.expires_at.desc(), devices.c.hash).limit(MOST)
    ended = or_(devices.c.expires_at < now, devices.c.hash.not_in(kept))
    await connection.execute(delete(devices).where(devices.c.user_id == user_id, ended))
    return secret


async def find_browser(
    connection: AsyncConnection, user_id: UUID, secrets: Sequence[str], *, now: datetime
) -> str | None:
    """Which of these secrets is that of a browser in which this person is known."""
    hashes = {digest(secret): secret for secret in secrets}
    mine = devices.c.user_id == user_id, devices.c.expires_at > now
    query = select(devices.c.hash).where(devices.c.hash.in_(hashes), *mine).limit(1)
    found = (await connection.execute(query)).scalar_one_or_none()
    return hashes[found] if found else None


async def know_on(connection: AsyncConnection, secret: str, *, now: datetime) -> None:
    """They signed in there again."""
    here = devices.c.hash == digest(secret)
    await connection.execute(update(devices).where(here).values(expires_at=now + KNOWN_FOR))


async def forget_browsers(connection: AsyncConnection, user_id: UUID) -> None:
    """This person is known nowhere any more."""
    await connection.execute(delete(devices).where(devices.c.user_id == user_id))
