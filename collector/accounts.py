"""Who may come in: users with a password, their sessions, and API tokens. Of every secret only a hash is stored."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.errors import Conflict, Fault, Invalid, Unauthorized, readable_name
from collector.schema import new_id, sessions, tokens, users
from collector.signing import digest, new_api_token, new_session

SESSION_LASTS = timedelta(days=14)
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1000

_hasher = PasswordHasher()
_COST = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
_NOBODY = f"$argon2id$v=19${_COST}${'A' * 22}${'A' * 43}"
"""Checked when the account does not exist, so that both cases take the same time; no password is known to fit."""


@dataclass(frozen=True)
class User:
    id: UUID
    email: str


async def add_user(connection: AsyncConnection, email: str, password: str, *, now: datetime) -> User:
    """Raises `Invalid` for an address or password that won't do, `Conflict` if the address has an account."""
    email = email.strip().lower()
    if not re.fullmatch(r"[!-?A-~]+@[!-?A-~]+", email) or len(email) > 254:
        raise Invalid(faults=[Fault("/email", "must be an e-mail address")])
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise Invalid(faults=[Fault("/password", f"must have at least {SHORTEST_PASSWORD} characters")])
    user = User(new_id(), email)
    hashed = await asyncio.to_thread(_hasher.hash, password)
    try:
        await connection.execute(
            insert(users).values(id=user.id, email=user.email, password_hash=hashed, created_at=now)
        )
    except IntegrityError:
        raise Conflict(faults=[Fault("/email", "this address has an account already")]) from None
    return user


async def password_hash_of(connection: AsyncConnection, email: str) -> tuple[User | None, str]:
    """The account of an address with its hash, or nobody's: check it with `is_password` either way."""
    query = select(users).where(users.c.email == email.strip().lower())
    row = (await connection.execute(query)).one_or_none() if email.isprintable() else None
    return (User(row.id, row.email), row.password_hash) if row else (None, _NOBODY)


async def is_password(hashed: str, password: str) -> bool:
    """Whether the password is the hash's; takes 0.1 s in a thread, so never call it inside a transaction."""
    try:
        return await asyncio.to_thread(_hasher.verify, hashed, password[:LONGEST_PASSWORD])
    except (VerificationError, InvalidHashError):
        return False


async def start_session(connection: AsyncConnection, user: User, *, now: datetime) -> str:
    """Sign the user in; returns the session's secret, which lives in the browser alone."""
    await connection.execute(delete(sessions).where(sessions.c.expires_at < now))
    session = new_session()
    await connection.execute(
        insert(sessions).values(hash=digest(session), user_id=user.id, created_at=now, expires_at=now + SESSION_LASTS)
    )
    return session


async def user_of_session(connection: AsyncConnection, session: str, *, now: datetime) -> User | None:
    query = (
        select(users.c.id, users.c.email)
        .join(sessions, sessions.c.user_id == users.c.id)
        .where(sessions.c.hash == digest(session), sessions.c.expires_at > now)
    )
    row = (await connection.execute(query)).one_or_none()
    return User(row.id, row.email) if row else None


async def end_session(connection: AsyncConnection, session: str) -> None:
    await connection.execute(delete(sessions).where(sessions.c.hash == digest(session)))


async def add_token(connection: AsyncConnection, name: str, *, now: datetime, token: str | None = None) -> str:
    """Make an API token and return it: this is the one time it can be read. Raises `Invalid` or `Conflict`."""
    name = readable_name(name)
    token = token or new_api_token()
    try:
        await connection.execute(insert(tokens).values(id=new_id(), name=name, hash=digest(token), created_at=now))
    except IntegrityError:
        raise Conflict(faults=[Fault("/name", "another token has this name already")]) from None
    return token


async def check_token(connection: AsyncConnection, token: str) -> None:
    """Raises `Unauthorized` unless the token is one of ours."""
    query = select(tokens.c.id).where(tokens.c.hash == digest(token))
    if (await connection.execute(query)).one_or_none() is None:
        raise Unauthorized("This token is not valid.", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
