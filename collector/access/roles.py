"""Who may do what: roles on every site or on one, and what a role allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, delete, insert, or_, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.accounts import ROLES, Role, User, end_sessions_of
from collector.access.audit import record
from collector.access.sites import Site, list_sites, site_by_key
from collector.db.schema import devices, links, members, recovery_codes, sessions, team_roles, team_users, tokens, users
from collector.errors import Conflict, Fault, Forbidden, Invalid, NotFound

Held = Mapping[UUID, Row[Any]]
"""People by id, held until the transaction ends."""
ROLE_WORDS: dict[Role, str] = {
    "viewer": "Viewer: reads results",
    "editor": "Editor: writes and publishes surveys too",
    "owner": "Owner: decides who may do what too",
}


def allows(role: Role | None, needed: Role) -> bool:
    """Whether a role may do what takes another: each may do what those before it may."""
    return role is not None and ROLES.index(role) >= ROLES.index(needed)


async def role_on(connection: AsyncConnection, user: User, site_id: int) -> Role | None:
    """The highest of what the user may do everywhere, on this site, and here by a team: now, whatever was known as
    their request came."""
    everywhere = (await connection.execute(select(users.c.role).where(users.c.id == user.id))).scalar_one_or_none()
    return _highest([everywhere, *(await _own_roles(connection, user)).get(site_id, ())])


async def _own_roles(connection: AsyncConnection, user: User) -> dict[int, list[Role]]:
    """By site, the roles that they have there themselves and by their teams."""
    own = select(members.c.site_id, members.c.role).where(members.c.user_id == user.id)
    by_team = (
        select(team_roles.c.site_id, team_roles.c.role)
        .join(team_users, team_users.c.team_id == team_roles.c.team_id)
        .where(team_users.c.user_id == user.id)
    )
    found: dict[int, list[Role]] = {}
    for row in await connection.execute(union_all(own, by_team)):
        found.setdefault(row.site_id, []).append(row.role)
    return found


def _highest(roles: Sequence[Role | None]) -> Role | None:
    return max((role for role in roles if role), key=ROLES.index, default=None)


async def site_for(connection: AsyncConnection, user: User, key: str, needed: Role) -> tuple[Site, Role]:
    """A site on which the user may do what takes this role, and their role there.

    Raises `NotFound` where they have none, as for a site that there is not, and `Forbidden` where it is too low.
    """
    site = await site_by_key(connection, key)
    role = await role_on(connection, user, site.id)
    if role is None:
        raise NotFound("Unknown site key.")
    if not allows(role, needed):
        raise Forbidden(
            f"This takes the role of {'an' if needed[0] in 'aeiou' else 'a'} {needed}; you are {role} here."
        )
    return site, role


async def sites_for(connection: AsyncConnection, user: User, needed: Role = "viewer") -> list[tuple[Site, Role]]:
    """The sites on which the user may do what takes this role."""
    own = await _own_roles(connection, user)
    found = []
    for site in await list_sites(connection):
        role = _highest([user.role, *own.get(site.id, ())])
        if role and allows(role, needed):
            found.append((site, role))
    return found


def read_role(text: str) -> Role:
    """Raises `Invalid`."""
    found = next((role for role in ROLES if role == text), None)
    if found is None:
        raise Invalid(faults=[Fault("/role", f"must be {', '.join(ROLES[:-1])} or {ROLES[-1]}")])
    return found


def require_everywhere(user: User) -> None:
    """Raises `Forbidden` unless the user is an owner of the installation."""
    if user.role != "owner":
        raise Forbidden("Owner role on every site required.")


async def hold_for(connection: AsyncConnection, by: User, site: Site | None, *others: UUID) -> Held:
    """What gives somebody more or less than they have begins with this: ``by`` owns the site, or every one, now.

    Theirs, those of ``others`` and of all who own every site are held in one order: two who take a role from each
    other wait, and what was allowed as the request came is not done after it was taken back. Raises `Forbidden`.
    """
    query = select(users).where(or_(users.c.role == "owner", users.c.id.in_([by.id, *others])))
    rows = await connection.execute(query.order_by(users.c.id).with_for_update())
    held = {row.id: row for row in rows}
    if by.id not in held:
        raise Forbidden("Your account was removed in the meantime.")
    by = replace(by, role=held[by.id].role)
    if site is None:
        require_everywhere(by)
    elif not allows(await role_on(connection, by, site.id), "owner"):
        raise Forbidden("Owner role required.")
    return held


# ---- people


@dataclass(frozen=True)
class Member:
    """A person, with their role everywhere or on the site that was asked for."""

    id: UUID
    email: str
    role: Role | None
    second_step: bool = False


async def list_users(connection: AsyncConnection) -> Sequence[Member]:
    """Everybody who may sign in, with the role they have on every site."""
    rows = await connection.execute(select(users).order_by(users.c.email))
    return [Member(row.id, row.email, row.role, row.otp_salt is not None) for row in rows]


async def list_members(connection: AsyncConnection, site_id: int) -> Sequence[Member]:
    """Those with a role of their own on a site."""
    query = (
        select(users.c.id, users.c.email, members.c.role)
        .join(users, members.c.user_id == users.c.id)
        .where(members.c.site_id == site_id)
        .order_by(users.c.email)
    )
    return [Member(row.id, row.email, row.role) for row in await connection.execute(query)]


async def give_role(
    connection: AsyncConnection, by: User, user_id: UUID, role: Role | None, site: Site | None, *, now: datetime
) -> None:
    """Let a person do this on a site, or on every site; None takes it back.

    They are signed out everywhere if what they may do is another then. Raises `NotFound`, `Forbidden` for who may
    not, or `Conflict` if nobody would be left who owns everything.
    """
    held = await hold_for(connection, by, site, user_id)
    if user_id not in held:
        raise NotFound("User not found.")
    row = held[user_id]
    person = User(row.id, row.email, row.role)
    here = and_(members.c.site_id == (site.id if site else None), members.c.user_id == user_id)
    if role == (await connection.scalar(select(members.c.role).where(here)) if site else person.role):
        return
    if site is None:
        changes = True
        if role != "owner":
            _require_another_owner(held, user_id)
        await connection.execute(update(users).where(users.c.id == user_id).values(role=role))
    else:
        before = await role_on(connection, person, site.id)
        await connection.execute(delete(members).where(here))
        if role:
            await connection.execute(insert(members).values(site_id=site.id, user_id=user_id, role=role))
        changes = before != await role_on(connection, person, site.id)
    if changes:
        await end_sessions_of(connection, user_id)
        await settle_links(connection, user_id)
    words = f"{person.email}: {role or 'no role'} on {site.name if site else 'every site'}"
    await record(connection, by.email, "role.changed", words, now=now, site_id=site.id if site else None)


async def settle_links(connection: AsyncConnection, user_id: UUID) -> None:
    """Take back the links that a person made for others and could not make now."""
    row = (await connection.execute(select(users).where(users.c.id == user_id))).one()
    if row.role == "owner":
        return
    own = await _own_roles(connection, User(row.id, row.email, row.role))
    still = [site_id for site_id, roles in own.items() if "owner" in roles]
    theirs = links.c.by_user_id == user_id
    await connection.execute(delete(links).where(theirs, or_(links.c.site_id.is_(None), links.c.site_id.not_in(still))))


async def remove_user(connection: AsyncConnection, by: User, user_id: UUID, *, now: datetime) -> None:
    """Whatever was to let them in goes along, and what they made that would let in others, API tokens among it.

    Raises `NotFound`, `Forbidden`, or `Conflict` for the last one who owns everything.
    """
    held = await hold_for(connection, by, None, user_id)
    if user_id not in held:
        raise NotFound("User not found.")
    _require_another_owner(held, user_id)
    email = held[user_id].email
    for table in (sessions, devices, members, team_users, recovery_codes):
        await connection.execute(delete(table).where(table.c.user_id == user_id))
    for row in (await connection.execute(select(tokens).where(tokens.c.maker_id == user_id))).all():
        await connection.execute(delete(tokens).where(tokens.c.id == row.id))
        await record(connection, by.email, "token.revoked", row.name, now=now, site_id=row.site_id)
    concerned = or_(links.c.user_id == user_id, links.c.by_user_id == user_id, links.c.email == email)
    await connection.execute(delete(links).where(concerned))
    await connection.execute(delete(users).where(users.c.id == user_id))
    await record(connection, by.email, "user.removed", email, now=now)


def _require_another_owner(held: Held, user_id: UUID) -> None:
    if [row.id for row in held.values() if row.role == "owner"] == [user_id]:
        raise Conflict("At least one user must be owner of every site. Make someone else an owner first.")
