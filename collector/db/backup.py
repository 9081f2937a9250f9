"""Backup and restore. A backup is one SQLite file with every table, whichever database it was taken from.

So a backup of one database can be restored into the other: that is the way from a file to a server, and back.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import Table, delete, func, insert, select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.db.kinds import INSTALLATION
from collector.db.schema import (
    devices,
    guesses,
    images,
    installation,
    jobs,
    links,
    metadata,
    recovery_codes,
    sessions,
    tokens,
)
from collector.db.sqlite import FileLock, SQLite
from collector.db.store import HEAD, TOO_OLD, Database, cause_of, is_too_old, later_revision
from collector.errors import BackupError, SettingsError, Unavailable

PART, FEW = 1000, 10
"""Rows copied at a time, and images."""
PASSING = (sessions, links, devices, guesses, recovery_codes)
"""What is in no backup and comes back with none: whoever was signed out or removed, and whatever link or recovery code
was used or withdrawn since, stays so."""
MADE_BY_A_START = (*PASSING, installation)

_GO_ON = text(
    "SELECT setval(pg_get_serial_sequence('sites', 'id'), greatest(max(id), 1)) FROM sites HAVING count(*) > 0"
)

Progress = Callable[[str, int], None]
"""Told the table and how many of its rows are done."""


async def back_up(database: Database, target: Path, progress: Progress) -> None:
    """Copy everything that was committed as this began, while others go on writing.

    Raises `BackupError` if the target exists or cannot be written; then nothing is left of it.
    """
    if not target.name:
        raise BackupError(f"{target} is a folder; name a file in it")
    claim = _beside(target, ".claim")
    try:
        lock = FileLock(claim)
    except OSError as error:
        raise BackupError(f"cannot write {target}: {error.strerror}") from None
    try:
        if not lock.try_hold():
            raise BackupError(f"another backup to {target} is being made; name another file")
        try:
            await _back_up(database, target, _beside(target, ".unfinished"), progress)
        except (OSError, sqlite3.Error, DatabaseError, Unavailable) as error:
            raise BackupError(f"cannot copy {database.name} to {target}: {_reason(error)}") from None
        finally:
            with suppress(OSError):
                claim.unlink()
    finally:
        lock.close()


async def _back_up(database: Database, target: Path, unfinished: Path, progress: Progress) -> None:
    if target.exists():
        raise BackupError(f"{target} already exists; choose another file")
    _remove(unfinished)  # of one that was killed
    try:
        _make_private(unfinished)
        copy = await _opened(unfinished)
        try:
            async with database.read() as source, copy.write() as sink:
                # what this release does not know of would be missing from the copy
                _refuse_later(f"the tables in {database.name}", await source.run_sync(later_revision))
                await _copy(source, sink, progress)
        finally:
            await copy.close()
        _one_file(unfinished)
        unfinished.rename(target)
    finally:
        with suppress(OSError):
            _remove(unfinished)


async def _opened(file: Path) -> SQLite:
    try:
        return await SQLite.open(file)
    except SettingsError as error:
        raise OSError(0, str(error).rpartition(": ")[2]) from None


def token_names(backup: Path) -> list[str]:
    """What the API tokens in a backup are called. Raises `BackupError` if the file is no sound backup."""
    _check(backup)
    with closing(_read_only(backup)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM tokens ORDER BY name")]


async def restore(
    backup: Path,
    database: Database,
    progress: Progress,
    *,
    overwrite: bool = False,
    keep_tokens: bool = False,
    finish: Callable[[AsyncConnection], Awaitable[None]] | None = None,
) -> None:
    """Put what a backup holds into a store, in one transaction; its API tokens only if they are to be kept. ``finish``
    is called at the end of that transaction.

    Raises `BackupError` if the file is no sound backup, and, unless told to ``overwrite``, if the store holds anything.
    """
    _check(backup)
    copy = backup.with_name(f"{backup.name}.restoring-{secrets.token_hex(4)}")
    try:
        _working_copy(backup, copy)
        source_store = await SQLite.open(copy)
        try:
            async with source_store.read() as source, database.write() as sink:
                if not overwrite and await _holds_anything(sink):
                    raise BackupError(
                        f"{database.name} holds data already; --overwrite replaces all of it with the backup"
                    )
                for table in reversed(metadata.sorted_tables) if overwrite else MADE_BY_A_START:
                    await sink.execute(table.delete())
                await sink.execute(delete(jobs).where(jobs.c.site_id == INSTALLATION))  # which a start puts anew
                await _copy(source, sink, progress, but=() if keep_tokens else (tokens,))
                if finish:
                    await finish(sink)
        finally:
            await source_store.close()
    except (OSError, sqlite3.Error, DatabaseError, Unavailable) as error:
        raise BackupError(f"cannot copy {backup} to {database.name}: {_reason(error)}") from None
    finally:
        with suppress(OSError):
            _remove(copy)


def _refuse_later(what: str, revision: str | None) -> None:
    if revision:
        raise BackupError(f"{what} are from a later release (revision {revision}); use that release")


async def _copy(
    source: AsyncConnection, sink: AsyncConnection, progress: Progress, *, but: Sequence[Table] = ()
) -> None:
    for table in metadata.sorted_tables:
        if table in (*PASSING, *but):
            continue
        done = 0
        async with source.stream(select(table)) as rows:
            async for part in rows.mappings().partitions(FEW if table is images else PART):
                await sink.execute(insert(table), [dict(row) for row in part])
                done += len(part)
                progress(table.name, done)
    if sink.dialect.name == "postgresql":  # SQLite goes on from the highest number by itself
        await sink.execute(_GO_ON)


async def _holds_anything(connection: AsyncConnection) -> bool:
    for table in metadata.sorted_tables:
        if table in MADE_BY_A_START:
            continue
        rows = select(table).where(jobs.c.site_id != INSTALLATION) if table is jobs else select(table)
        if (await connection.execute(select(func.count()).select_from(rows.limit(1).subquery()))).scalar():
            return True
    return False


def _beside(file: Path, end: str) -> Path:
    return file.with_name(file.name + end)


def _remove(file: Path) -> None:
    """A copy, and what its opening leaves beside it."""
    for end in ("", "-journal", "-wal", "-shm", ".lock"):
        _beside(file, end).unlink(missing_ok=True)


def _make_private(file: Path) -> None:
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or cause_of(error)


def _one_file(file: Path) -> None:
    """Everything into the file itself, so that it can be copied around alone."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()


def _working_copy(backup: Path, copy: Path) -> None:
    """The backup itself stays as it is: an older one is brought up to date in a copy."""
    _make_private(copy)
    with closing(_read_only(backup)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def _read_only(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)


def _check(backup: Path) -> None:
    try:
        backup.open("rb").close()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise BackupError(f"there is no file {backup}") from None
    except OSError as error:
        raise BackupError(f"cannot read {backup}: {error.strerror}") from None
    try:
        with closing(_read_only(backup)) as connection:
            sound = connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
            for table in ("sites", "surveys", "responses"):
                connection.execute(f"SELECT 1 FROM {table} LIMIT 1")  # noqa: S608
            revisions = [revision for (revision,) in connection.execute("SELECT version_num FROM alembic_version")]
    except sqlite3.Error:
        sound, revisions = False, []
    if not sound or not revisions:
        raise BackupError(f"{backup} is not a valid Tevreden backup")
    if any(map(is_too_old, revisions)):
        raise BackupError(f"{backup} {TOO_OLD}")
    _refuse_later(f"the tables in {backup}", next((one for one in revisions if one > HEAD), None))
