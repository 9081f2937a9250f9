"""Signing in with an OpenID Connect provider: the authorization code flow with PKCE.

As OpenID Connect Core 1.0 and RFC 7636 have it. The provider is named by whoever runs the collector, so its addresses
may be inside their own walls.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.accounts import NO_PASSWORD, email_address
from collector.access.audit import record
from collector.access.joining import accept_for
from collector.access.keys import digest
from collector.channels.outbound import MOST_BYTES, Outbound, OutboundError
from collector.db.schema import users
from collector.errors import Conflict, Forbidden, Invalid, ProviderAway

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Of signatures by a provider's own key; one with a shared secret is no proof of who made it."""
LEEWAY_SECONDS = 60
KNOWN_FOR = timedelta(minutes=10)
"""How long it is believed what the provider says of itself."""
LEFT_ALONE_FOR = timedelta(seconds=10)
"""How long nobody asks it again after it was away."""
NOT_BEGUN = "This sign-in was not begun in this browser, or too long ago. Begin again."
_JSON = {"Accept": "application/json"}


@dataclass(frozen=True)
class Attempt:
    """What the browser keeps of a sign-in that is underway, and brings back."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls) -> Attempt:
        return cls(*(secrets.token_urlsafe(32) for _ in range(3)))

    @classmethod
    def read(cls, text: str) -> Attempt | None:
        parts = text.split(".")
        return cls(*parts) if len(parts) == 3 else None

    def is_of(self, query: Mapping[str, str]) -> bool:
        """Whether whoever comes back with this query went away with this attempt."""
        return secrets.compare_digest(query.get("state", "").encode(), self.state.encode())

    def __str__(self) -> str:
        return f"{self.state}.{self.nonce}.{self.verifier}"


@dataclass(frozen=True)
class Known:
    """Whom the provider vouches for: ``subject`` tells them from everybody else, ``email`` is a verified one."""

    subject: str
    email: str | None


class SignOn:
    """One provider. ``back`` is the address of ours that it leads back to."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: str,
        back: str,
        outbound: Outbound,
        clock: Callable[[], datetime],
    ) -> None:
        self._issuer, self._client_id, self._client_secret = issuer, client_id, client_secret
        self._back, self._outbound, self._clock = back, outbound, clock
        self._asking = asyncio.Lock()
        self._said: tuple[datetime, Mapping[str, Any]] | None = None
        self._away: tuple[datetime, str] | None = None

    async def address(self, attempt: Attempt) -> str:
        """Where the browser goes. Raises `ProviderAway` if the provider does not say."""
        challenge = urlsafe_b64encode(hashlib.sha256(attempt.verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._back,
            "scope": "openid email",
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        where = (await self._metadata())["authorization_endpoint"]
        return f"{where}{'&' if '?' in where else '?'}{urlencode(query)}"

    async def finish(self, attempt: Attempt, query: Mapping[str, str]) -> Known:
        """Who came back, by the query they came with.

        Raises `Forbidden` unless the provider vouches for them, `ProviderAway` if it cannot be asked.
        """
        if not attempt.is_of(query):
            raise Forbidden(NOT_BEGUN)
        if query.get("iss", self._issuer) != self._issuer:  # RFC 9207
            raise Forbidden("The answer came from an unknown provider. Start again.")
        if "code" not in query:
            raise Forbidden(f"The provider refused the sign-in: {query.get('error', 'it gave no code')[:200]}.")
        granted = await self._redeem(query["code"], attempt.verifier)
        claims = await self._claims(str(granted.get("id_token", "")), attempt.nonce)
        about: Mapping[str, Any] = claims
        if "email" not in claims and granted.get("access_token"):
            about = await self._userinfo(str(granted["access_token"]), claims["sub"])
        return Known(digest(f"{self._issuer}\n{claims['sub']}"), _verified(about))

    async def _redeem(self, code: str, verifier: str) -> Mapping[str, Any]:
        metadata = await self._metadata()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._back, "code_verifier": verifier}
        headers = {**_JSON, "Content-Type": "application/x-www-form-urlencoded"}
        methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if self._client_secret and "client_secret_basic" in methods:
            pair = f"{quote(self._client_id, safe='')}:{quote(self._client_secret, safe='')}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": self._client_id}
            form |= {"client_secret": self._client_secret} if self._client_secret else {}
        try:
            reply = await self._outbound.post(
                metadata["token_endpoint"], content=urlencode(form).encode(), headers=headers, most=MOST_BYTES
            )
        except OutboundError as error:
            raise _away(error.reason) from None
        if 400 <= reply.status < 500:
            raise Forbidden("This sign-in has expired at the provider. Start again.")
        return _object(reply.status, reply.body)

    async def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        """What an ID token says, once it is known to be the provider's, for us and of this sign-in."""
        keys = (await self._get((await self._metadata())["jwks_uri"])).get("keys")
        jwt, jwk, errors = (import_module(f"joserfc.{name}") for name in ("jwt", "jwk", "errors"))
        usable = []
        for one in keys if isinstance(keys, list) else ():
            with suppress(errors.JoseError, ValueError, TypeError, KeyError, AttributeError):  # others may be better
                if one.get("kty") in ("RSA", "EC", "OKP") and one.get("use", "sig") == "sig":
                    usable.append(jwk.import_key(one))
        if not usable:
            raise _away("it has no key that signatures can be checked with")
        try:
            read = jwt.decode(token, jwk.KeySet(usable), algorithms=ALGORITHMS)
            claims: dict[str, Any] = dict(read.claims)
            several = isinstance(claims.get("aud"), list) and len(claims["aud"]) > 1
            jwt.JWTClaimsRegistry(
                now=int(self._clock().timestamp()),
                leeway=LEEWAY_SECONDS,
                iss={"essential": True, "value": self._issuer},
                aud={"essential": True, "value": self._client_id},
                sub={"essential": True},
                exp={"essential": True},
                nonce={"essential": True, "value": nonce},
                azp={"essential": several, "value": self._client_id},
            ).validate(claims)
        except (errors.JoseError, ValueError, TypeError, KeyError) as error:
            raise Forbidden(f"The provider's answer could not be verified: {type(error).__name__}.") from None
        return claims

    async def _userinfo(self, access: str, subject: str) -> Mapping[str, Any]:
        endpoint = (await self._metadata()).get("userinfo_endpoint")
        about = await self._get(endpoint, {"Authorization": f"Bearer {access}"}) if endpoint else {}
        return about if about.get("sub") == subject else {}

    async def _metadata(self) -> Mapping[str, Any]:
        """What the provider says of itself (OpenID Connect Discovery 1.0, 4)."""
        async with self._asking:
            if self._said and self._said[0] > self._clock() - KNOWN_FOR:
                return self._said[1]
            if self._away and self._away[0] > self._clock() - LEFT_ALONE_FOR:
                raise ProviderAway(self._away[1])
            try:
                said = await self._discover()
            except ProviderAway as error:
                self._away = self._clock(), error.detail
                raise
            self._said = self._clock(), said
            return said

    async def _discover(self) -> Mapping[str, Any]:
        said = await self._get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if said.get("issuer") != self._issuer or not all(isinstance(said.get(one), str) for one in needed):
            raise _away(f"it is not, or not only, {self._issuer}; TEVREDEN_OIDC_ISSUER must be as it writes itself")
        return said

    async def _get(self, url: str, headers: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        try:
            reply = await self._outbound.get(url, headers={**_JSON, **(headers or {})})
        except OutboundError as error:
            raise _away(error.reason) from None
        return _object(reply.status, reply.body)


def _object(status: int, body: str) -> Mapping[str, Any]:
    try:
        found = json.loads(body) if status == 200 else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _away(f"it answered {status} with nothing that can be read")
    return found


def _away(why: str) -> ProviderAway:
    return ProviderAway(f"The single sign-on provider cannot be reached: {why}.")


def _verified(claims: Mapping[str, Any]) -> str | None:
    verified = claims.get("email_verified")
    if verified is not True and verified != "true":  # a one would be equal to True
        return None
    try:
        return email_address(str(claims.get("email", "")))
    except Invalid:
        return None


async def account_of(connection: AsyncConnection, known: Known, *, now: datetime) -> Any:
    """The id of whoever this is to us: known from before, or by the verified address of an account or an invitation.

    Raises `Forbidden` for anybody else.
    """
    query = select(users.c.id).where(users.c.subject == known.subject)
    if found := (await connection.execute(query)).scalar_one_or_none():
        return found
    if known.email is None:
        raise Forbidden("The provider has no verified e-mail address for you.")
    named = select(users.c.id, users.c.subject).where(users.c.email == known.email).with_for_update()
    row = (await connection.execute(named)).one_or_none()
    if row is not None and row.subject == known.subject:  # it became known in this moment
        return row.id
    if row is not None and row.subject is not None:
        raise Forbidden(
            f"{known.email} belongs to somebody else at the provider. Ask an owner for a link for a new password: once"
            " it is used, whoever has the address at the provider is known by it anew."
        )
    user_id = row.id if row else await accept_for(connection, known.email, NO_PASSWORD, now=now)
    if user_id is None:
        raise Forbidden(f"There is no user {known.email}. Ask an owner to invite you.")
    try:
        await connection.execute(update(users).where(users.c.id == user_id).values(subject=known.subject))
    except IntegrityError:
        raise Conflict("You signed in with another address in the meantime. Start again.") from None
    await record(connection, known.email, "sign.on.joined", now=now)
    return user_id
