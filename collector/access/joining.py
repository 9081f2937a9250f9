"""Links by which someone whom an owner invited makes their account."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, delete, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.accounts import Role, User, add_user, email_address
from collector.access.audit import record
from collector.access.keys import digest, new_session
from collector.access.roles import give_role, hold_for
from collector.access.sites import Site, site_by_id
from collector.db.schema import links, members, sites, users
from collector.db.text import is_text
from collector.errors import NotFound

JOIN_LINK_LASTS = timedelta(days=7)
PURPOSE = "joining"
_NAME_LENGTH = 16


@dataclass(frozen=True)
class JoinLink:
    """``name`` tells it from others and opens nothing; ``site`` is what the site is called, none for every site."""

    name: str
    email: str
    role: Role
    site_id: int | None
    site: str | None
    expires_at: datetime


def _open(now: datetime) -> Select[Any]:
    query = select(links, sites.c.name.label("site")).join(sites, links.c.site_id == sites.c.id, isouter=True)
    return query.where(links.c.purpose == PURPOSE, links.c.expires_at > now)


def _join_link(row: Row[Any]) -> JoinLink:
    return JoinLink(row.hash[:_NAME_LENGTH], row.email, row.role, row.site_id, row.site, row.expires_at)


async def make_join_link(
    connection: AsyncConnection, by: User, email: str, role: Role, site: Site | None, *, now: datetime
) -> str | None:
    """The secret of a link by which someone joins; None if they have an account and got the role at once.

    That they get from who owns every site, and knows everybody: an owner of some is told of no account elsewhere. It
    takes the place of an earlier one to the same address and site. Raises `Invalid` for an address that is none,
    and `Forbidden`.
    """
    email = email_address(email)
    known = (await connection.execute(select(users.c.id).where(users.c.email == email))).scalar_one_or_none()
    held = await hold_for(connection, by, site, *([known] if known else []))
    if known is not None and held[by.id].role == "owner":
        await give_role(connection, by, known, role, site, now=now)
        return None
    secret, site_id = new_session(), site.id if site else None
    values = {"purpose": PURPOSE, "created_at": now, "expires_at": now + JOIN_LINK_LASTS, "by_user_id": by.id}
    earlier = (links.c.purpose == PURPOSE) & (links.c.email == email) & links.c.site_id.is_not_distinct_from(site_id)
    await connection.execute(delete(links).where(or_(links.c.expires_at < now, earlier)))
    about = {"email": email, "role": role, "site_id": site_id}
    await connection.execute(insert(links).values(hash=digest(secret), **values, **about))
    words = f"{email}: {role} on {site.name if site else 'every site'}"
    await record(connection, by.email, "join.link.made", words, now=now, site_id=site_id)
    return secret


async def list_join_links(
    connection: AsyncConnection, owned: Collection[int], *, everywhere: bool, now: datetime
) -> Sequence[JoinLink]:
    """Those that were not accepted yet, by address: to these sites, and with ``everywhere`` all."""
    query = _open(now).order_by(links.c.email, links.c.created_at)
    rows = await connection.execute(query if everywhere else query.where(links.c.site_id.in_(owned)))
    return [_join_link(row) for row in rows]


async def withdraw(connection: AsyncConnection, by: User, name: str, *, now: datetime) -> None:
    """Raises `NotFound`, or `Forbidden` for who could not have made it."""
    named = func.substr(links.c.hash, 1, _NAME_LENGTH) == name
    row = (await connection.execute(_open(now).where(named))).one_or_none() if is_text(name) else None
    if row is None:
        raise NotFound("Invitation not found: it was accepted, withdrawn or has expired.")
    await hold_for(connection, by, await site_by_id(connection, row.site_id) if row.site_id else None)
    await connection.execute(delete(links).where(links.c.hash == row.hash))
    await record(connection, by.email, "join.link.withdrawn", row.email, now=now, site_id=row.site_id)


async def read_join_link(connection: AsyncConnection, secret: str, *, now: datetime) -> JoinLink:
    """Raises `NotFound` unless the link is good."""
    row = (await connection.execute(_open(now).where(links.c.hash == digest(secret)))).one_or_none()
    if row is None:
        raise NotFound("This invitation was used, withdrawn or has expired. Ask for a new one.")
    return _join_link(row)


async def accept(connection: AsyncConnection, secret: str, hashed: str, *, now: datetime) -> User:
    """Make the account that an invitation is for, and use the link up. Raises `NotFound` and `Conflict`."""
    link = await read_join_link(connection, secret, now=now)
    return await _join(connection, link, hashed, now=now)


async def accept_as(connection: AsyncConnection, secret: str, user: User, *, now: datetime) -> None:
    """As `accept`, for who has the account already. Raises `NotFound` also where it is for another's address."""
    link = await read_join_link(connection, secret, now=now)
    if link.email != user.email or link.site_id is None:
        raise NotFound("This invitation is for someone else.")
    await _use_up(connection, link)
    site = await site_by_id(connection, link.site_id)
    here = members.c.site_id == site.id, members.c.user_id == user.id
    await connection.execute(delete(members).where(*here))
    await connection.execute(insert(members).values(site_id=site.id, user_id=user.id, role=link.role))
    words = f"{user.email}: {link.role} on {site.name}"
    await record(connection, user.email, "role.changed", words, now=now, site_id=site.id)


async def accept_for(connection: AsyncConnection, email: str, hashed: str, *, now: datetime) -> UUID | None:
    """As `accept`, for who has proven that they have the address an invitation was sent to; None without one."""
    query = _open(now).where(links.c.email == email).order_by(links.c.created_at.desc())
    row = (await connection.execute(query)).first() if is_text(email) else None
    return (await _join(connection, _join_link(row), hashed, now=now)).id if row else None


async def _use_up(connection: AsyncConnection, link: JoinLink) -> None:
    named = func.substr(links.c.hash, 1, _NAME_LENGTH) == link.name
    used = await connection.execute(delete(links).where(links.c.purpose == PURPOSE, named))
    if not used.rowcount:  # someone else did in this moment
        raise NotFound("This invitation was already used.")


async def _join(connection: AsyncConnection, link: JoinLink, hashed: str, *, now: datetime) -> User:
    await _use_up(connection, link)
    # who has an account is given roles without a link, and one that is left would let them in again once removed
    await connection.execute(delete(links).where(links.c.purpose == PURPOSE, links.c.email == link.email))
    everywhere = None if link.site_id else link.role
    user = await add_user(connection, link.email, hashed, now=now, by=link.email, role=everywhere)
    if link.site_id:
        values = {"site_id": link.site_id, "user_id": user.id, "role": link.role}
        await connection.execute(insert(members).values(values))
    return user
