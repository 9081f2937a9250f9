"""Who is asking: bearer tokens for programs, sessions for people, and the origin of what a form sends."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from importlib import import_module
from urllib.parse import parse_qs, quote, unquote
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from collector.access.accounts import (
    SEEN_EVERY,
    SESSION_LASTS,
    Session,
    User,
    session_of_secret,
    start_session,
    touch_session,
)
from collector.access.known_browsers import KNOWN_FOR, find_browser, know_browser, know_on
from collector.access.tokens import Token, check_token, touch_token
from collector.errors import BadRequest, Forbidden, Problem, SignInNeeded, Unauthorized, Unavailable
from collector.responses.devices import read_user_agent
from collector.web.http.bodies import read_body
from collector.web.http.services import services_of

SESSION, DEVICE = "session", "device"
"""Cookies: who is signed in here, and who has been before."""
DEVICE_BETWEEN, MOST_DEVICES = "!", 5
WANTED, WANTED_LASTS = "wanted", timedelta(hours=1)
"""The cookie of the page that was asked for before its reader had signed in."""
LONGEST_WANTED = 1_000
FORM_AROUND = 4096
"""Bytes of a form with a file beside those of the file."""
_WANTED = re.compile(r"/admin/[\w/-]+(\?[!-~]*)?", re.ASCII)


async def require_token(request: Request) -> Token:
    """The API token that came with the request. Raises `Unauthorized`, or `Forbidden` for one that may only read."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise Unauthorized(
            "Send Authorization: Bearer TOKEN; tevreden token add makes one.", headers={"WWW-Authenticate": "Bearer"}
        )
    services = services_of(request)
    async with services.database.read() as connection:
        token = await check_token(connection, secret.strip())
    if token.scope == "read" and request.method not in ("GET", "HEAD"):
        raise Forbidden("This token is read-only.")
    now = services.clock()
    if token.seen_at is None or token.seen_at < now - SEEN_EVERY:
        with suppress(Unavailable):
            async with services.database.write() as connection:
                await touch_token(connection, token, now=now)
    request.state.token = token
    return token


def token_of(request: Request) -> Token:
    """The token that `require_token` found."""
    token: Token = request.state.token
    return token


async def require_user(request: Request) -> User:
    """Who is signed in. Raises `SignInNeeded`."""
    return (await require_session(request)).user


async def require_session(request: Request) -> Session:
    """The session that came with the request. Raises `SignInNeeded` unless it is still good."""
    session = await session_of(request)
    if session is None:
        raise SignInNeeded
    return session


async def session_of(request: Request) -> Session | None:
    """The session that came with the request, if it is still good."""
    services = services_of(request)
    cookie = kept(request, SESSION)
    secret = services.signing.read_session(cookie) if cookie else None
    if secret is None:
        return None
    now = services.clock()
    async with services.database.read() as connection:
        session = await session_of_secret(connection, secret, now=now)
    if session and session.seen_at < now - SEEN_EVERY:
        with suppress(Unavailable):  # pages can be read while nothing can be stored
            async with services.database.write() as connection:
                await touch_session(connection, session, now=now)
    return session


async def sign_in_here(request: Request, response: Response, user: User, hashed: str) -> None:
    """Start a session in this browser for the user whose password fits this hash. Raises `Conflict`."""
    services = services_of(request)
    agent = read_user_agent(request.headers.get("user-agent"))
    earlier = services.signing.read_session(kept(request, SESSION))
    about = {"browser": agent.browser, "system": agent.system, "instead_of": earlier}
    async with services.database.write() as connection:
        secret = await start_session(connection, user, hashed, now=services.clock(), **about)
        device = await know_here(request, connection, user)
    keep(request, response, SESSION, services.signing.session_cookie(secret), SESSION_LASTS)
    keep_device(request, response, device)


async def know_here(request: Request, connection: AsyncConnection, user: User) -> str:
    """Let others' guesses not count in this browser for this user any more; `keep_device` lets it keep the answer."""
    now = services_of(request).clock()
    known = await find_browser(connection, user.id, _devices(request), now=now)
    if known is None:
        return await know_browser(connection, user.id, now=now)
    await know_on(connection, known, now=now)
    return known


def keep_device(request: Request, response: Response, device: str) -> None:
    others = [one for one in _devices(request) if one != device]  # a browser may be shared
    cookies = [services_of(request).signing.device_cookie(one) for one in [device, *others][:MOST_DEVICES]]
    keep(request, response, DEVICE, DEVICE_BETWEEN.join(cookies), KNOWN_FOR)


def clear_session(request: Request, response: Response) -> None:
    drop(request, response, SESSION)


async def device_of(request: Request, user: User | None) -> str | None:
    """The secret of this browser, if the user is known here; for nobody it is looked as well, to take as long."""
    services = services_of(request)
    async with services.database.read() as connection:
        user_id = user.id if user else UUID(int=0)
        return await find_browser(connection, user_id, _devices(request), now=services.clock())


def _devices(request: Request) -> list[str]:
    """One for each of those who signed in here last."""
    cookies = kept(request, DEVICE).split(DEVICE_BETWEEN)[:MOST_DEVICES]
    return [device for one in cookies if one and (device := services_of(request).signing.read_device(one))]


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
    """Raises `Forbidden` unless a page of ours sent this form: by Sec-Fetch-Site, else by Origin.

    Ours is what the settings call ours, and what was asked for: a proxy may have put another Host in its place.
    """
    origin = request.headers.get("origin", "").lower()
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        same = site == "same-origin"
    else:
        same = origin in (services_of(request).settings.public_url.lower(), _origin_of_host(request, origin))
    if not same:
        raise Forbidden(_another_site(request, origin))


def _origin_of_host(request: Request, origin: str) -> str | None:
    """The Host that was asked for, as an origin by the scheme of another one, where the usual port goes unsaid."""
    scheme = origin.partition("://")[0]
    usual = {"http": ":80", "https": ":443"}.get(scheme)
    host = request.headers.get("host", "").lower()
    return f"{scheme}://{host.removesuffix(usual)}" if usual and host else None


def _another_site(request: Request, origin: str) -> str:
    told = "This form was sent from another site."
    if request.headers.get("sec-fetch-site") or not origin.startswith(("http://", "https://")):
        return told
    return (
        f"{told} If {origin[:100]} is the address of this collector, set TEVREDEN_BASE_URL to it, or let your proxy "
        "pass on the Host header that it was asked for."
    )


async def press(
    request: Request, act: Callable[[AsyncConnection, User, datetime], Awaitable[object]], back: str
) -> Response:
    """A button that one form of ours is: let who is signed in do this, in one transaction, and lead ``back``."""
    require_same_origin(request)
    user = await require_user(request)
    services = services_of(request)
    async with services.database.write() as connection:
        await act(connection, user, services.clock())
    return RedirectResponse(back, 303)


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form that a page of ours sent. Raises `Forbidden` for any other, and where cookies cannot come
    back."""
    require_same_origin(request)
    if _is_plain(request) and "sec-fetch-site" not in request.headers:
        raise Forbidden(only_by_https(request))
    fields = parse_qs((await read_body(request)).decode("utf-8", "replace"))
    return {name: values[0] for name, values in fields.items()}


async def read_upload(request: Request, name: str, most: int) -> bytes:
    """The file of a form that a page of ours sent, empty where none was chosen. Raises `Forbidden` for any other form,
    `TooLarge`, and `BadRequest` for what is no such form."""
    require_same_origin(request)
    body = await read_body(request, most + FORM_AROUND)

    async def whole() -> AsyncGenerator[bytes, None]:
        yield body

    parsers = import_module("starlette.formparsers")  # few starts ever need it
    try:
        form = await parsers.MultiPartParser(request.headers, whole(), max_files=1, max_fields=1).parse()
    except (parsers.MultiPartException, KeyError) as error:
        raise BadRequest(f"The form could not be read: {str(error).rstrip('.')}.") from None
    file = form.get(name)
    try:
        return b"" if file is None or isinstance(file, str) else bytes(await file.read())
    finally:
        await form.close()


def after_sign_in(request: Request) -> RedirectResponse:
    """`lead_back`; or first to where it is seen whether the browser kept the session, if that is in doubt."""
    return RedirectResponse("/admin/sign-in?signed-in", 303) if _is_plain(request) else lead_back(request)


def lead_back(request: Request) -> RedirectResponse:
    """To the page that somebody asked for before they had to sign in."""
    wanted = unquote(kept(request, WANTED))
    response = RedirectResponse(wanted if _WANTED.fullmatch(wanted) else "/admin", 303)
    if wanted:
        drop(request, response, WANTED)
    return response


def lead_to_sign_in(request: Request) -> RedirectResponse:
    """To where people sign in; the browser remembers the page that they wanted."""
    response = RedirectResponse("/admin/sign-in", 303)
    query = f"?{request.url.query}" if request.url.query else ""
    wanted, is_page = request.url.path + query, "text/html" in request.headers.get("accept", "")
    if is_page and request.method == "GET" and len(wanted) <= LONGEST_WANTED and _WANTED.fullmatch(wanted):
        keep(request, response, WANTED, quote(wanted), WANTED_LASTS)
    return response


def only_by_https(request: Request) -> str:
    right = f"{services_of(request).settings.public_url}/admin"
    return (
        "This page was opened by http, and a browser stays signed in only by https. Open "
        f"{right} instead. If users should use the address that you opened, set "
        "TEVREDEN_BASE_URL to it."
    )


def _is_plain(request: Request) -> bool:
    """Whether a form came by http though cookies are for https: most browsers drop them then, without a word."""
    page = request.headers.get("origin") or request.headers.get("referer", "")
    return page.lower().startswith("http://") and _is_https(request) and request.url.scheme != "https"


def by_field(error: Problem) -> dict[str, str]:
    """What is wrong with a form, by the name of the field; with one that holds several, once."""
    return {fault.at.lstrip("/").split("/")[0]: fault.detail for fault in reversed(error.faults)}


def sentence_of(error: Problem, field: str) -> str:
    """What is wrong with a field, or with all of a form, for beside that field."""
    told = by_field(error).get(field) or error.detail.rstrip(".")
    return f"{told[0].upper()}{told[1:]}."


def _is_https(request: Request) -> bool:
    return request.url.scheme == "https" or services_of(request).settings.base_url.startswith("https:")


def _cookie_name(request: Request, kind: str) -> str:
    return f"__Host-tevreden-{kind}" if _is_https(request) else f"tevreden-{kind}"
