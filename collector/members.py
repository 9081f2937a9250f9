"""Who may do what: roles on every site or on one, invitations, and what a role allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, delete, insert, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.accounts import ROLES, Role, User, add_user, email_address, end_sessions_of
from collector.audit import record
from collector.errors import Conflict, Fault, Forbidden, Invalid, NotFound
from collector.schema import links, members, recovery_codes, sessions, team_roles, team_users, users
from collector.signing import digest, new_session
from collector.sites import Site, list_sites, site_by_key

INVITATION_LASTS = timedelta(days=7)
ROLE_WORDS: dict[Role, str] = {
    "viewer": "Viewer: reads results",
    "editor": "Editor: writes and publishes surveys too",
    "owner": "Owner: decides who may do what too",
}


def allows(role: Role | None, needed: Role) -> bool:
    """Whether a role may do what takes another: each may do what those before it may."""
    return role is not None and ROLES.index(role) >= ROLES.index(needed)


async def role_on(connection: AsyncConnection, user: User, site_id: UUID) -> Role | None:
    """The highest of what the user may do everywhere, on this site, and here by a team."""
    return _highest([user.role, *(await _own_roles(connection, user)).get(site_id, ())])


async def _own_roles(connection: AsyncConnection, user: User) -> dict[UUID, list[Role]]:
    """By site, the roles that they have there themselves and by their teams."""
    own = select(members.c.site_id, members.c.role).where(members.c.user_id == user.id)
    by_team = (
        select(team_roles.c.site_id, team_roles.c.role)
        .join(team_users, team_users.c.team_id == team_roles.c.team_id)
        .where(team_users.c.user_id == user.id)
    )
    found: dict[UUID, list[Role]] = {}
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
        raise NotFound("No site has this key.")
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


def require_everywhere(user: User) -> None:
    """Raises `Forbidden` unless the user is an owner of the installation."""
    if user.role != "owner":
        raise Forbidden("This takes an owner of every site.")


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


async def list_members(connection: AsyncConnection, site_id: UUID) -> Sequence[Member]:
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
    """Let a person do this on a site, or on every site; None takes it back. They are signed out everywhere.

    Raises `NotFound`, `Forbidden` for who may not, or `Conflict` if nobody would be left who owns everything.
    """
    await _require_owner(connection, by, site)
    owners = await _hold_owners(connection)
    person = (await connection.execute(select(users).where(users.c.id == user_id))).one_or_none()
    if person is None:
        raise NotFound("There is no such person.")
    if site is None:
        if role != "owner":
            _require_another_owner(owners, user_id)
        await connection.execute(update(users).where(users.c.id == user_id).values(role=role))
    else:
        here = and_(members.c.site_id == site.id, members.c.user_id == user_id)
        await connection.execute(delete(members).where(here))
        if role:
            await connection.execute(insert(members).values(site_id=site.id, user_id=user_id, role=role))
    await end_sessions_of(connection, user_id)
    words = f"{person.email}: {role or 'no role'} on {site.name if site else 'every site'}"
    await record(connection, by.email, "role.changed", words, now=now, site_id=site.id if site else None)


async def remove_user(connection: AsyncConnection, by: User, user_id: UUID, *, now: datetime) -> None:
    """Raises `NotFound`, `Forbidden`, or `Conflict` for the last one who owns everything."""
    require_everywhere(by)
    owners = await _hold_owners(connection)
    person = (await connection.execute(select(users).where(users.c.id == user_id))).one_or_none()
    if person is None:
        raise NotFound("There is no such person.")
    _require_another_owner(owners, user_id)
    for table in (sessions, members, team_users, recovery_codes, links):
        await connection.execute(delete(table).where(table.c.user_id == user_id))
    await connection.execute(delete(users).where(users.c.id == user_id))
    await record(connection, by.email, "user.removed", person.email, now=now)


async def _require_owner(connection: AsyncConnection, by: User, site: Site | None) -> None:
    if site is None:
        require_everywhere(by)
    elif not allows(await role_on(connection, by, site.id), "owner"):
        raise Forbidden("This takes the role of an owner of this site.")


async def _hold_owners(connection: AsyncConnection) -> Sequence[UUID]:
    """Those who own every site, held in one order until the transaction ends: two who take it from each other wait."""
    query = select(users.c.id).where(users.c.role == "owner").order_by(users.c.id).with_for_update()
    return (await connection.execute(query)).scalars().all()


def _require_another_owner(owners: Sequence[UUID], user_id: UUID) -> None:
    if list(owners) == [user_id]:
        raise Conflict("Somebody must own everything: make another person an owner of every site first.")


# ---- invitations


@dataclass(frozen=True)
class Invitation:
    email: str
    role: Role
    site_id: UUID | None


def read_role(text: str) -> Role:
    """Raises `Invalid`."""
    found = next((role for role in ROLES if role == text), None)
    if found is None:
        raise Invalid(faults=[Fault("/role", f"must be {', '.join(ROLES[:-1])} or {ROLES[-1]}")])
    return found


async def invite(
    connection: AsyncConnection, by: User, email: str, role: Role, site: Site | None, *, now: datetime
) -> str | None:
    """The secret of a link by which someone makes their account; None if they have one and got the role at once.

    Raises `Invalid` for an address that is none, and `Forbidden`.
    """
    await _require_owner(connection, by, site)
    email = email_address(email)
    known = (await connection.execute(select(users.c.id).where(users.c.email == email))).scalar_one_or_none()
    if known is not None:
        await give_role(connection, by, known, role, site, now=now)
        return None
    secret = new_session()
    values = {"purpose": "invitation", "created_at": now, "expires_at": now + INVITATION_LASTS}
    about = {"email": email, "role": role, "site_id": site.id if site else None}
    await connection.execute(delete(links).where(links.c.expires_at < now))
    await connection.execute(insert(links).values(hash=digest(secret), **values, **about))
    words = f"{email}: {role} on {site.name if site else 'every site'}"
    await record(connection, by.email, "user.invited", words, now=now, site_id=site.id if site else None)
    return secret


async def read_invitation(connection: AsyncConnection, secret: str, *, now: datetime) -> Invitation:
    """Raises `NotFound` unless the link is good."""
    query = select(links).where(
        links.c.hash == digest(secret), links.c.purpose == "invitation", links.c.expires_at > now
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFound("This invitation was used or is too old. Ask for another.")
    return Invitation(row.email, row.role, row.site_id)


async def accept(connection: AsyncConnection, secret: str, hashed: str, *, now: datetime) -> User:
    """Make the account that an invitation is for, and use the link up. Raises `NotFound` and `Conflict`."""
    invitation = await read_invitation(connection, secret, now=now)
    return await _join(connection, invitation, digest(secret), hashed, now=now)


async def accept_for(connection: AsyncConnection, email: str, hashed: str, *, now: datetime) -> UUID | None:
    """As `accept`, for who has proven that they have the address an invitation was sent to; None without one."""
    open_ = links.c.email == email, links.c.purpose == "invitation", links.c.expires_at > now
    row = (await connection.execute(select(links).where(*open_).order_by(links.c.created_at.desc()))).first()
    if row is None:
        return None
    return (await _join(connection, Invitation(row.email, row.role, row.site_id), row.hash, hashed, now=now)).id


async def _join(connection: AsyncConnection, invitation: Invitation, link: str, hashed: str, *, now: datetime) -> User:
    used = await connection.execute(delete(links).where(links.c.hash == link))
    if not used.rowcount:  # someone else did in this moment
        raise NotFound("This invitation was used.")
    everywhere = None if invitation.site_id else invitation.role
    user = await add_user(connection, invitation.email, hashed, now=now, by=invitation.email, role=everywhere)
    if invitation.site_id:
        values = {"site_id": invitation.site_id, "user_id": user.id, "role": invitation.role}
        await connection.execute(insert(members).values(values))
    return user
