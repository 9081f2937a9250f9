"""One's own account: the password, the second step, and where one is signed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from collector.access import accounts
from collector.access.accounts import Session
from collector.access.two_factor import codes_left, enrolment, new_salt, step_of, turn_off, turn_on
from collector.db.moments import moment
from collector.errors import Conflict, Invalid
from collector.web.admin.shell import admin_page
from collector.web.admin.throttle import is_code, is_own_password
from collector.web.http.auth import (
    by_field,
    keep_device,
    know_here,
    read_form,
    require_same_origin,
    require_session,
    sign_in_here,
)
from collector.web.http.services import services_of

SETUP_LASTS = timedelta(minutes=30)
"""How long a secret waits for its first code."""
WRONG = "is not your password"


async def account(request: Request) -> Response:
    session = await require_session(request)
    return await _account(request, session)


async def _account(
    request: Request, session: Session, faults: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    services = services_of(request)
    async with services.database.read() as connection:
        found = await accounts.list_sessions(connection, session.user, now=services.clock())
        left = await codes_left(connection, session.user)
    return await admin_page(
        request,
        "account.html",
        here="account",
        status=status,
        user=session.user,
        provider=services.settings.oidc_name if services.sign_on else "",
        this=session.name,
        sessions=found,
        codes_left=left,
        faults=faults or {},
        changed="changed" in request.query_params and not faults,
        shortest=accounts.SHORTEST_PASSWORD,
        moment=moment,
    )


async def change_password(request: Request) -> Response:
    form = await read_form(request)
    session = await require_session(request)
    services = services_of(request)
    async with services.database.read() as connection:
        _, hashed = await accounts.password_hash_of(connection, session.user.email)
    if not await is_own_password(request, session, hashed, form.get("current", "")):
        return await _account(request, session, {"current": WRONG}, 422)
    try:
        new = await accounts.hash_password(form.get("password", ""))
    except Invalid as error:
        return await _account(request, session, by_field(error), 422)
    async with services.database.write() as connection:
        await accounts.change_password(connection, session, hashed, new, now=services.clock())
    response = RedirectResponse("/admin/account?changed", 303)
    await sign_in_here(request, response, session.user, new)
    return response


async def end_session(request: Request) -> Response:
    """End one of one's own sessions, or all others."""
    require_same_origin(request)
    session = await require_session(request)
    services, name = services_of(request), request.path_params["name"]
    async with services.database.write() as connection:
        if name == "others":
            await accounts.end_other_sessions(connection, session, now=services.clock())
        else:
            await accounts.end_session_named(connection, session.user, name, now=services.clock())
    return RedirectResponse("/admin/account", 303)


# ---- the second step


async def step_form(request: Request) -> Response:
    """A new secret for an authenticator app, good once its first code and the password come back with it."""
    session = await require_session(request)
    if session.user.second_step:
        return RedirectResponse("/admin/account", 303)
    services = services_of(request)
    value = f"{session.user.id.hex}.{new_salt()}"
    return await _step(request, session, services.signing.until("step-setup", value, services.clock() + SETUP_LASTS))


async def _step(
    request: Request,
    session: Session,
    setup: str,
    faults: Mapping[str, str] | None = None,
    codes: Sequence[str] = (),
    status: int = 200,
) -> Response:
    secret = _secret_of(request, session, setup)
    _, picture = enrolment(secret, session.user.email, "Tevreden") if secret and not codes else ("", "")
    return await admin_page(
        request,
        "second_step.html",
        here="account",
        status=status,
        user=session.user,
        setup=setup,
        secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        picture=picture,
        codes=codes,
        faults=faults or {},
    )


def _salt_of(request: Request, session: Session, setup: str) -> str:
    """What the secret of a form is derived with; empty if the form is not this user's, or too old."""
    services = services_of(request)
    value = services.signing.read_until("step-setup", setup, now=services.clock()) or ""
    owner, _, salt = value.partition(".")
    return salt if owner == session.user.id.hex else ""


def _secret_of(request: Request, session: Session, setup: str) -> str:
    salt = _salt_of(request, session, setup)
    return services_of(request).signing.otp_secret(session.user.id, salt) if salt else ""


async def step_on(request: Request) -> Response:
    """Turn it on, and show the recovery codes this once."""
    form = await read_form(request)
    session = await require_session(request)
    services, setup = services_of(request), form.get("setup", "")
    salt = _salt_of(request, session, setup)
    if not salt:
        return RedirectResponse("/admin/account/second-step", 303)
    async with services.database.read() as connection:
        _, hashed = await accounts.password_hash_of(connection, session.user.email)
    if not await is_own_password(request, session, hashed, form.get("current", "")):
        return await _step(request, session, setup, {"current": WRONG}, status=422)
    step: int | None = None

    async def look() -> bool:
        nonlocal step
        step = step_of(services.signing.otp_secret(session.user.id, salt), form.get("code", ""), now=services.clock())
        return step is not None

    if not await is_code(request, session.user, look) or step is None:
        return await _step(request, session, setup, {"code": "is not the code that the app shows now"}, status=422)
    try:
        async with services.database.write() as connection:
            codes = await turn_on(connection, services.signing, session, hashed, salt, step, now=services.clock())
            device = await know_here(request, connection, session.user)
    except Conflict:  # in another tab
        return RedirectResponse("/admin/account", 303)
    response = await _step(request, session, setup, codes=codes)
    keep_device(request, response, device)
    return response


async def step_off(request: Request) -> Response:
    form = await read_form(request)
    session = await require_session(request)
    services = services_of(request)
    async with services.database.read() as connection:
        _, hashed = await accounts.password_hash_of(connection, session.user.email)
    if not await is_own_password(request, session, hashed, form.get("off", "")):
        return await _account(request, session, {"off": WRONG}, 422)
    async with services.database.write() as connection:
        await accounts.require_unchanged(connection, session, hashed)
        await turn_off(connection, session.user.email, session.user.id, now=services.clock())
    return RedirectResponse("/admin/account", 303)


routes = [
    Route("/admin/account", account),
    Route("/admin/account/password", change_password, methods=["POST"]),
    Route("/admin/account/sessions/{name}/end", end_session, methods=["POST"]),
    Route("/admin/account/second-step", step_form),
    Route("/admin/account/second-step", step_on, methods=["POST"]),
    Route("/admin/account/second-step/off", step_off, methods=["POST"]),
]
