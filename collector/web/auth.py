"""Who is asking: bearer tokens for programs, sessions for people, and the origin of what a form sends."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from collector.accounts import SESSION_LASTS, User, check_token, user_of_session
from collector.errors import Forbidden, Unauthorized
from collector.web.http import house_of


async def require_token(request: Request) -> None:
    """Raises `Unauthorized` unless a valid API token came with the request."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized(
            "Send Authorization: Bearer TOKEN; tevreden token add makes one.", headers={"WWW-Authenticate": "Bearer"}
        )
    async with house_of(request).database.read() as connection:
        await check_token(connection, token.strip())


async def signed_in(request: Request) -> User | None:
    """The user of the session that came with the request, if it is still good."""
    house = house_of(request)
    session = session_of(request)
    if session is None:
        return None
    async with house.database.read() as connection:
        return await user_of_session(connection, session, now=house.clock())


def session_of(request: Request) -> str | None:
    cookie = request.cookies.get(_cookie_name(request))
    return house_of(request).signing.read_session(cookie) if cookie else None


def set_session(request: Request, response: Response, session: str) -> None:
    response.set_cookie(
        _cookie_name(request),
        house_of(request).signing.session_cookie(session),
        max_age=int(SESSION_LASTS.total_seconds()),
        path="/",
        httponly=True,
        samesite="lax",
        secure=_is_https(request),
    )


def clear_session(request: Request, response: Response) -> None:
    response.delete_cookie(_cookie_name(request), path="/", httponly=True, samesite="lax", secure=_is_https(request))


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


def _is_https(request: Request) -> bool:
    return request.url.scheme == "https" or house_of(request).settings.base_url.startswith("https:")


def _cookie_name(request: Request) -> str:
    return "__Host-tevreden" if _is_https(request) else "tevreden-session"
