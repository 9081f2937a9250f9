"""Tokens of the REST interface; of each only a hash is stored. One that a person made does no more than they may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.accounts import ROLES, Role, User
from collector.access.audit import COMMAND_LINE, record
from collector.access.keys import digest, new_api_token
from collector.access.roles import hold_for, role_on
from collector.access.sites import Site, site_by_id
from collector.db.ids import new_id
from collector.db.schema import tokens, users
from collector.db.text import readable_name
from collector.errors import Conflict, Fault, NotFound, Unauthorized

Scope = Literal["read", "write"]
SCOPES: tuple[Scope, ...] = ("read", "write")


@dataclass(frozen=True)
class Token:
    """``site_id`` None: good for every site. ``scope`` read: for looking alone. ``made_by`` is who the log names.

    ``maker_id`` is the person whose rights bound it now (`token_role`), None where nobody's do; and
    ``maker_role`` what they may do on every site."""

    id: UUID
    name: str
    site_id: int | None
    scope: Scope
    created_at: datetime
    seen_at: datetime | None
    made_by: str | None
    maker_id: UUID | None
    maker_role: Role | None

    def is_everywhere(self, needed: Role = "viewer") -> bool:
        """Whether it may do on every site what takes this role."""
        role = "owner" if self.maker_id is None else self.maker_role
        return self.site_id is None and role is not None and ROLES.index(role) >= ROLES.index(needed)

    @property
    def who(self) -> str:
        """Whom the log names for what it did."""
        return f"token {self.name}"


async def add_token(
    connection: AsyncConnection,
    name: str,
    *,
    now: datetime,
    token: str | None = None,
    by: str = COMMAND_LINE,
    site_id: int | None = None,
    scope: Scope = "write",
    maker_id: UUID | None = None,
) -> str:
    """Make an API token and return it: this is the one time it can be read. Raises `Invalid` or `Conflict`."""
    name = readable_name(name)
    token = token or new_api_token()
    about = {"site_id": site_id, "scope": scope, "made_by": by, "maker_id": maker_id}
    try:
        await connection.execute(
            insert(tokens).values(id=new_id(), name=name, hash=digest(token), created_at=now, **about)
        )
    except IntegrityError:
        raise Conflict(faults=[Fault("/name", "another token already has this name")]) from None
    await record(connection, by, "token.added", name, now=now, site_id=site_id)
    return token


async def list_tokens(connection: AsyncConnection) -> Sequence[Token]:
    """The newest first."""
    rows = await connection.execute(_TOKENS.order_by(tokens.c.created_at.desc(), tokens.c.id.desc()))
    return [_token(row) for row in rows]


async def revoke_token(connection: AsyncConnection, token: Token, *, now: datetime, by: str) -> None:
    await connection.execute(delete(tokens).where(tokens.c.id == token.id))
    await record(connection, by, "token.revoked", token.name, now=now, site_id=token.site_id)


async def check_token(connection: AsyncConnection, token: str) -> Token:
    """Raises `Unauthorized` unless the token is one of ours, and its maker still has an account."""
    return _good_token((await connection.execute(_TOKENS.where(tokens.c.hash == digest(token)))).one_or_none())


async def check_token_again(connection: AsyncConnection, token: Token) -> Token:
    """The token as it is in this transaction. Raises `Unauthorized` if it was revoked meanwhile."""
    return _good_token((await connection.execute(_TOKENS.where(tokens.c.id == token.id))).one_or_none())


def _good_token(row: Row[Any] | None) -> Token:
    if row is None or (row.maker_id and row.maker is None):
        raise Unauthorized("This token is not valid.", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    return _token(row)


async def touch_token(connection: AsyncConnection, token: Token, *, now: datetime) -> None:
    """Note that it is in use."""
    await connection.execute(update(tokens).where(tokens.c.id == token.id).values(seen_at=now))


_TOKENS = select(tokens, users.c.id.label("maker"), users.c.role.label("maker_role")).join(
    users, tokens.c.maker_id == users.c.id, isouter=True
)


def _token(row: Row[Any]) -> Token:
    made = row.made_by, row.maker_id, row.maker_role
    return Token(row.id, row.name, row.site_id, row.scope, row.created_at, row.seen_at, *made)


# ---- who made them


async def token_role(connection: AsyncConnection, token: Token, site_id: int) -> Role | None:
    """What a token may do on a site: what its scope allows, and its maker now. None for nothing at all."""
    if token.site_id not in (None, site_id):
        return None
    by_scope: Role = "owner" if token.scope == "write" else "viewer"
    if token.maker_id is None:
        return by_scope
    role = await role_on(connection, User(token.maker_id, "", None), site_id)
    return min(by_scope, role, key=ROLES.index) if role else None


async def tokens_made_by(connection: AsyncConnection, user_id: UUID, site: Site | None = None) -> Sequence[Token]:
    """Those that rest on this person's rights; with ``site`` those for it alone."""
    made = [token for token in await list_tokens(connection) if token.maker_id == user_id]
    return [token for token in made if site is None or token.site_id == site.id]


async def take_over(connection: AsyncConnection, by: User, token_id: UUID, *, now: datetime) -> None:
    """Let a token rest on one's own rights from now on. Raises `NotFound`, or `Forbidden` for who could not make it."""
    token = next((one for one in await list_tokens(connection) if one.id == token_id), None)
    if token is None:
        raise NotFound("Token not found.")
    await hold_for(connection, by, await site_by_id(connection, token.site_id) if token.site_id else None)
    await connection.execute(update(tokens).where(tokens.c.id == token.id).values(maker_id=by.id, made_by=by.email))
    words = f"{token.name}, made by {token.made_by}"
    await record(connection, by.email, "token.taken", words, now=now, site_id=token.site_id)


async def address_of(connection: AsyncConnection, user_id: UUID) -> str:
    """Raises `NotFound` for nobody."""
    email: str | None = (await connection.execute(select(users.c.email).where(users.c.id == user_id))).scalar()
    if email is None:
        raise NotFound("User not found.")
    return email
