"""Who is asking: bearer tokens for programs, sessions for people, and the origin of what a form sends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from urllib.parse import parse_qs

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from collector.accounts import (
    SEEN_EVERY,
    SESSION_LASTS,
    Session,
    User,
    session_of_secret,
    start_session,
    touch_session,
)
from collector.devices import read_user_agent
from collector.errors import Forbidden, Problem, Unauthorized, Unavailable
from collector.known_browsers import KNOWN_FOR, find_browser, know_browser, know_on
from collector.tokens import Token, check_token, touch_token
from collector.web.http import house_of, read_body

SESSION, DEVICE = "session", "device"
"""Cookies: who is signed in here, and who has been before."""
DEVICE_BETWEEN, MOST_DEVICES = "!", 5


async def require_token(request: Request) -> Token:
    """The API token that came with the request. Raises `Unauthorized`, or `Forbidden` for one that may only read."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise Unauthorized(
            "Send Authorization: Bearer TOKEN; tevreden token add makes one.", headers={"WWW-Authenticate": "Bearer"}
        )
    house = house_of(request)
    async with house.database.read() as connection:
        token = await check_token(connection, secret.strip())
    if token.scope == "read" and request.method not in ("GET", "HEAD"):
        raise Forbidden("This token may only read.")
    now = house.clock()
    if token.seen_at is None or token.seen_at < now - SEEN_EVERY:
        with suppress(Unavailable):
            async with house.database.write() as connection:
                await touch_token(connection, token, now=now)
    request.state.token = token
    return token


def token_of(request: Request) -> Token:
    """The token that `require_token` found."""
    token: Token = request.state.token
    return token


async def signed_in(request: Request) -> User | None:
    """The user of the session that came with the request, if it is still good."""
    session = await session_of(request)
    return session.user if session else None


async def session_of(request: Request) -> Session | None:
    """The session that came with the request, if it is still good."""
    house = house_of(request)
    cookie = kept(request, SESSION)
    secret = house.signing.read_session(cookie) if cookie else None
    if secret is None:
        return None
    now = house.clock()
    async with house.database.read() as connection:
        session = await session_of_secret(connection, secret, now=now)
    if session and session.seen_at < now - SEEN_EVERY:
        with suppress(Unavailable):  # pages can be read while nothing can be stored
            async with house.database.write() as connection:
                await touch_session(connection, session, now=now)
    return session


async def sign_in_here(request: Request, response: Response, user: User, hashed: str) -> None:
    """Start a session in this browser for the user whose password fits this hash. Raises `Conflict`."""
    house = house_of(request)
    agent = read_user_agent(request.headers.get("user-agent"))
    earlier = house.signing.read_session(kept(request, SESSION))
    about = {"browser": agent.browser, "system": agent.system, "instead_of": earlier}
    async with house.database.write() as connection:
        secret = await start_session(connection, user, hashed, now=house.clock(), **about)
        device = await know_here(request, connection, user)
    keep(request, response, SESSION, house.signing.session_cookie(secret), SESSION_LASTS)
    keep_device(request, response, device)


async def know_here(request: Request, connection: AsyncConnection, user: User) -> str:
    """Let others' guesses not count in this browser for this user any more; `keep_device` lets it keep the answer."""
    now = house_of(request).clock()
    known = await find_browser(connection, user.id, _devices(request), now=now)
    if known is None:
        return await know_browser(connection, user.id, now=now)
    await know_on(connection, known, now=now)
    return known


def keep_device(request: Request, response: Response, device: str) -> None:
    others = [one for one in _devices(request) if one != device]  # a browser may be shared
    cookies = [house_of(request).signing.device_cookie(one) for one in [device, *others][:MOST_DEVICES]]
    keep(request, response, DEVICE, DEVICE_BETWEEN.join(cookies), KNOWN_FOR)


def clear_session(request: Request, response: Response) -> None:
    drop(request, response, SESSION)


async def device_of(request: Request, user: User) -> str | None:
    """The secret of this browser, if the user is known here."""
    house = house_of(request)
    async with house.database.read() as connection:
        return await find_browser(connection, user.id, _devices(request), now=house.clock())


def _devices(request: Request) -> list[str]:
    """One for each of those who signed in here last."""
    cookies = kept(request, DEVICE).split(DEVICE_BETWEEN)[:MOST_DEVICES]
    return [device for one in cookies if one and (device := house_of(request).signing.read_device(one))]


def keep(request: Request, response: Response, kind: str, value: str, lasts: timedelta) -> None:
    """Let the browser keep a cookie of this kind; `kept` reads it."""
    response.set_cookie(
        _cookie_name(request, kind),
        value,
        max_age=int(lasts.total_seconds()),
        path="/",
        httponly=True,
        samesite="lax",
        secure=_is_https(request),
    )


def kept(request: Request, kind: str) -> str:
    return request.cookies.get(_cookie_name(request, kind), "")


def drop(request: Request, response: Response, kind: str) -> None:
    name = _cookie_name(request, kind)
    response.delete_cookie(name, path="/", httponly=True, samesite="lax", secure=_is_https(request))


def require_same_origin(request: Request) -> None:
    """Raises `Forbidden` unless a page of ours sent this form: by Sec-Fetch-Site, else by Origin."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        same = site == "same-origin"
    else:
        scheme, _, host = request.headers.get("origin", "").partition("://")
        same = bool(scheme and host) and host == request.headers.get("host")
    if not same:
        raise Forbidden("This form was sent from another site.")


async def press(
    request: Request, act: Callable[[AsyncConnection, User, datetime], Awaitable[object]], back: str
) -> Response:
    """A button that one form of ours is: let who is signed in do this, in one transaction, and lead ``back``."""
    require_same_origin(request)
    user = await signed_in(request)
    if user is None:
        return RedirectResponse("/admin/sign-in", 303)
    house = house_of(request)
    async with house.database.write() as connection:
        await act(connection, user, house.clock())
    return RedirectResponse(back, 303)


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form that a page of ours sent. Raises `Forbidden` for any other."""
    require_same_origin(request)
    fields = parse_qs((await read_body(request)).decode("utf-8", "replace"))
    return {name: values[0] for name, values in fields.items()}


def by_field(error: Problem) -> dict[str, str]:
    """What is wrong with a form, by the name of the field; with one that holds several, once."""
    return {fault.at.lstrip("/").split("/")[0]: fault.detail for fault in reversed(error.faults)}


def _is_https(request: Request) -> bool:
    return request.url.scheme == "https" or house_of(request).settings.base_url.startswith("https:")


def _cookie_name(request: Request, kind: str) -> str:
    return f"__Host-tevreden-{kind}" if _is_https(request) else f"tevreden-{kind}"
