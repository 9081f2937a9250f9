"""The store: engines, the one writer, read connections, transactions, migrations.

SQLite is used so that what was acknowledged stays: WAL with ``synchronous=FULL``, one connection that writes *and*
checkpoints, all others ``query_only``. Releases of SQLite from 3.7.0 to 3.51.2 can corrupt a WAL database when one
connection checkpoints while another writes, so a file lock keeps a second process's transaction out until the
checkpoint that may follow a commit is over, and a second collector on the same file is refused.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

from collector.errors import SettingsError, Unavailable

READERS = 4
BUSY_MS = 10_000
MIGRATIONS = Path(__file__).parent / "migrations"


class FileLock:
    """An advisory lock on a file of its own, released by the system when the process dies."""

    def __init__(self, file: Path) -> None:
        self._handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)

    def try_hold(self) -> bool:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    async def hold(self) -> None:
        if not self.try_hold():
            await asyncio.to_thread(fcntl.flock, self._handle, fcntl.LOCK_EX)

    def release(self) -> None:
        fcntl.flock(self._handle, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._handle)


class Database:
    """Open it with `open`; `read` and `write` hand out connections inside a transaction."""

    def __init__(self, file: Path) -> None:
        self._turn = asyncio.Lock()
        self._write_lock = FileLock(file.with_name(file.name + ".lock"))
        self._serving_lock: FileLock | None = None
        self._writer = _engine(file, writes=True)
        self._readers = _engine(file, writes=False)

    @classmethod
    async def open(cls, file: Path, *, serving: bool = False) -> Self:
        """Open the store and bring its tables up to date.

        ``serving`` claims the file for one collector. Raises `SettingsError` if another one has it, or if the file
        cannot be used.
        """
        try:
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))  # answers are not for other users of the machine
            database = cls(file)
        except OSError as error:
            raise SettingsError(f"cannot use {file} as the database: {error.strerror}") from None
        if serving:
            database._serving_lock = FileLock(file.with_name(file.name + ".serving"))
            if not database._serving_lock.try_hold():
                await database.close()
                raise SettingsError(f"another collector is already serving {file}; stop it first, or use another file")
        try:
            async with database.write() as connection:
                await connection.run_sync(_migrate)
        except (DatabaseError, Unavailable) as error:
            await database.close()
            raise SettingsError(f"cannot use {file} as the database: {_cause(error)}") from None
        return database

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A consistent view of what was committed; writing through it is refused."""
        async with self._readers.connect() as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """The one writing transaction: on disk when the block ends, undone when it raises.

        Raises `Unavailable` when the store refuses (a full disk, a lost file).
        """
        async with self._turn:
            await self._write_lock.hold()
            try:
                async with self._writer.connect() as connection, connection.begin():
                    yield connection
            except OperationalError as error:
                raise Unavailable(headers={"Retry-After": "5"}) from error
            finally:
                self._write_lock.release()

    async def probe(self) -> None:
        """Commit something that needs a page on disk and changes nothing. Raises `Unavailable` when that fails."""
        async with self.write() as connection:
            version = (await connection.exec_driver_sql("PRAGMA user_version")).scalar_one()
            await connection.exec_driver_sql(f"PRAGMA user_version={int(version)}")

    async def close(self) -> None:
        await self._readers.dispose()
        await self._write_lock.hold()  # the last connection checkpoints as it closes
        await self._writer.dispose()
        self._write_lock.close()
        if self._serving_lock:
            self._serving_lock.close()


def _engine(file: Path, *, writes: bool) -> AsyncEngine:
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{file}",
        poolclass=AsyncAdaptedQueuePool,
        pool_size=1 if writes else READERS,
        max_overflow=0,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(dbapi: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connection: Any = dbapi
        connection.isolation_level = None  # transactions are begun below, never by the driver
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        if writes:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA foreign_keys=ON")
        else:
            cursor.execute("PRAGMA query_only=ON")
            cursor.execute("PRAGMA wal_autocheckpoint=0")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _cause(error: Exception) -> str:
    inner = error.__cause__ or error
    return str(getattr(inner, "orig", inner)).splitlines()[0]
