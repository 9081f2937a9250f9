"""How often something secret may be guessed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import cast

from starlette.requests import Request

from collector.access import accounts
from collector.access.guesses import WITHIN, count_guesses, give_back, take_guess
from collector.access.keys import digest
from collector.errors import TooManyTries, Unavailable
from collector.web.http.auth import device_of
from collector.web.http.limits import share_of
from collector.web.http.services import Services

TRIES = 10
"""Wrong passwords for one account within `collector.access.guesses.WITHIN`; likewise wrong codes."""
TRIES_PER_ADDRESS = 50
"""And from one address, for whichever account."""
MOST: Mapping[str, int] = {
    "account": TRIES,  # from browsers that are not known
    "address": TRIES_PER_ADDRESS,
    "code": TRIES,  # for one person, from wherever it comes
    "device": TRIES,  # in one browser where this account has signed in before
    "session": TRIES,
    "sign-on": TRIES_PER_ADDRESS,  # from one address, of those that the provider vouches for nobody in
    "attempt": 1,  # one sign-on that was begun; it is over before its place is free again
}
"""By what is counted."""
AT_ONCE = 4
"""Passwords that are looked at in the same moment: each takes 0.1 s and 64 MiB."""


class Throttle:
    """Counts wrong guesses: by account and address, and apart from both in a browser where this account has signed in
    before, so that nobody is kept out by what others try at their password."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def is_right(self, look: Callable[[], Awaitable[bool]], **names: str) -> bool:
        """What looking says; a wrong guess counts for each of these names. Raises `TooManyTries` after too many."""
        signing = self._services.signing
        keys = {kind: signing.guess_name(kind, names[kind]) for kind in sorted(names)}
        places = await self._take(keys)
        try:
            async with self._slots:
                right = await look()
        except Exception:
            with suppress(Unavailable):
                await self._give_back(keys, places)
            raise
        if right:
            await self._give_back(keys, places)
        return right

    async def take(self, **names: str) -> None:
        """Count one for each of these names, whatever becomes of it. Raises `TooManyTries`."""
        await self._take({kind: self._services.signing.guess_name(kind, names[kind]) for kind in sorted(names)})

    async def _take(self, keys: Mapping[str, str]) -> Mapping[str, int]:
        """It counts before it is looked at: those that are looked at in this moment may all be wrong."""
        database, clock = self._services.database, self._services.clock
        async with database.read() as connection:  # what is refused writes nothing
            now = await database.now(connection, clock)
            for kind, name in keys.items():
                if await count_guesses(connection, kind, name, now=now) >= MOST[kind]:
                    raise _too_many()
        places = {}
        async with database.write() as connection:
            now = await database.now(connection, clock)
            for kind, name in keys.items():  # in one order, so that no two wait for each other
                place = await take_guess(connection, kind, name, MOST[kind], now=now)
                if place is None:
                    raise _too_many()
                places[kind] = place
        return places

    async def _give_back(self, keys: Mapping[str, str], places: Mapping[str, int]) -> None:
        async with self._services.database.write() as connection:
            for kind, name in keys.items():
                await give_back(connection, kind, name, places[kind])


def _too_many() -> TooManyTries:
    seconds = str(int(WITHIN.total_seconds()))
    return TooManyTries("Please try again in a quarter of an hour.", headers={"Retry-After": seconds})


def address_of(request: Request) -> str:
    """Whom one that comes counts with."""
    return share_of(request.client.host if request.client else "")


def throttle_of(request: Request) -> Throttle:
    return cast("Throttle", request.app.state.throttle)


async def is_password_at_sign_in(
    request: Request, email: str, user: accounts.User | None, hashed: str, password: str
) -> bool:
    """Whether it is, as often as it may be tried. Raises `TooManyTries`."""
    device = await device_of(request, user)
    elsewhere = {"account": email.strip().lower(), "address": address_of(request)}
    names = {"device": digest(device)} if device else elsewhere
    return await throttle_of(request).is_right(partial(accounts.is_password, hashed, password), **names)


async def is_own_password(request: Request, session: accounts.Session, hashed: str, password: str) -> bool:
    """Whether it is the password of whoever is signed in here. Raises `TooManyTries`."""
    look = partial(accounts.is_password, hashed, password)
    return await throttle_of(request).is_right(look, session=session.name)


async def is_code(request: Request, user: accounts.User, look: Callable[[], Awaitable[bool]]) -> bool:
    """Whether a code of this person's second step is right, as often as one may be tried. Raises `TooManyTries`.

    They are counted by person alone: whoever tries has their password already, and may have many browsers.
    """
    return await throttle_of(request).is_right(look, code=user.id.hex)
