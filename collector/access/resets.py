"""Links by which someone who forgot their password gives themselves another, made by an owner or on the server."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.accounts import RESET, User, end_sessions_of, forget_resets
from collector.access.audit import record
from collector.access.keys import digest, new_session
from collector.db.schema import links, users
from collector.errors import NotFound

RESET_LASTS = timedelta(hours=24)


async def make_reset(connection: AsyncConnection, by: User | str, user_id: UUID, *, now: datetime) -> tuple[str, str]:
    """The person's address, and the secret of a link for them, in place of any that was made before.

    ``by`` is a person, or whoever else the log names. Raises `NotFound`.
    """
    query = select(users.c.email).where(users.c.id == user_id).with_for_update()  # two at once: the latter's is good
    email = (await connection.execute(query)).scalar_one_or_none()
    if email is None:
        raise NotFound("User not found.")
    secret = new_session()
    values = {"purpose": RESET, "created_at": now, "expires_at": now + RESET_LASTS, "user_id": user_id}
    who, by_id = (by, None) if isinstance(by, str) else (by.email, by.id)
    await forget_resets(connection, user_id)
    await connection.execute(insert(links).values(hash=digest(secret), **values, by_user_id=by_id))
    await record(connection, who, "reset.made", email, now=now)
    return email, secret


async def read_reset(connection: AsyncConnection, secret: str, *, now: datetime) -> User:
    """Whom the link is for. Raises `NotFound` unless it is good."""
    good = links.c.hash == digest(secret), links.c.purpose == RESET, links.c.expires_at > now
    query = select(users).join(links, links.c.user_id == users.c.id).where(*good)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFound("This link was used or has expired. Ask an owner for a new one.")
    return User(row.id, row.email, row.role, second_step=row.otp_salt is not None)


async def reset_password(connection: AsyncConnection, secret: str, hashed: str, *, now: datetime) -> User:
    """Give the person of a link this password, and use the link up; they are signed out. Raises `NotFound`."""
    user = await read_reset(connection, secret, now=now)
    used = await connection.execute(delete(links).where(links.c.hash == digest(secret)))
    if not used.rowcount:  # someone else did in this moment
        raise NotFound("This link was already used.")
    await forget_resets(connection, user.id)
    # whoever the provider of single sign-on knew them as may be another by now, so that is found out again
    await connection.execute(update(users).where(users.c.id == user.id).values(password_hash=hashed, subject=None))
    await end_sessions_of(connection, user.id)
    await record(connection, user.email, "password.reset", now=now)
    return user
