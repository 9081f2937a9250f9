"""Teams: who is in one, and what they may do on the sites that one owns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from collector.access.accounts import User
from collector.access.roles import ROLE_WORDS, list_users, read_role, site_for, sites_for
from collector.access.teams import add_team, give_team_role, list_teams, put_in_team, remove_team
from collector.errors import Conflict, Fault, Forbidden, Invalid
from collector.web.admin.shell import admin_page
from collector.web.http.auth import by_field, press, read_form, require_user
from collector.web.http.bodies import uuid_of
from collector.web.http.services import services_of

TEAMS = "/admin/teams"


async def teams(request: Request) -> Response:
    """Every team, with its people for those who own every site."""
    user = await require_user(request)
    return await _teams(request, user)


async def _teams(
    request: Request, user: User, name: str = "", faults: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    async with services_of(request).database.read() as connection:
        owned = [site for site, _ in await sites_for(connection, user, "owner")]
        if not owned and user.role != "owner":
            raise Forbidden("This takes an owner.")
        found = await list_teams(connection)
        everybody = await list_users(connection) if user.role == "owner" else []
    return await admin_page(
        request,
        "teams.html",
        here="settings",
        status=status,
        user=user,
        sites=owned,
        teams=found,
        everybody=everybody,
        roles=ROLE_WORDS,
        name=name,
        faults=faults or {},
    )


async def add(request: Request) -> Response:
    form = await read_form(request)
    user = await require_user(request)
    services, name = services_of(request), form.get("name", "")
    try:
        async with services.database.write() as connection:
            await add_team(connection, user, name, now=services.clock())
    except (Invalid, Conflict) as error:
        return await _teams(request, user, name, by_field(error), error.status)
    return RedirectResponse(TEAMS, 303)


async def remove(request: Request) -> Response:
    async def act(connection: AsyncConnection, user: User, now: datetime) -> None:
        await remove_team(connection, user, request.path_params["team"], now=now)

    return await press(request, act, TEAMS)


async def put_in(request: Request) -> Response:
    """Let a person in, or out where the form says so."""
    form = await read_form(request)
    user = await require_user(request)
    services, team, out = services_of(request), request.path_params["team"], "out" in form
    person = uuid_of(form.get("out" if out else "person", ""))
    if person is None:
        raise Invalid(faults=[Fault("/person", "must be somebody who has an account")])
    async with services.database.write() as connection:
        await put_in_team(connection, user, team, person, now=services.clock(), out=out)
    return RedirectResponse(TEAMS, 303)


async def give_role(request: Request) -> Response:
    form = await read_form(request)
    user = await require_user(request)
    services, team = services_of(request), request.path_params["team"]
    async with services.database.write() as connection:
        site, _ = await site_for(connection, user, form.get("site", ""), "owner")
        role = read_role(form["role"]) if form.get("role") else None
        await give_team_role(connection, user, team, role, site, now=services.clock())
    return RedirectResponse(TEAMS, 303)


routes = [
    Route(TEAMS, teams),
    Route("/admin/teams/add", add, methods=["POST"]),
    Route("/admin/teams/{team:uuid}/remove", remove, methods=["POST"]),
    Route("/admin/teams/{team:uuid}/people", put_in, methods=["POST"]),
    Route("/admin/teams/{team:uuid}/role", give_role, methods=["POST"]),
]
