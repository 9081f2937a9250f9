"""Whether the secret of the settings is the one that a store was made with, and going on with another.

What stands in the store is derived with a secret that is kept elsewhere: the secrets of sites and webhooks, the second
step of people's sign-in, what visitors are known by. Under another secret all of it is silently wrong, so the store
holds a value that only the right one gives, and that tells nobody the secret.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from pathlib import Path

from sqlalchemy import Table, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.audit import COMMAND_LINE, record
from collector.access.signing import Signing
from collector.db.schema import (
    devices,
    guesses,
    impressions,
    installation,
    links,
    recovery_codes,
    responses,
    sessions,
    sites,
    users,
    webhooks,
)
from collector.db.store import Database
from collector.errors import SettingsError, Unavailable
from collector.settings import PREFIX, Settings

_NAME = "secret"
GO_ON = "tevreden new-secret goes on with a new one, and says what is lost by it"


async def with_right_secret(database: Database, settings: Settings) -> Settings:
    """The settings with the secret that the store was made with; one is made for a store that none was needed for yet.

    Raises `SettingsError` where it is not here, or another is.
    """
    async with database.read() as connection:
        check = await _check_of(connection)
        matters = await _rests_on_it(connection, was_served=check is not None)
    if matters and (wrong := what_is_wrong(check, settings, database.name)):
        raise SettingsError(wrong)
    settings = settings.with_secret()
    own = Signing(settings.secret).check_value()
    if check != own:
        with suppress(Unavailable, IntegrityError):  # another process wrote it; or it is written at the next start
            async with database.write() as connection:
                await _write_check(connection, own)
    return settings


async def check_restored(database: Database, settings: Settings) -> str | None:
    """What is to be done before a store that was restored can be served."""
    async with database.read() as connection:
        check = await _check_of(connection)
        matters = await _rests_on_it(connection, was_served=check is not None)
    wrong = what_is_wrong(check, settings, "the backup") if matters else None
    if matters and check is None and not wrong:
        return "an earlier release made the backup, and it does not say with which secret: use the one of then"
    return wrong


def what_is_wrong(check: str | None, settings: Settings, what: str) -> str | None:
    """What there is to say of the secret of these settings, for a store whose check value this is."""
    file = _secret_file(settings)
    bring = f"bring {file} along from where it was" if file else "set it to the one that was used"
    if not settings.secret and not (file and file.exists()):
        or_set = f", or set {PREFIX}SECRET to what it holds" if file else ""
        return f"{what} was made with a secret that is not here: {bring}{or_set}; {GO_ON}" if file else None
    named = f"{PREFIX}SECRET" if settings.secret else f"the secret in {file}"
    if check is not None and not compare_digest(check, Signing(settings.with_secret().secret).check_value()):
        return f"{named} is not the secret that {what} was made with: {bring}; {GO_ON}"
    return None


def _secret_file(settings: Settings) -> Path | None:
    file = settings.database_file
    return file.with_name(file.name + ".secret") if file and not settings.secret else None


async def _check_of(connection: AsyncConnection) -> str | None:
    query = select(installation.c.value).where(installation.c.name == _NAME)
    found: str | None = (await connection.execute(query)).scalar_one_or_none()
    return found


async def _write_check(connection: AsyncConnection, value: str) -> None:
    await connection.execute(delete(installation).where(installation.c.name == _NAME))
    await connection.execute(insert(installation).values(name=_NAME, value=value))


async def _rests_on_it(connection: AsyncConnection, *, was_served: bool) -> bool:
    """Whether anything was derived with a secret. The secret of a site counts once somebody could have read it."""
    needed = [webhooks.c.id, recovery_codes.c.hash, impressions.c.id, responses.c.id]
    queries = [select(column).limit(1) for column in needed + [sites.c.id] * was_served]
    queries.append(select(users.c.id).where(users.c.otp_salt.is_not(None)).limit(1))
    for query in queries:
        if (await connection.execute(query)).first() is not None:
            return True
    return False


@dataclass(frozen=True)
class Lost:
    """What a new secret ends: how many of each."""

    second_steps: int
    webhooks: int
    sites: int

    def __str__(self) -> str:
        return (
            f"A new secret turns off two-factor authentication for {self.second_steps} users, signs everyone out, "
            f"{self.webhooks} webhooks and the identify() of {self.sites} sites need the new secret from /api/v1, "
            "test links stop working, and every visitor counts as new. Answers and results stay."
        )


async def is_right(connection: AsyncConnection, signing: Signing) -> bool:
    return await _check_of(connection) == signing.check_value()


async def what_is_lost(connection: AsyncConnection) -> Lost:
    async def count(table: Table) -> int:
        return (await connection.execute(select(func.count()).select_from(table))).scalar_one()

    with_step = select(func.count()).select_from(users).where(users.c.otp_salt.is_not(None))
    return Lost((await connection.execute(with_step)).scalar_one(), await count(webhooks), await count(sites))


async def go_on_with(connection: AsyncConnection, signing: Signing, *, now: datetime) -> None:
    """From now on this is the secret; what was derived with the one before is taken back."""
    await connection.execute(update(users).values(otp_salt=None, otp_step=None))
    for table in (recovery_codes, sessions, devices, links, guesses):
        await connection.execute(delete(table))
    await _write_check(connection, signing.check_value())
    await record(connection, COMMAND_LINE, "secret.renewed", now=now)
