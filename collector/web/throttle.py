"""How often something secret may be guessed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import cached_property, partial
from importlib import import_module
from typing import Any, cast

from starlette.requests import Request

from collector import accounts
from collector.errors import TooManyTries
from collector.web.auth import device_of
from collector.web.limits import share_of

TRIES, TRIES_MINUTES = 10, 15
"""Wrong passwords for one account in so many minutes; likewise wrong codes."""
TRIES_PER_ADDRESS = 50
"""And from one address, for whichever account."""
AT_ONCE = 4
"""Passwords that are looked at in the same moment: each takes 0.1 s and 64 MiB."""


class Throttle:
    """Counts wrong guesses: by account and address, and apart from both in a browser where this account has signed in
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
        return {
            "account": tries,
            "device": tries,
            "code": tries,
            "address": per_minutes(TRIES_PER_ADDRESS, TRIES_MINUTES),
        }

    async def is_right(self, look: Callable[[], Awaitable[bool]], **names: str) -> bool:
        """What looking says; a wrong guess counts for each of these names. Raises `TooManyTries` after too many."""
        keys = list(names.items())
        self._underway.update(keys)  # those that are looked at in this moment may all be wrong
        try:
            for kind, name in keys:
                cost = self._underway[kind, name]
                if not await self._limiter.test(self._most[kind], kind, name, cost=cost):
                    raise TooManyTries("Please try again in a quarter of an hour.", headers={"Retry-After": "900"})
            async with self._slots:
                right = await look()
            if not right:
                for kind, name in keys:
                    await self._limiter.hit(self._most[kind], kind, name)
        finally:
            self._underway.subtract(keys)
            self._underway += Counter()  # forgets those at zero
        return right


def throttle_of(request: Request) -> Throttle:
    return cast("Throttle", request.app.state.throttle)


async def is_password_at_sign_in(
    request: Request, email: str, user: accounts.User | None, hashed: str, password: str
) -> bool:
    """Whether it is, as often as it may be tried. Raises `TooManyTries`."""
    device = device_of(request, user, hashed)
    names = (
        {"device": device}
        if device
        else {
            "account": email.lower()[:254],
            "address": share_of(request.client.host if request.client else ""),
        }
    )
    return await throttle_of(request).is_right(partial(accounts.is_password, hashed, password), **names)


async def is_own_password(request: Request, session: accounts.Session, hashed: str, password: str) -> bool:
    """Whether it is the password of whoever is signed in here. Raises `TooManyTries`."""
    look = partial(accounts.is_password, hashed, password)
    return await throttle_of(request).is_right(look, device=session.name)
