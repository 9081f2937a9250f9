"""The way in: the first account, signing in and out, one's own account, and the log of who did what."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import cached_property
from importlib import import_module
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from collector import accounts
from collector.audit import SENTENCES, list_entries
from collector.errors import Invalid, TooManyTries
from collector.members import require_everywhere
from collector.schema import moment
from collector.web.auth import (
    by_field,
    clear_session,
    device_of,
    read_form,
    require_same_origin,
    session_of,
    sign_in_here,
    signed_in,
)
from collector.web.http import house_of, page
from collector.web.limits import share_of

TRIES, TRIES_MINUTES = 10, 15
"""Wrong passwords for one account in so many minutes."""
TRIES_PER_ADDRESS = 50
"""And from one address, for whichever account."""
AT_ONCE = 4
"""Passwords that are looked at in the same moment: each takes 0.1 s and 64 MiB."""
ENTRIES = 100
"""Of the log on one page."""


class Throttle:
    """Counts wrong passwords: by account and address, and apart from both in a browser where this account has signed in
    before, so that nobody is kept out by what others try."""

    def __init__(self) -> None:
        self._underway: Counter[tuple[str, str]] = Counter()
        self._slots = asyncio.Semaphore(AT_ONCE)

    @cached_property
    def _limiter(self) -> Any:
        """Loaded with the first sign-in."""
        storage = import_module("limits.aio.storage").MemoryStorage()
        return import_module("limits.aio.strategies").MovingWindowRateLimiter(storage)

    @cached_property
    def _most(self) -> dict[str, Any]:
        per_minutes = import_module("limits").RateLimitItemPerMinute
        tries = per_minutes(TRIES, TRIES_MINUTES)
        return {"account": tries, "device": tries, "address": per_minutes(TRIES_PER_ADDRESS, TRIES_MINUTES)}

    async def is_password(self, hashed: str, password: str, **names: str) -> bool:
        """Whether it is; a wrong one counts for each of these names. Raises `TooManyTries` after too many."""
        keys = list(names.items())
        self._underway.update(keys)  # those that are looked at in this moment may all be wrong
        try:
            for kind, name in keys:
                cost = self._underway[kind, name]
                if not await self._limiter.test(self._most[kind], kind, name, cost=cost):
                    raise TooManyTries("Please try again in a quarter of an hour.", headers={"Retry-After": "900"})
            async with self._slots:
                right = await accounts.is_password(hashed, password)
            if not right:
                for kind, name in keys:
                    await self._limiter.hit(self._most[kind], kind, name)
        finally:
            self._underway.subtract(keys)
            self._underway += Counter()  # forgets those at zero
        return right


# ---- the first account


async def welcome_form(request: Request) -> Response:
    """Where the link of a first start leads."""
    house = house_of(request)
    async with house.database.read() as connection:
        await accounts.check_owner_link(connection, request.path_params["secret"], now=house.clock())
    return _welcome()


async def welcome(request: Request) -> Response:
    house, secret = house_of(request), request.path_params["secret"]
    form = await read_form(request)
    email = form.get("email", "")
    async with house.database.read() as connection:
        await accounts.check_owner_link(connection, secret, now=house.clock())
    try:
        hashed = await accounts.hash_password(form.get("password", ""))
        async with house.database.write() as connection:
            user = await accounts.make_owner(connection, secret, email, hashed, now=house.clock())
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
    if await signed_in(request):
        return RedirectResponse("/admin", 303)
    return page("sign_in.html", user=None, email="", failed=False)


async def sign_in(request: Request) -> Response:
    house = house_of(request)
    form = await read_form(request)
    email, password = form.get("email", "").strip(), form.get("password", "")
    async with house.database.read() as connection:
        user, hashed = await accounts.password_hash_of(connection, email)
    if not await _is_password(request, email, user, hashed, password) or user is None:
        return page("sign_in.html", status=401, user=None, email=email, failed=True)
    response = RedirectResponse("/admin", 303)
    await sign_in_here(request, response, user, hashed)
    return response


async def _is_password(request: Request, email: str, user: accounts.User | None, hashed: str, password: str) -> bool:
    """Whether it is, as often as it may be tried. Raises `TooManyTries`."""
    throttle: Throttle = request.app.state.throttle
    device = device_of(request, user, hashed)
    names = (
        {"device": device}
        if device
        else {
            "account": email.lower()[:254],
            "address": share_of(request.client.host if request.client else ""),
        }
    )
    return await throttle.is_password(hashed, password, **names)


async def sign_out(request: Request) -> Response:
    require_same_origin(request)
    session = await session_of(request)
    if session:
        async with house_of(request).database.write() as connection:
            await accounts.end_session(connection, session)
    response = RedirectResponse("/admin/sign-in", 303)
    clear_session(request, response)
    return response


# ---- one's own account


async def account(request: Request) -> Response:
    """One's password, and where one is signed in."""
    session = await session_of(request)
    return await _account(request, session) if session else RedirectResponse("/admin/sign-in", 303)


async def _account(
    request: Request, session: accounts.Session, faults: dict[str, str] | None = None, status: int = 200
) -> Response:
    house = house_of(request)
    async with house.database.read() as connection:
        found = await accounts.list_sessions(connection, session.user, now=house.clock())
    return page(
        "account.html",
        status=status,
        user=session.user,
        here=session.name,
        sessions=found,
        faults=faults or {},
        changed="changed" in request.query_params and not faults,
        shortest=accounts.SHORTEST_PASSWORD,
        moment=moment,
    )


async def change_password(request: Request) -> Response:
    form = await read_form(request)
    session = await session_of(request)
    if session is None:
        return RedirectResponse("/admin/sign-in", 303)
    house = house_of(request)
    async with house.database.read() as connection:
        _, hashed = await accounts.password_hash_of(connection, session.user.email)
    throttle: Throttle = request.app.state.throttle
    if not await throttle.is_password(hashed, form.get("current", ""), device=session.name):
        return await _account(request, session, {"current": "is not your password"}, 422)
    try:
        new = await accounts.hash_password(form.get("password", ""))
    except Invalid as error:
        return await _account(request, session, by_field(error), 422)
    async with house.database.write() as connection:
        await accounts.change_password(connection, session, hashed, new, now=house.clock())
    response = RedirectResponse("/admin/account?changed", 303)
    await sign_in_here(request, response, session.user, new)
    return response


async def end_session(request: Request) -> Response:
    """End one of one's own sessions, or all others."""
    require_same_origin(request)
    session = await session_of(request)
    if session is None:
        return RedirectResponse("/admin/sign-in", 303)
    house, name = house_of(request), request.path_params["name"]
    async with house.database.write() as connection:
        if name == "others":
            await accounts.end_other_sessions(connection, session, now=house.clock())
        else:
            await accounts.end_session_named(connection, session.user, name, now=house.clock())
    return RedirectResponse("/admin/account", 303)


# ---- who did what


async def log(request: Request) -> Response:
    """The privileged acts, newest first."""
    user = await signed_in(request)
    if user is None:
        return RedirectResponse("/admin/sign-in", 303)
    require_everywhere(user)
    before = _uuid(request.query_params.get("before", ""))
    async with house_of(request).database.read() as connection:
        entries, earlier = await list_entries(connection, limit=ENTRIES, before=before)
    return page("log.html", user=user, entries=entries, earlier=earlier, sentences=SENTENCES, moment=moment)


def _uuid(text: str) -> UUID | None:
    """Whoever changes the address sees the first page."""
    try:
        return UUID(text)
    except ValueError:
        return None


routes = [
    Route("/admin/welcome/{secret}", welcome_form),
    Route("/admin/welcome/{secret}", welcome, methods=["POST"]),
    Route("/admin/sign-in", sign_in_form),
    Route("/admin/sign-in", sign_in, methods=["POST"]),
    Route("/admin/sign-out", sign_out, methods=["POST"]),
    Route("/admin/account", account),
    Route("/admin/account/password", change_password, methods=["POST"]),
    Route("/admin/account/sessions/{name}/end", end_session, methods=["POST"]),
    Route("/admin/log", log),
]
