"""The way in: the first account, signing in and out, a password that was forgotten, and the log of who did what."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from collector.access import accounts
from collector.access.audit import SENTENCES, list_entries, record_often
from collector.access.keys import digest
from collector.access.resets import read_reset, reset_password
from collector.access.roles import require_everywhere
from collector.access.two_factor import use_code
from collector.db.moments import moment
from collector.errors import Invalid
from collector.web.admin.shell import admin_page
from collector.web.admin.throttle import is_code, is_password_at_sign_in
from collector.web.http.auth import (
    after_sign_in,
    by_field,
    clear_session,
    keep_device,
    know_here,
    lead_back,
    only_by_https,
    read_form,
    require_same_origin,
    require_user,
    session_of,
    sign_in_here,
)
from collector.web.http.bodies import uuid_of
from collector.web.http.rendering import page
from collector.web.http.services import services_of

PENDING_LASTS = timedelta(minutes=10)
"""From the password to the code."""
ENTRIES = 100
"""Of the log on one page."""


# ---- the first account


async def welcome_form(request: Request) -> Response:
    """Where the link of a first start leads."""
    services = services_of(request)
    async with services.database.read() as connection:
        await accounts.check_owner_link(connection, request.path_params["secret"], now=services.clock())
    return _welcome()


async def welcome(request: Request) -> Response:
    services, secret = services_of(request), request.path_params["secret"]
    form = await read_form(request)
    email = form.get("email", "")
    async with services.database.read() as connection:
        await accounts.check_owner_link(connection, secret, now=services.clock())
    try:
        hashed = await accounts.hash_password(form.get("password", ""))
        async with services.database.write() as connection:
            user = await accounts.make_owner(connection, secret, email, hashed, now=services.clock())
    except Invalid as error:
        return _welcome(email, by_field(error), status=422)
    response = RedirectResponse("/admin", 303)
    await sign_in_here(request, response, user, hashed)
    return response


def _welcome(email: str = "", faults: dict[str, str] | None = None, status: int = 200) -> Response:
    shortest = accounts.SHORTEST_PASSWORD
    return page("welcome.html", status=status, user=None, email=email, faults=faults or {}, shortest=shortest)


# ---- in and out


async def sign_in_form(request: Request) -> Response:
    if await session_of(request):
        return lead_back(request)
    return _sign_in(request, told=only_by_https(request) if "signed-in" in request.query_params else "")


def _sign_in(request: Request, email: str = "", *, failed: bool = False, told: str = "", status: int = 200) -> Response:
    services = services_of(request)
    provider = services.settings.oidc_name if services.sign_on else ""
    return page("sign_in.html", status=status, user=None, email=email, failed=failed, told=told, provider=provider)


async def sign_in(request: Request) -> Response:
    services = services_of(request)
    form = await read_form(request)
    email, password = form.get("email", "").strip(), form.get("password", "")
    async with services.database.read() as connection:
        user, hashed = await accounts.password_hash_of(connection, email)
    if not await is_password_at_sign_in(request, email, user, hashed, password) or user is None:
        await _note_refusal(request, user, "wrong password")
        return _sign_in(request, email, failed=True, status=401)
    if user.second_step:
        value = f"{user.id.hex}.{digest(hashed)}"
        return _code(services.signing.until("step-pending", value, services.clock() + PENDING_LASTS))
    response = after_sign_in(request)
    await sign_in_here(request, response, user, hashed)
    return response


def _code(pending: str, *, failed: bool = False, status: int = 200) -> Response:
    return page("sign_in_code.html", status=status, user=None, pending=pending, failed=failed)


async def sign_in_code(request: Request) -> Response:
    """The second step, for whom the first one let through a moment ago."""
    services = services_of(request)
    form = await read_form(request)
    pending = form.get("pending", "")
    value = services.signing.read_until("step-pending", pending, now=services.clock()) or "0.0"
    user_id, _, known = value.partition(".")
    async with services.database.read() as connection:
        user, hashed = await accounts.password_hash_by_id(connection, UUID(int=int(user_id, 16)))
    if user is None or known != digest(hashed):
        return _sign_in(request, told="That took too long. Please begin again.", status=401)

    async def look() -> bool:
        async with services.database.write() as connection:
            return await use_code(connection, services.signing, user, form.get("code", ""), now=services.clock())

    if not await is_code(request, user, look):
        await _note_refusal(request, user, "wrong code")
        return _code(pending, failed=True, status=401)
    response = after_sign_in(request)
    await sign_in_here(request, response, user, hashed)
    return response


async def _note_refusal(request: Request, user: accounts.User | None, why: str) -> None:
    """One row for each account and quarter of an hour, and one for all addresses that have none."""
    services = services_of(request)
    who = user.email if user else "an address without an account"
    async with services.database.write() as connection:
        await record_often(connection, who, "sign.in.refused", why, now=services.clock())


async def sign_out(request: Request) -> Response:
    require_same_origin(request)
    session = await session_of(request)
    if session:
        async with services_of(request).database.write() as connection:
            await accounts.end_session(connection, session)
    response = RedirectResponse("/admin/sign-in", 303)
    clear_session(request, response)
    return response


# ---- where a link leads that resets a password


async def reset_form(request: Request) -> Response:
    services = services_of(request)
    async with services.database.read() as connection:
        user = await read_reset(connection, request.path_params["secret"], now=services.clock())
    return _reset(user.email)


async def reset(request: Request) -> Response:
    """A new password; they sign in with it next, with the second step where there is one."""
    services, secret = services_of(request), request.path_params["secret"]
    form = await read_form(request)
    async with services.database.read() as connection:
        user = await read_reset(connection, secret, now=services.clock())
    try:
        hashed = await accounts.hash_password(form.get("password", ""))
    except Invalid as error:
        return _reset(user.email, by_field(error), status=422)
    async with services.database.write() as connection:
        await reset_password(connection, secret, hashed, now=services.clock())
        device = await know_here(request, connection, user)  # what strangers try keeps nobody from using a link
    response = _sign_in(request, user.email, told="Your password is changed. Sign in with it.")
    keep_device(request, response, device)
    return response


def _reset(email: str, faults: dict[str, str] | None = None, status: int = 200) -> Response:
    shortest = accounts.SHORTEST_PASSWORD
    return page("reset.html", status=status, user=None, email=email, faults=faults or {}, shortest=shortest)


# ---- who did what


async def log(request: Request) -> Response:
    """The privileged acts, newest first."""
    user = await require_user(request)
    require_everywhere(user)
    before = uuid_of(request.query_params.get("before", ""))
    async with services_of(request).database.read() as connection:
        entries, earlier = await list_entries(connection, limit=ENTRIES, before=before)
    return await admin_page(
        request,
        "log.html",
        user=user,
        here="settings",
        entries=entries,
        earlier=earlier,
        sentences=SENTENCES,
        moment=moment,
    )


routes = [
    Route("/admin/welcome/{secret}", welcome_form),
    Route("/admin/welcome/{secret}", welcome, methods=["POST"]),
    Route("/admin/sign-in", sign_in_form),
    Route("/admin/sign-in", sign_in, methods=["POST"]),
    Route("/admin/sign-in/code", sign_in_code, methods=["POST"]),
    Route("/admin/sign-out", sign_out, methods=["POST"]),
    Route("/admin/reset/{secret}", reset_form),
    Route("/admin/reset/{secret}", reset, methods=["POST"]),
    Route("/admin/log", log),
]
