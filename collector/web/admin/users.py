"""Who may do what: people with their roles, links to join by, and the tokens of programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from collector.access.accounts import SHORTEST_PASSWORD, Role, User, hash_password
from collector.access.joining import accept, accept_as, list_join_links, make_join_link, read_join_link, withdraw
from collector.access.resets import make_reset
from collector.access.roles import (
    ROLE_WORDS,
    allows,
    give_role,
    hold_for,
    list_members,
    list_users,
    read_role,
    remove_user,
    require_everywhere,
    site_for,
    sites_for,
)
from collector.access.sites import Site
from collector.access.tokens import (
    SCOPES,
    Token,
    add_token,
    address_of,
    list_tokens,
    revoke_token,
    take_over,
    token_role,
    tokens_made_by,
)
from collector.access.two_factor import turn_off
from collector.db.moments import moment
from collector.errors import Conflict, Fault, Forbidden, Invalid, NotFound
from collector.web.admin.shell import admin_page
from collector.web.http.auth import (
    by_field,
    press,
    read_form,
    require_same_origin,
    require_user,
    session_of,
    sign_in_here,
)
from collector.web.http.rendering import page
from collector.web.http.services import services_of

SCOPE_WORDS = {"read": "reads", "write": "reads and writes"}


async def people(request: Request) -> Response:
    """Everybody on the sites that one owns, with their roles."""
    user = await require_user(request)
    return await _people(request, user)


async def _people(
    request: Request,
    user: User,
    form: Mapping[str, str] | None = None,
    faults: Mapping[str, str] | None = None,
    link: str = "",
    reset: str = "",
    given: str = "",
    status: int = 200,
) -> Response:
    services, is_owner = services_of(request), user.role == "owner"
    async with services.database.read() as connection:
        owned = [site for site, _ in await sites_for(connection, user, "owner")]
        if not owned and not is_owner:
            raise Forbidden("This takes an owner.")
        ids = [site.id for site in owned]
        join_links = await list_join_links(connection, ids, everywhere=is_owner, now=services.clock())
        found = [(site, await list_members(connection, site.id)) for site in owned]
        everybody = await list_users(connection) if is_owner else []
        makers = {one.maker_id for one in await list_tokens(connection)}
    return await admin_page(
        request,
        "users.html",
        here="settings",
        status=status,
        user=user,
        sites=found,
        everybody=everybody,
        makers=makers,
        join_links=join_links,
        moment=moment,
        roles=ROLE_WORDS,
        place_choices=_places(user, owned),
        form=form or {},
        faults=faults or {},
        link=link,
        reset=reset,
        given=given,
    )


def _places(user: User, owned: Sequence[Site]) -> list[tuple[str, str]]:
    """Where a role or a token may be: on a site that one owns, or on every site."""
    return [(site.key, site.name) for site in owned] + ([("", "Every site")] if user.role == "owner" else [])


async def _site_in(connection: AsyncConnection, user: User, key: str) -> Site | None:
    """The site that a form names, which the user must own; None for every site."""
    if not key:
        require_everywhere(user)
        return None
    return (await site_for(connection, user, key, "owner"))[0]


async def send_invitation(request: Request) -> Response:
    """Make a link to hand to somebody, or give a role to someone who has an account."""
    form = await read_form(request)
    user = await require_user(request)
    services, email = services_of(request), form.get("email", "")
    try:
        async with services.database.write() as connection:
            site = await _site_in(connection, user, form.get("site", ""))
            role = read_role(form.get("role", ""))
            secret = await make_join_link(connection, user, email, role, site, now=services.clock())
    except Invalid as error:
        return await _people(request, user, form, by_field(error), status=error.status)
    if secret is None:
        return await _people(request, user, given=email.strip())
    return await _people(request, user, link=f"{services.settings.public_url}/admin/join/{secret}", given=email.strip())


async def change_role(request: Request) -> Response:
    form = await read_form(request)
    user = await require_user(request)
    services, person = services_of(request), request.path_params["user"]
    async with services.database.write() as connection:
        site = await _site_in(connection, user, form.get("site", ""))
        role = read_role(form["role"]) if form.get("role") else None
        await give_role(connection, user, person, role, site, now=services.clock())
        left = await tokens_made_by(connection, person, site) if role != "owner" else ()
    return RedirectResponse(f"/admin/users/{person}/tokens" if left else "/admin/users", 303)


async def remove(request: Request) -> Response:
    async def act(connection: AsyncConnection, user: User, now: datetime) -> None:
        await remove_user(connection, user, request.path_params["user"], now=now)

    return await press(request, act, "/admin/users")


async def withdraw_join_link(request: Request) -> Response:
    async def act(connection: AsyncConnection, user: User, now: datetime) -> None:
        await withdraw(connection, user, request.path_params["name"], now=now)

    return await press(request, act, "/admin/users")


async def _hold_another(connection: AsyncConnection, user: User, other: UUID) -> None:
    """Raises `Forbidden` for oneself: an owner's unattended browser must not be enough to change how they come in."""
    if other == user.id:
        raise Forbidden("For yourself, do this under Account, with your password.")
    await hold_for(connection, user, None, other)


async def reset_link(request: Request) -> Response:
    """Make a link by which a person who forgot their password gives themselves another, and show it this once."""
    require_same_origin(request)
    user = await require_user(request)
    services, other = services_of(request), request.path_params["user"]
    async with services.database.write() as connection:
        await _hold_another(connection, user, other)
        email, secret = await make_reset(connection, user, other, now=services.clock())
    return await _people(request, user, reset=f"{services.settings.public_url}/admin/reset/{secret}", given=email)


async def step_off(request: Request) -> Response:
    """For a person who lost their phone and their recovery codes."""

    async def act(connection: AsyncConnection, user: User, now: datetime) -> None:
        other = request.path_params["user"]
        await _hold_another(connection, user, other)
        await turn_off(connection, user.email, other, now=now)

    return await press(request, act, "/admin/users")


async def tokens_of_person(request: Request) -> Response:
    """What rests on somebody's rights, for who takes those away: to be taken over, or revoked."""
    user = await require_user(request)
    person = request.path_params["user"]
    async with services_of(request).database.read() as connection:
        owned, _ = await _own_tokens(connection, user)
        seen = {site.id: site.name for site in owned}
        found = [one for one in await tokens_made_by(connection, person) if user.role == "owner" or one.site_id in seen]
        email = await address_of(connection, person) if found or user.role == "owner" else "this person"
        rests_on = {one.id: await _rests_on(connection, one) or "rests on their rights" for one in found}
    may_remove = user.role == "owner" and person != user.id
    return await admin_page(
        request,
        "user_tokens.html",
        here="settings",
        user=user,
        person=person,
        email=email,
        tokens=found,
        names=seen,
        rests_on=rests_on,
        scopes=SCOPE_WORDS,
        may_remove=may_remove,
        moment=moment,
    )


# ---- where an invitation leads


async def join_form(request: Request) -> Response:
    services = services_of(request)
    async with services.database.read() as connection:
        link = await read_join_link(connection, request.path_params["secret"], now=services.clock())
    session = await session_of(request)
    return _join(link.email, here=session is not None and session.user.email == link.email)


async def join(request: Request) -> Response:
    services, secret = services_of(request), request.path_params["secret"]
    form = await read_form(request)
    async with services.database.read() as connection:
        link = await read_join_link(connection, secret, now=services.clock())
    session = await session_of(request)
    if session is not None and session.user.email == link.email:
        async with services.database.write() as connection:
            await accept_as(connection, secret, session.user, now=services.clock())
        return RedirectResponse("/admin", 303)
    try:
        hashed = await hash_password(form.get("password", ""))
    except Invalid as error:
        return _join(link.email, by_field(error), status=422)
    async with services.database.write() as connection:
        user = await accept(connection, secret, hashed, now=services.clock())
    response = RedirectResponse("/admin", 303)
    await sign_in_here(request, response, user, hashed)
    return response


def _join(email: str, faults: Mapping[str, str] | None = None, status: int = 200, *, here: bool = False) -> Response:
    return page(
        "join.html",
        status=status,
        user=None,
        email=email,
        here=here,
        faults=faults or {},
        shortest=SHORTEST_PASSWORD,
    )


# ---- tokens


async def tokens(request: Request) -> Response:
    """The tokens of the sites that one owns."""
    user = await require_user(request)
    return await _tokens(request, user)


async def _own_tokens(connection: AsyncConnection, user: User) -> tuple[list[Site], list[Token]]:
    """The sites that the user owns, and the tokens they may see and revoke. Raises `Forbidden`."""
    owned = [site for site, _ in await sites_for(connection, user, "owner")]
    if not owned and user.role != "owner":
        raise Forbidden("This takes an owner.")
    ids = {site.id for site in owned}
    return owned, [one for one in await list_tokens(connection) if user.role == "owner" or one.site_id in ids]


async def _tokens(
    request: Request,
    user: User,
    form: Mapping[str, str] | None = None,
    faults: Mapping[str, str] | None = None,
    made: str = "",
    status: int = 200,
) -> Response:
    async with services_of(request).database.read() as connection:
        owned, found = await _own_tokens(connection, user)
        rests_on = {one.id: await _rests_on(connection, one) for one in found}
    return await admin_page(
        request,
        "tokens.html",
        here="settings",
        status=status,
        user=user,
        names={site.id: site.name for site in owned},
        tokens=found,
        place_choices=_places(user, owned),
        rests_on=rests_on,
        scopes=SCOPE_WORDS,
        form=form or {},
        faults=faults or {},
        made=made,
        moment=moment,
    )


async def _rests_on(connection: AsyncConnection, token: Token) -> str:
    """What a token may do less than its scope says, as its maker may; empty where that is nothing less."""
    if token.maker_id is None:
        return ""
    if token.site_id:
        role = await token_role(connection, token, token.site_id)
    else:
        role = "owner" if token.is_everywhere("owner") else token.maker_role
    if role is None:
        return "opens nothing: its maker may do nothing there now"
    full: Role = "owner" if token.scope == "write" else "viewer"
    return "" if allows(role, full) else f"does no more than {'an' if role == 'editor' else 'a'} {role}, as its maker"


async def make_token(request: Request) -> Response:
    """Make a token, and show it this once."""
    form = await read_form(request)
    user = await require_user(request)
    services = services_of(request)
    try:
        scope = next((one for one in SCOPES if one == form.get("scope")), None)
        if scope is None:
            raise Invalid(faults=[Fault("/scope", "must be read or write")])
        async with services.database.write() as connection:
            site = await _site_in(connection, user, form.get("site", ""))
            await hold_for(connection, user, site)
            about: dict[str, Any] = {"site_id": site.id if site else None, "scope": scope, "maker_id": user.id}
            made = await add_token(connection, form.get("name", ""), now=services.clock(), by=user.email, **about)
    except (Invalid, Conflict) as error:
        return await _tokens(request, user, form, by_field(error), status=error.status)
    return await _tokens(request, user, made=made)


async def revoke(request: Request) -> Response:
    require_same_origin(request)
    user = await require_user(request)
    services = services_of(request)
    async with services.database.write() as connection:
        _, found = await _own_tokens(connection, user)
        token = next((one for one in found if one.id == request.path_params["token"]), None)
        if token is None:
            raise NotFound("There is no such token.")
        await revoke_token(connection, token, now=services.clock(), by=user.email)
    return RedirectResponse("/admin/tokens", 303)


async def take_token_over(request: Request) -> Response:
    async def act(connection: AsyncConnection, user: User, now: datetime) -> None:
        await take_over(connection, user, request.path_params["token"], now=now)

    return await press(request, act, "/admin/tokens")


routes = [
    Route("/admin/users", people),
    Route("/admin/users/invite", send_invitation, methods=["POST"]),
    Route("/admin/users/joining/{name}/withdraw", withdraw_join_link, methods=["POST"]),
    Route("/admin/users/{user:uuid}/role", change_role, methods=["POST"]),
    Route("/admin/users/{user:uuid}/remove", remove, methods=["POST"]),
    Route("/admin/users/{user:uuid}/tokens", tokens_of_person),
    Route("/admin/users/{user:uuid}/reset", reset_link, methods=["POST"]),
    Route("/admin/users/{user:uuid}/second-step/off", step_off, methods=["POST"]),
    Route("/admin/join/{secret}", join_form),
    Route("/admin/join/{secret}", join, methods=["POST"]),
    Route("/admin/tokens", tokens),
    Route("/admin/tokens", make_token, methods=["POST"]),
    Route("/admin/tokens/{token:uuid}/revoke", revoke, methods=["POST"]),
    Route("/admin/tokens/{token:uuid}/take-over", take_token_over, methods=["POST"]),
]
