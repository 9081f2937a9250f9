"""Backup and restore. A backup is one SQLite file with every table, whichever database it was taken from.

So a backup of one database can be restored into the other: that is the way from a file to a server, and back.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import create_engine, func, insert, inspect, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.db.sqlite import SQLite
from collector.db.store import Database, later_revision
from collector.errors import BackupError
from collector.schema import metadata

PART = 1000
"""Rows copied at a time."""

Progress = Callable[[str, int], None]
"""Told the table and how many of its rows are done."""


async def back_up(database: Database, target: Path, progress: Progress) -> None:
    """Copy everything that was committed as this began, while others go on writing.

    Raises `BackupError` if the target exists or cannot be written; then nothing is left of it.
    """
    if target.exists():
        raise BackupError(f"{target} exists already; name another file")
    unfinished = target.with_name(target.name + ".unfinished")
    unfinished.unlink(missing_ok=True)
    try:
        os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        copy = await SQLite.open(unfinished)
        try:
            async with database.read() as source, copy.write() as sink:
                await _refuse_later(source, f"the tables in {database.name}")
                await _copy(source, sink, progress)
        finally:
            await copy.close()
        _one_file(unfinished)
        unfinished.rename(target)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"cannot write {target}: {getattr(error, 'strerror', None) or error}") from None
    finally:
        for left in (unfinished, *(unfinished.with_name(unfinished.name + end) for end in ("-wal", "-shm", ".lock"))):
            left.unlink(missing_ok=True)


async def restore(backup: Path, database: Database, progress: Progress, *, overwrite: bool = False) -> None:
    """Put what a backup holds into a store, in one transaction.

    Raises `BackupError` if the file is no sound backup, and, unless told to ``overwrite``, if the store holds anything.
    """
    _check(backup)
    source_store = await SQLite.open(_working_copy(backup))
    try:
        async with source_store.read() as source, database.write() as sink:
            await _refuse_later(source, f"the tables in {backup}")
            if await _holds_anything(sink):
                if not overwrite:
                    raise BackupError(
                        f"{database.name} holds data already; --overwrite replaces all of it with the backup"
                    )
                for table in reversed(metadata.sorted_tables):
                    await sink.execute(table.delete())
            await _copy(source, sink, progress)
    finally:
        await source_store.close()
        for left in backup.parent.glob(backup.name + ".restoring*"):
            left.unlink()


async def _refuse_later(connection: AsyncConnection, what: str) -> None:
    """What this release does not know of would be missing from the copy."""
    if revision := await connection.run_sync(later_revision):
        raise BackupError(f"{what} are of a later release (revision {revision}); use that release")


async def _copy(source: AsyncConnection, sink: AsyncConnection, progress: Progress) -> None:
    for table in metadata.sorted_tables:
        done = 0
        async with source.stream(select(table)) as rows:
            async for part in rows.mappings().partitions(PART):
                await sink.execute(insert(table), [dict(row) for row in part])
                done += len(part)
                progress(table.name, done)


async def _holds_anything(connection: AsyncConnection) -> bool:
    for table in metadata.sorted_tables:
        if (await connection.execute(select(func.count()).select_from(select(table).limit(1).subquery()))).scalar():
            return True
    return False


def _one_file(file: Path) -> None:
    """Everything into the file itself, so that it can be copied around alone."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()


def _working_copy(backup: Path) -> Path:
    """The backup itself stays as it is: an older one is brought up to date in a copy."""
    copy = backup.with_name(backup.name + ".restoring")
    source = sqlite3.connect(f"{backup.absolute().as_uri()}?mode=ro", uri=True)
    target = sqlite3.connect(copy)
    source.backup(target)
    target.close()
    source.close()
    copy.chmod(0o600)
    return copy


def _check(backup: Path) -> None:
    if not backup.is_file():
        raise BackupError(f"there is no file {backup}")
    try:
        connection = sqlite3.connect(f"{backup.absolute().as_uri()}?mode=ro", uri=True)
        sound = connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
        connection.close()
        engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(backup))
        known = {"sites", "surveys", "responses"} <= set(inspect(engine).get_table_names())
        engine.dispose()
    except sqlite3.Error:
        sound = known = False
    if not sound or not known:
        raise BackupError(f"{backup} is no sound backup of Tevreden")
