"""Every token: one salt a purpose, so that none can stand in for another.

The installation's secret never leaves this file. What a site needs to sign with is derived from it, so a dump of the
database holds nothing that can be used.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b32encode, b64encode, urlsafe_b64decode
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Literal
from uuid import UUID

from itsdangerous import BadSignature, Signer

from collector.access.keys import API_TOKEN_PREFIX

Brief = Literal["step-setup", "step-pending", "sign-on"]
"""What a value is signed for that comes back within minutes."""


class Signing:
    """Makes and reads tokens under one secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._signer = lru_cache(maxsize=1024)(self._make_signer)
        self._visitors = lru_cache(maxsize=1024)(self._make_visitor_signer)

    def visitor_token(self, site_key: str, visitor: str) -> str:
        """What a browser keeps to be known again by: 45 characters safe in a cookie, valid on one site alone.

        ``visitor`` is the visitor's id in hex.
        """
        return self._visitors(site_key)(_base64(bytes.fromhex(visitor)))

    def read_visitor(self, site_key: str, token: str) -> UUID | None:
        """The visitor of a token made for this site, or None if it was not."""
        value = token.partition(".")[0].encode() if token.isascii() else b""
        if not (value and hmac.compare_digest(self._visitors(site_key)(value), token)):
            return None
        return UUID(bytes=urlsafe_b64decode(value + b"=="))

    def identify_secret(self, site_key: str, version: int) -> str:
        """What the site owner's server signs e-mail addresses with for ``identify()``."""
        return self._derive(f"identify:{site_key}:{version}")

    def is_identity(self, site_key: str, versions: Sequence[int], email: str, signature: str) -> bool:
        """Whether the site owner's server vouched for this address, with one of the secrets that are good: HMAC-SHA-256
        in lower-case hex."""
        address, given = email.strip().lower().encode(), signature.encode()
        secrets = (self.identify_secret(site_key, version).encode() for version in versions)
        expected = [hmac.new(secret, address, hashlib.sha256).hexdigest().encode() for secret in secrets]
        return any(hmac.compare_digest(one, given) for one in expected)

    def webhook_secret(self, webhook_id: UUID, version: int) -> str:
        """What events sent to a webhook are signed with, as Standard Webhooks writes it."""
        purpose = f"tevreden.webhook:{webhook_id}:{version}"
        digest = hmac.new(self._secret.encode(), purpose.encode(), hashlib.sha256).digest()
        return f"whsec_{b64encode(digest).decode()}"

    def session_cookie(self, session: str) -> str:
        return self._signer("session").sign(session).decode()

    def read_session(self, cookie: str) -> str | None:
        try:
            return self._signer("session").unsign(cookie.encode()).decode()
        except (BadSignature, UnicodeError):
            return None

    def device_cookie(self, device: str) -> str:
        """What a browser keeps in which somebody has signed in."""
        return self._signer("device").sign(device).decode()

    def read_device(self, cookie: str) -> str | None:
        try:
            return self._signer("device").unsign(cookie.encode()).decode()
        except (BadSignature, UnicodeError):
            return None

    def guess_name(self, kind: str, name: str) -> str:
        """What guesses at something are counted under, in hex: the store holds no address that somebody typed."""
        return hmac.new(self._secret.encode(), f"tevreden.guess:{kind}:{name}".encode(), hashlib.sha256).hexdigest()

    def test_token(self, site_key: str, survey_id: UUID, until: datetime) -> str:
        """What shows a draft on the site's own pages until a moment; it opens nothing else."""
        return self._signer("test", site_key).sign(f"{survey_id.hex}-{int(until.timestamp())}").decode()

    def read_test(self, site_key: str, token: str, *, now: datetime) -> UUID | None:
        """The survey of a test token made for this site, or None if it was not, or is too old."""
        try:
            survey, _, until = self._signer("test", site_key).unsign(token.encode()).decode().partition("-")
        except (BadSignature, UnicodeError):
            return None
        return UUID(survey) if int(until) > now.timestamp() else None

    def otp_secret(self, user_id: UUID, salt: str) -> str:
        """What an authenticator app makes a user's codes with: 160 bits in base32."""
        message = f"tevreden.otp:{user_id}:{salt}".encode()
        return b32encode(hmac.new(self._secret.encode(), message, hashlib.sha256).digest()[:20]).decode()

    def recovery_digest(self, user_id: UUID, code: str) -> str:
        """What is stored of a recovery code, in hex: of use to nobody without the installation's secret."""
        message = f"tevreden.recovery:{user_id}:{code}".encode()
        return hmac.new(self._secret.encode(), message, hashlib.sha256).hexdigest()

    def check_value(self) -> str:
        """What tells this secret from another, in hex, and tells nobody what it is."""
        return hmac.new(self._secret.encode(), b"tevreden.check", hashlib.sha256).hexdigest()

    def until(self, purpose: Brief, value: str, moment: datetime) -> str:
        """A value that a browser brings back within a while, good for one purpose."""
        return self._signer(purpose).sign(f"{value}-{int(moment.timestamp())}").decode()

    def read_until(self, purpose: Brief, token: str, *, now: datetime) -> str | None:
        """The value, or None if it was not made here for this purpose, or is too old."""
        try:
            value, _, moment = self._signer(purpose).unsign(token.encode()).decode().rpartition("-")
        except (BadSignature, UnicodeError):
            return None
        return value if int(moment) > now.timestamp() else None

    def demo_password(self) -> str:
        """The demo's sign-in, the same after each start of the same demo."""
        return self._derive("demo-password")[:16]

    def demo_token(self) -> str:
        return API_TOKEN_PREFIX + self._derive("demo-token")[:43]

    def _make_signer(self, purpose: str, site_key: str | None = None) -> Signer:
        signer = Signer(self._secret, salt=f"tevreden.{purpose}.{site_key or ''}", digest_method=hashlib.sha256)
        # the key is derived once here, and not again with every token
        return Signer(signer.derive_key(), key_derivation="none", digest_method=hashlib.sha256)

    def _make_visitor_signer(self, site_key: str) -> Callable[[bytes], str]:
        """Half a signature is enough (RFC 2104, 5): every answer carries it, and every new visitor costs one."""
        keyed = hmac.new(self._signer("visitor", site_key).derive_key(), digestmod="sha256")

        def sign(value: bytes) -> str:
            own = keyed.copy()
            own.update(value)
            return (value + b"." + _base64(own.digest()[:16])).decode()

        return sign

    def _derive(self, purpose: str) -> str:
        digest = hmac.new(self._secret.encode(), f"tevreden.{purpose}".encode(), hashlib.sha256).digest()
        return _base64(digest).decode()


def _base64(value: bytes) -> bytes:
    """URL-safe, without padding."""
    return b2a_base64(value, newline=False).translate(_URL_SAFE, b"=")


_URL_SAFE = bytes.maketrans(b"+/", b"-_")
