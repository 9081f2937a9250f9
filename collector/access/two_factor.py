"""The second step at sign-in: a code of the moment from an authenticator app (TOTP, RFC 6238), or a recovery code.

The database holds what a secret is derived with and never the secret, and of recovery codes only what the
installation's secret makes of them, so that a dump of it opens nothing.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from importlib import import_module
from uuid import UUID

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.accounts import Session, User, end_sessions_of, require_unchanged
from collector.access.audit import record
from collector.access.known_browsers import forget_browsers
from collector.access.signing import Signing
from collector.db.schema import recovery_codes, users
from collector.errors import Conflict, NotFound

STEP_SECONDS = 30
RECOVERY_CODES = 10
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


def new_salt() -> str:
    """What a new secret is derived with."""
    return secrets.token_urlsafe(32)


def enrolment(secret: str, email: str, issuer: str) -> tuple[str, str]:
    """What an authenticator app reads: the ``otpauth:`` address, and a QR code of it as a ``data:`` address."""
    address: str = import_module("pyotp").TOTP(secret).provisioning_uri(name=email, issuer_name=issuer)
    picture: str = import_module("segno").make(address, error="m").svg_data_uri(scale=5, border=3, light="#fff")
    return address, picture


def step_of(secret: str, code: str, *, now: datetime) -> int | None:
    """The step that a code is of: this one, the one before or the one after, for clocks that differ; else None."""
    code = re.sub(r"\s", "", code)
    current = int(now.timestamp()) // STEP_SECONDS
    app = import_module("pyotp").TOTP(secret)
    found = [
        step
        for step in (current, current - 1, current + 1)
        if hmac.compare_digest(app.at(step * STEP_SECONDS).encode(), code.encode())
    ]
    return found[0] if found else None


async def turn_on(
    connection: AsyncConnection, signing: Signing, session: Session, hashed: str, salt: str, step: int, *, now: datetime
) -> Sequence[str]:
    """From now on the user's sign-in takes a code; they are signed out and known nowhere else.

    Returns the recovery codes. Raises `Conflict` if it is on already, or if they were signed out since their password
    was found to fit this hash.
    """
    user = session.user
    await require_unchanged(connection, session, hashed)
    off = users.c.id == user.id, users.c.otp_salt.is_(None)
    done = await connection.execute(update(users).where(*off).values(otp_salt=salt, otp_step=step))
    if not done.rowcount:
        raise Conflict("Two-factor authentication is already on.")
    codes = [_code() for _ in range(RECOVERY_CODES)]
    await connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user.id))
    rows = [{"user_id": user.id, "hash": signing.recovery_digest(user.id, code)} for code in codes]
    await connection.execute(insert(recovery_codes), rows)
    await end_sessions_of(connection, user.id, but=session)
    await forget_browsers(connection, user.id)  # whoever came in by the password alone may have some
    await record(connection, user.email, "step.on", now=now)
    return [f"{code[:5]}-{code[5:]}" for code in codes]


def _code() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(10))


async def turn_off(connection: AsyncConnection, by: str, user_id: UUID, *, now: datetime) -> None:
    """Their sign-in takes a password alone. Raises `NotFound` for nobody, or where it is off already."""
    on = users.c.id == user_id, users.c.otp_salt.is_not(None)
    email = (await connection.execute(select(users.c.email).where(*on))).scalar_one_or_none()
    if email is None:
        raise NotFound("Two-factor authentication is off.")
    await connection.execute(update(users).where(*on).values(otp_salt=None, otp_step=None))
    await connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    await record(connection, by, "step.off", email, now=now)


async def use_code(connection: AsyncConnection, signing: Signing, user: User, code: str, *, now: datetime) -> bool:
    """Whether the code is one of the moment, or of recovery, which none has used before; then it is used up."""
    query = select(users.c.otp_salt).where(users.c.id == user.id)
    salt = (await connection.execute(query)).scalar_one_or_none()
    if salt is None:
        return False
    step = step_of(signing.otp_secret(user.id, salt), code, now=now)
    if step is not None:
        unused = users.c.id == user.id, or_(users.c.otp_step.is_(None), users.c.otp_step < step)
        return bool((await connection.execute(update(users).where(*unused).values(otp_step=step))).rowcount)
    typed = re.sub(r"[\s-]", "", code).lower()[:64]
    mine = recovery_codes.c.user_id == user.id, recovery_codes.c.hash == signing.recovery_digest(user.id, typed)
    used = bool((await connection.execute(delete(recovery_codes).where(*mine))).rowcount)
    if used:
        await record(connection, user.email, "step.recovered", now=now)
    return used


async def codes_left(connection: AsyncConnection, user: User) -> int:
    """How many recovery codes were not used yet."""
    query = select(func.count()).select_from(recovery_codes).where(recovery_codes.c.user_id == user.id)
    return (await connection.execute(query)).scalar_one()
