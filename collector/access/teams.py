"""Teams: people who have a role on a site together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.accounts import Role, User, end_sessions_of
from collector.access.audit import record
from collector.access.roles import hold_for, role_on, settle_links
from collector.access.sites import Site
from collector.db.ids import new_id
from collector.db.schema import team_roles, team_users, teams, users
from collector.db.text import readable_name
from collector.errors import Conflict, Fault, NotFound


@dataclass(frozen=True)
class Team:
    """``people`` are addresses by user id; ``roles`` by site id."""

    id: UUID
    name: str
    people: Mapping[UUID, str]
    roles: Mapping[UUID, Role]


async def list_teams(connection: AsyncConnection) -> Sequence[Team]:
    """By name."""
    found = (await connection.execute(select(teams).order_by(teams.c.name))).all()
    people: dict[UUID, dict[UUID, str]] = {row.id: {} for row in found}
    query = select(team_users.c.team_id, users.c.id, users.c.email).join(users).order_by(users.c.email)
    for row in await connection.execute(query):
        people[row.team_id][row.id] = row.email
    roles: dict[UUID, dict[UUID, Role]] = {row.id: {} for row in found}
    for row in await connection.execute(select(team_roles)):
        roles[row.team_id][row.site_id] = row.role
    return [Team(row.id, row.name, people[row.id], roles[row.id]) for row in found]


async def add_team(connection: AsyncConnection, by: User, name: str, *, now: datetime) -> UUID:
    """A new team with nobody in it. Raises `Invalid`, `Conflict` for a name that is taken, or `Forbidden`."""
    await hold_for(connection, by, None)
    name, team_id = readable_name(name), new_id()
    try:
        await connection.execute(insert(teams).values(id=team_id, name=name, created_at=now))
    except IntegrityError:
        raise Conflict(faults=[Fault("/name", "another team already has this name")]) from None
    await record(connection, by.email, "team.added", name, now=now)
    return team_id


async def remove_team(connection: AsyncConnection, by: User, team_id: UUID, *, now: datetime) -> None:
    """Its people lose the roles that they had by it, and are signed out. Raises `NotFound` or `Forbidden`."""
    await hold_for(connection, by, None)
    name, people = await _name_of(connection, team_id), await _people_of(connection, team_id)
    for table in (team_users, team_roles):
        await connection.execute(delete(table).where(table.c.team_id == team_id))
    await connection.execute(delete(teams).where(teams.c.id == team_id))
    for one in people:
        await end_sessions_of(connection, one.id)
        await settle_links(connection, one.id)
    await record(connection, by.email, "team.removed", name, now=now)


async def put_in_team(
    connection: AsyncConnection, by: User, team_id: UUID, user_id: UUID, *, now: datetime, out: bool = False
) -> None:
    """Let a person into a team, or take them ``out``; they are signed out. Raises `NotFound` or `Forbidden`."""
    held = await hold_for(connection, by, None, user_id)
    name = await _name_of(connection, team_id)
    if user_id not in held:
        raise NotFound("User not found.")
    here = team_users.c.team_id == team_id, team_users.c.user_id == user_id
    was_in = bool((await connection.execute(delete(team_users).where(*here))).rowcount)
    if not out:
        await connection.execute(insert(team_users).values(team_id=team_id, user_id=user_id))
    if was_in is out:
        await end_sessions_of(connection, user_id)
        await settle_links(connection, user_id)
        words = f"{held[user_id].email}: {name}"
        await record(connection, by.email, "team.left" if out else "team.joined", words, now=now)


async def give_team_role(
    connection: AsyncConnection, by: User, team_id: UUID, role: Role | None, site: Site, *, now: datetime
) -> None:
    """Let everybody in a team do this on a site; None takes it back.

    Those are signed out for whom it changes what they may do. Raises `NotFound`, or `Forbidden` for who does not own
    the site.
    """
    await hold_for(connection, by, site)
    name, people = await _name_of(connection, team_id), await _people_of(connection, team_id)
    before = [await role_on(connection, one, site.id) for one in people]
    await connection.execute(delete(team_roles).where(team_roles.c.site_id == site.id, team_roles.c.team_id == team_id))
    if role:
        await connection.execute(insert(team_roles).values(site_id=site.id, team_id=team_id, role=role))
    for one, earlier in zip(people, before, strict=True):
        if earlier != await role_on(connection, one, site.id):
            await end_sessions_of(connection, one.id)
            await settle_links(connection, one.id)
    words = f"team {name}: {role or 'no role'} on {site.name}"
    await record(connection, by.email, "role.changed", words, now=now, site_id=site.id)


async def _name_of(connection: AsyncConnection, team_id: UUID) -> str:
    """Held until the transaction ends, so that nothing is given to a team that goes away in this moment."""
    query = select(teams.c.name).where(teams.c.id == team_id).with_for_update()
    name: str | None = (await connection.execute(query)).scalar_one_or_none()
    if name is None:
        raise NotFound("Team not found.")
    return name


async def _people_of(connection: AsyncConnection, team_id: UUID) -> Sequence[User]:
    query = select(users).join(team_users).where(team_users.c.team_id == team_id)
    return [User(row.id, row.email, row.role) for row in await connection.execute(query)]
