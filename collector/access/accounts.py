"""Who may come in: users with a password, and their sessions. Of every secret only a hash is stored."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import ColumnElement, Row, and_, delete, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.audit import COMMAND_LINE, record
from collector.access.keys import digest, new_session
from collector.access.known_browsers import forget_browsers
from collector.db.ids import new_id
from collector.db.schema import links, members, sessions, team_roles, team_users, users
from collector.db.text import is_text
from collector.errors import Conflict, Fault, Invalid, NotFound

SESSION_LASTS = timedelta(days=14)
SEEN_EVERY = timedelta(minutes=10)
"""How exactly it is known when a session was last used."""
LINK_LASTS = timedelta(hours=24)
RESET = "reset"
"""The purpose of a link that gives somebody another password."""
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1000

_hasher = PasswordHasher()
_COST = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
_NOBODY = f"$argon2id$v=19${_COST}${'A' * 22}${'A' * 43}"
"""Checked when the account does not exist, so that both cases take the same time; no password is known to fit."""


NO_PASSWORD = "!"  # noqa: S105
"""Stored in place of a hash for who signs in elsewhere alone."""
Role = Literal["viewer", "editor", "owner"]
ROLES: tuple[Role, ...] = ("viewer", "editor", "owner")
"""Each may do what those before it may."""


@dataclass(frozen=True)
class User:
    """``role`` is what they may do on every site, None where it differs by site (see `roles`). ``owns``: they own a
    site; known of whoever a session is of. ``second_step``: their sign-in takes a code as well."""

    id: UUID
    email: str
    role: Role | None
    owns: bool = False
    second_step: bool = False


@dataclass(frozen=True)
class Session:
    """Where someone is signed in. Its ``name`` tells it from others, and is no secret."""

    name: str
    user: User
    created_at: datetime
    seen_at: datetime
    browser: str | None
    system: str | None


# ---- users


async def hash_password(password: str) -> str:
    """What is stored of a new password; takes 0.1 s in a thread, so never call it inside a transaction.

    Raises `Invalid` for a password that won't do.
    """
    if len(password) < SHORTEST_PASSWORD:
        raise Invalid(faults=[Fault("/password", f"must have at least {SHORTEST_PASSWORD} characters")])
    if len(password) > LONGEST_PASSWORD:
        raise Invalid(faults=[Fault("/password", f"must have at most {LONGEST_PASSWORD} characters")])
    return await asyncio.to_thread(_hasher.hash, password)


async def is_password(hashed: str, password: str) -> bool:
    """Whether the password is the hash's; takes 0.1 s in a thread, so never call it inside a transaction."""
    try:
        return await asyncio.to_thread(_hasher.verify, hashed, password[:LONGEST_PASSWORD])
    except (VerificationError, InvalidHashError):
        return False


async def add_user(
    connection: AsyncConnection,
    email: str,
    hashed: str,
    *,
    now: datetime,
    by: str = COMMAND_LINE,
    role: Role | None = "owner",
) -> User:
    """Raises `Invalid` for an address that won't do, `Conflict` if it has an account."""
    user = await _insert_user(connection, email, hashed, role, now=now)
    await record(connection, by, "user.added", user.email, now=now)
    return user


def email_address(text: str) -> str:
    """An address as it is kept. Raises `Invalid` for what is none."""
    email = text.strip().lower()
    if not re.fullmatch(r"[!-?A-~]+@[!-?A-~]+", email) or len(email) > 254:
        raise Invalid(faults=[Fault("/email", "must be an e-mail address")])
    return email


async def _insert_user(
    connection: AsyncConnection, email: str, hashed: str, role: Role | None, *, now: datetime
) -> User:
    user = User(new_id(), email_address(email), role)
    values = {"id": user.id, "email": user.email, "role": user.role}
    try:
        await connection.execute(insert(users).values(**values, password_hash=hashed, created_at=now))
    except IntegrityError:
        raise Conflict(faults=[Fault("/email", "a user with this address already exists")]) from None
    return user


async def has_users(connection: AsyncConnection) -> bool:
    return (await connection.execute(select(users.c.id).limit(1))).first() is not None


async def password_hash_of(connection: AsyncConnection, email: str) -> tuple[User | None, str]:
    """The account of an address with its hash, or nobody's: check it with `is_password` either way."""
    query = select(users).where(users.c.email == email.strip().lower())
    row = (await connection.execute(query)).one_or_none() if is_text(email) else None
    return _with_hash(row)


async def password_hash_by_id(connection: AsyncConnection, user_id: UUID) -> tuple[User | None, str]:
    """As `password_hash_of`."""
    return _with_hash((await connection.execute(select(users).where(users.c.id == user_id))).one_or_none())


def _with_hash(row: Row[Any] | None) -> tuple[User | None, str]:
    if row is None:
        return None, _NOBODY
    user = User(row.id, row.email, row.role, second_step=row.otp_salt is not None)
    return user, _NOBODY if row.password_hash == NO_PASSWORD else row.password_hash


async def require_unchanged(connection: AsyncConnection, session: Session, hashed: str) -> None:
    """Raises `Conflict` if the password is another than was looked at, or the session was ended meanwhile."""
    fits = sessions.c.user_id == users.c.id, _named(session.user, session.name), users.c.password_hash == hashed
    query = select(users.c.id).where(*fits).with_for_update(of=users)
    if (await connection.execute(query)).one_or_none() is None:
        raise Conflict("Your password was changed or you were signed out in the meantime. Sign in again.")


async def change_password(
    connection: AsyncConnection, session: Session, earlier: str, hashed: str, *, now: datetime
) -> None:
    """From one hash to another; wherever the user is signed in, here too, they are no more.

    Raises `Conflict` if someone else changed it, or ended this session, since the earlier one was looked at.
    """
    await require_unchanged(connection, session, earlier)
    await connection.execute(update(users).where(users.c.id == session.user.id).values(password_hash=hashed))
    await end_sessions_of(connection, session.user.id)
    await forget_browsers(connection, session.user.id)
    await forget_resets(connection, session.user.id)
    await record(connection, session.user.email, "password.changed", now=now)


async def forget_resets(connection: AsyncConnection, user_id: UUID) -> None:
    """No link made before gives this person another password."""
    await connection.execute(delete(links).where(links.c.purpose == RESET, links.c.user_id == user_id))


# ---- the first start


async def make_owner_link(connection: AsyncConnection, *, now: datetime) -> str | None:
    """The secret of a link that makes the first user; nothing once there is one.

    Links made earlier stay good until they end, because another process may have told of one.
    """
    if await has_users(connection):
        return None
    await connection.execute(delete(links).where(links.c.expires_at < now))
    secret = new_session()
    values = {"purpose": "owner", "created_at": now, "expires_at": now + LINK_LASTS}
    await connection.execute(insert(links).values(hash=digest(secret), **values))
    return secret


async def check_owner_link(connection: AsyncConnection, secret: str, *, now: datetime) -> None:
    """Raises `NotFound` unless the link is good."""
    query = select(links.c.hash).where(
        links.c.hash == digest(secret), links.c.purpose == "owner", links.c.expires_at > now
    )
    if (await connection.execute(query)).one_or_none() is None or await has_users(connection):
        raise NotFound(
            "This link was used or has expired. If there is no account yet, restart the collector for a new link."
        )


async def make_owner(connection: AsyncConnection, secret: str, email: str, hashed: str, *, now: datetime) -> User:
    """The first user, by a link that is used up then, as all others are. Raises `NotFound` and what `add_user` does."""
    await check_owner_link(connection, secret, now=now)
    used = await connection.execute(delete(links).where(links.c.purpose == "owner"))
    if not used.rowcount:  # someone else did in this moment
        raise NotFound("This link was already used.")
    user = await _insert_user(connection, email, hashed, "owner", now=now)
    await record(connection, user.email, "owner.made", now=now)
    return user


# ---- sessions


async def start_session(
    connection: AsyncConnection,
    user: User,
    hashed: str,
    *,
    now: datetime,
    browser: str | None = None,
    system: str | None = None,
    instead_of: str | None = None,
) -> str:
    """Sign in the user whose password was found to fit this hash; returns the session's secret, which lives in the
    browser alone, ``instead_of`` that of an earlier one there.

    Raises `Conflict` if the password was changed in the meantime, or a second step turned on that was not asked for.
    """
    stored = NO_PASSWORD if hashed == _NOBODY else hashed
    query = select(users.c.otp_salt).where(users.c.id == user.id, users.c.password_hash == stored)
    row = (await connection.execute(query.with_for_update())).one_or_none()
    if row is None or (row.otp_salt is not None and not user.second_step):
        raise Conflict("Sign-in settings changed in the meantime. Sign in again.")
    ended = sessions.c.expires_at < now
    await connection.execute(
        delete(sessions).where(or_(ended, sessions.c.hash == digest(instead_of)) if instead_of else ended)
    )
    secret = new_session()
    await connection.execute(
        insert(sessions).values(
            hash=digest(secret),
            user_id=user.id,
            created_at=now,
            expires_at=now + SESSION_LASTS,
            seen_at=now,
            browser=browser,
            system=system,
        )
    )
    await record(connection, user.email, "signed.in", now=now)
    return secret


_OWNS = or_(
    exists().where(members.c.user_id == users.c.id, members.c.role == "owner").correlate(users),
    exists()
    .where(
        team_users.c.user_id == users.c.id,
        team_roles.c.team_id == team_users.c.team_id,
        team_roles.c.role == "owner",
    )
    .correlate(users),
)
_SESSIONS = select(sessions, users.c.email, users.c.role, users.c.otp_salt, _OWNS.label("owns")).join(
    users, sessions.c.user_id == users.c.id
)
_NAME_LENGTH = 16


async def session_of_secret(connection: AsyncConnection, secret: str, *, now: datetime) -> Session | None:
    query = _SESSIONS.where(sessions.c.hash == digest(secret), sessions.c.expires_at > now)
    row = (await connection.execute(query)).one_or_none()
    return _session(row) if row else None


async def list_sessions(connection: AsyncConnection, user: User, *, now: datetime) -> Sequence[Session]:
    """Where the user is signed in, the latest used first."""
    query = _SESSIONS.where(sessions.c.user_id == user.id, sessions.c.expires_at > now)
    found = [_session(row) for row in await connection.execute(query)]
    return sorted(found, key=lambda one: (one.seen_at, one.name), reverse=True)


async def touch_session(connection: AsyncConnection, session: Session, *, now: datetime) -> None:
    """Note that it is in use."""
    await connection.execute(update(sessions).where(_named(session.user, session.name)).values(seen_at=now))


async def end_session(connection: AsyncConnection, session: Session) -> None:
    await connection.execute(delete(sessions).where(_named(session.user, session.name)))


async def end_session_named(connection: AsyncConnection, user: User, name: str, *, now: datetime) -> None:
    """End one of the user's own sessions, wherever it is. Raises `NotFound`."""
    if not re.fullmatch(r"[0-9a-f]{16}", name):
        raise NotFound("Session not found.")
    ended = await connection.execute(delete(sessions).where(_named(user, name)))
    if not ended.rowcount:
        raise NotFound("This session has ended.")
    await record(connection, user.email, "session.ended", now=now)


async def end_other_sessions(connection: AsyncConnection, session: Session, *, now: datetime) -> None:
    """End all of the user's sessions but this one."""
    await end_sessions_of(connection, session.user.id, but=session)
    await record(connection, session.user.email, "sessions.ended", now=now)


async def end_sessions_of(connection: AsyncConnection, user_id: UUID, *, but: Session | None = None) -> None:
    """Sign a person out wherever they are, ``but`` for one session."""
    ended = delete(sessions).where(sessions.c.user_id == user_id)
    await connection.execute(ended.where(sessions.c.hash.not_like(f"{but.name}%")) if but else ended)


def _named(user: User, name: str) -> ColumnElement[bool]:
    return and_(sessions.c.user_id == user.id, func.substr(sessions.c.hash, 1, _NAME_LENGTH) == name)


def _session(row: Row[Any]) -> Session:
    owns = row.role == "owner" or bool(row.owns)
    user = User(row.user_id, row.email, row.role, owns, row.otp_salt is not None)
    seen_at = row.seen_at or row.created_at
    return Session(row.hash[:_NAME_LENGTH], user, row.created_at, seen_at, row.browser, row.system)
