"""Teams: people who have a role on a site together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.accounts import Role, User, end_sessions_of
from collector.audit import record
from collector.errors import Conflict, Fault, Forbidden, NotFound, readable_name
from collector.members import allows, require_everywhere, role_on
from collector.schema import new_id, team_roles, team_users, teams, users
from collector.sites import Site


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
    require_everywhere(by)
    name, team_id = readable_name(name), new_id()
    try:
        await connection.execute(insert(teams).values(id=team_id, name=name, created_at=now))
    except IntegrityError:
        raise Conflict(faults=[Fault("/name", "another team has this name already")]) from None
    await record(connection, by.email, "team.added", name, now=now)
    return team_id


async def remove_team(connection: AsyncConnection, by: User, team_id: UUID, *, now: datetime) -> None:
    """Its people lose the roles that they had by it, and are signed out. Raises `NotFound` or `Forbidden`."""
    require_everywhere(by)
    name = await _name_of(connection, team_id)
    await _sign_out(connection, team_id)
    for table in (team_users, team_roles):
        await connection.execute(delete(table).where(table.c.team_id == team_id))
    await connection.execute(delete(teams).where(teams.c.id == team_id))
    await record(connection, by.email, "team.removed", name, now=now)


async def put_in_team(
    connection: AsyncConnection, by: User, team_id: UUID, user_id: UUID, *, now: datetime, out: bool = False
) -> None:
    """Let a person into a team, or take them ``out``; they are signed out. Raises `NotFound` or `Forbidden`."""
    require_everywhere(by)
    name = await _name_of(connection, team_id)
    email = (await connection.execute(select(users.c.email).where(users.c.id == user_id))).scalar_one_or_none()
    if email is None:
        raise NotFound("There is no such person.")
    here = team_users.c.team_id == team_id, team_users.c.user_id == user_id
    was_in = bool((await connection.execute(delete(team_users).where(*here))).rowcount)
    if not out:
        await connection.execute(insert(team_users).values(team_id=team_id, user_id=user_id))
    if was_in is out:
        await end_sessions_of(connection, user_id)
        await record(connection, by.email, "team.left" if out else "team.joined", f"{email}: {name}", now=now)


async def give_team_role(
    connection: AsyncConnection, by: User, team_id: UUID, role: Role | None, site: Site, *, now: datetime
) -> None:
    """Let everybody in a team do this on a site; None takes it back. They are signed out.

    Raises `NotFound`, or `Forbidden` for who does not own the site.
    """
    if not allows(await role_on(connection, by, site.id), "owner"):
        raise Forbidden("This takes the role of an owner of this site.")
    name = await _name_of(connection, team_id)
    await connection.execute(delete(team_roles).where(team_roles.c.site_id == site.id, team_roles.c.team_id == team_id))
    if role:
        await connection.execute(insert(team_roles).values(site_id=site.id, team_id=team_id, role=role))
    await _sign_out(connection, team_id)
    words = f"team {name}: {role or 'no role'} on {site.name}"
    await record(connection, by.email, "role.changed", words, now=now, site_id=site.id)


async def _name_of(connection: AsyncConnection, team_id: UUID) -> str:
    """Held until the transaction ends, so that nothing is given to a team that goes away in this moment."""
    query = select(teams.c.name).where(teams.c.id == team_id).with_for_update()
    name: str | None = (await connection.execute(query)).scalar_one_or_none()
    if name is None:
        raise NotFound("There is no such team.")
    return name


async def _sign_out(connection: AsyncConnection, team_id: UUID) -> None:
    query = select(team_users.c.user_id).where(team_users.c.team_id == team_id)
    for user_id in (await connection.execute(query)).scalars().all():
        await end_sessions_of(connection, user_id)
