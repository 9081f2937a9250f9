"""Signing in with the OpenID Connect provider: on the way there, and back."""

from __future__ import annotations

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from collector.access import accounts
from collector.access.oidc import NOT_BEGUN, Attempt, Known, SignOn, account_of
from collector.errors import Forbidden, NotFound, TooManyTries
from collector.web.admin.throttle import address_of, throttle_of
from collector.web.http.auth import drop, keep, kept, lead_back, sign_in_here
from collector.web.http.services import services_of

COOKIE = "sign-on"
ATTEMPT_LASTS = timedelta(minutes=10)


def _sign_on_of(request: Request) -> SignOn:
    sign_on = services_of(request).sign_on
    if sign_on is None:
        raise NotFound("There is no single sign-on here.")
    return sign_on


async def there(request: Request) -> Response:
    services, attempt = services_of(request), Attempt.new()
    response = RedirectResponse(await _sign_on_of(request).address(attempt), 303)
    value = services.signing.until("sign-on", str(attempt), services.clock() + ATTEMPT_LASTS)
    keep(request, response, COOKIE, value, ATTEMPT_LASTS)
    return response


async def back(request: Request) -> Response:
    """Sign in whomever the provider vouches for, in the browser in which it was begun."""
    services, sign_on = services_of(request), _sign_on_of(request)
    value = services.signing.read_until("sign-on", kept(request, COOKIE), now=services.clock())
    attempt = Attempt.read(value or "")
    if attempt is None or not attempt.is_of(request.query_params):
        raise Forbidden(NOT_BEGUN)
    known = await _vouched_for(request, sign_on, attempt)
    async with services.database.write() as connection:
        user_id = await account_of(connection, known, now=services.clock())
        user, hashed = await accounts.password_hash_by_id(connection, user_id)
    if user is None:
        raise Forbidden("Your account was removed in this moment.")
    response = lead_back(request)
    drop(request, response, COOKIE)
    await sign_in_here(request, response, user, hashed)
    return response


async def _vouched_for(request: Request, sign_on: SignOn, attempt: Attempt) -> Known:
    """Ask the provider, once for each sign-in that was begun, and no more often than passwords are guessed at.

    Raises `Forbidden`, `TooManyTries` and `ProviderAway`.
    """
    try:
        await throttle_of(request).take(attempt=attempt.state)
    except TooManyTries:
        raise Forbidden("This sign-in was used already. Begin again.") from None
    known: list[Known] = []
    refusal = Forbidden()

    async def look() -> bool:
        nonlocal refusal
        try:
            known.append(await sign_on.finish(attempt, request.query_params))
        except Forbidden as error:
            refusal = error
        return bool(known)

    if not await throttle_of(request).is_right(look, **{"sign-on": address_of(request)}):
        raise refusal
    return known[0]


routes = [
    Route("/admin/sign-on", there),
    Route("/admin/sign-on/back", back),
]
