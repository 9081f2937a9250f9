"""Random keys and secrets, and what is stored of them."""

from __future__ import annotations

import hashlib
import secrets

API_TOKEN_PREFIX = "tvr_"  # noqa: S105  it makes a leaked token easy to find


def new_api_token() -> str:
    """A bearer token of 256 random bits; only its `digest` is stored."""
    return API_TOKEN_PREFIX + secrets.token_urlsafe(32)


def new_session() -> str:
    return secrets.token_urlsafe(32)


_KEY_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


def new_site_key() -> str:
    """A public site key: 12 characters with none that look alike."""
    return "".join(secrets.choice(_KEY_LETTERS) for _ in range(12))


def new_survey_key() -> str:
    """A survey's public key, unique within its site: 6 characters, because every visitor's cookie carries it."""
    return "".join(secrets.choice(_KEY_LETTERS) for _ in range(6))


def is_key(text: str) -> bool:
    """Whether this could be the public key of anything."""
    return 0 < len(text) <= 32 and set(text) <= set(_KEY_LETTERS)


def digest(token: str) -> str:
    """What is stored of a random token, in hex."""
    return hashlib.sha256(token.encode()).hexdigest()
