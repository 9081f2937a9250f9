"""SQLite, used so that what was acknowledged stays.

WAL with ``synchronous=FULL``, one connection that writes *and* checkpoints, all others ``query_only``. Releases of
SQLite from 3.7.0 to 3.51.2 can corrupt a WAL database when one connection checkpoints while another writes, so a file
lock keeps a second process's transaction out until the checkpoint that may follow a commit is over, and a second
collector on the same file is refused.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import aiosqlite
import structlog
from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

from collector.db.store import Database, Unstorable, cause_of, migrate, unavailable
from collector.db.verbs import Result, Steps, run_on_sqlite
from collector.errors import SettingsError, Unavailable

READERS = 4
BUSY_MS = 10_000
CACHE_KB = 8 * 1024
"""Of pages, in the writing connection."""
QUICK_BYTES = 64 * 1024 * 1024
"""A file up to this size is checked before it is served after an unclean stop, a larger one while it is."""

log = structlog.get_logger()


class FileLock:
    """An advisory lock on a file of its own, released by the system when the process dies. Raises `OSError`."""

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


class OwnedConnection(aiosqlite.Connection):
    """A connection that also runs whole functions.

    A batch's statements run on the loop's own thread: they take microseconds, while every statement on another thread
    would have the two fight for the interpreter. What waits for the disk, the commit, runs on the connection's thread.
    """

    def __init__(self, file: Path) -> None:
        super().__init__(lambda: _connect(file), iter_chunk_size=64)
        self._thread.daemon = True  # a process that dies does not wait for it

    @property
    def is_open(self) -> bool:
        return self._running and self._connection is not None

    @property
    def raw(self) -> sqlite3.Connection:
        """The connection itself, for whoever has the turn: nothing else may be running on it."""
        return self._conn

    async def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        result: Result = await self._execute(work, self._conn)  # type: ignore[no-untyped-call]
        return result


def _connect(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, isolation_level=None, check_same_thread=False)


def _commit(connection: sqlite3.Connection) -> None:
    connection.execute("COMMIT")


def _of_the_system(file: Path, error: OSError) -> str:
    """What the system says of the database's file, or of one beside it."""
    beside = f"{error.filename}: " if error.filename and str(error.filename) != str(file) else ""
    return f"cannot use {file} as the database: {beside}{error.strerror}"


class SQLite(Database):
    """One file. Open it with `open`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._turn = asyncio.Lock()
        self._write_lock = FileLock(file.with_name(file.name + ".lock"))
        self._serving_lock: FileLock | None = None
        self._owner: OwnedConnection | None = None
        self._damage = ""
        self._checking: asyncio.Task[None] | None = None
        self._writer = self._engine(writes=True)
        self._readers = self._engine(writes=False)

    @property
    def name(self) -> str:
        return str(self._file)

    @classmethod
    async def open(cls, file: Path, *, serving: bool = False) -> Self:
        """Open the store and bring its tables up to date.

        ``serving`` claims the file for one collector, and checks it if the last one was stopped in the middle of
        something. Raises `SettingsError` if another one has it, if it is damaged, or if it cannot be used.
        """
        try:
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))  # answers are not for other users of the machine
            store = cls(file)
        except OSError as error:
            raise SettingsError(_of_the_system(file, error)) from None
        try:
            if serving:
                await store._claim()
            async with store.write() as connection:
                await connection.run_sync(migrate)
        except (DatabaseError, Unavailable) as error:
            await store.close()
            raise SettingsError(f"cannot use {file} as the database: {cause_of(error)}") from None
        except OSError as error:
            await store.close()
            raise SettingsError(_of_the_system(file, error)) from None
        except SettingsError:
            await store.close()
            raise
        return store

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._readers.connect() as connection, connection.begin():
                yield connection
        except (OperationalError, PoolTimeout) as error:
            raise unavailable() from error

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        async with self._taking_turns():
            try:
                async with self._writer.connect() as connection, connection.begin():
                    yield connection
            except OperationalError as error:
                raise unavailable() from error

    async def batch(self, begin: Callable[[], Steps[Result]]) -> Result:
        async with self._taking_turns():
            try:
                owner = await self._own_connection()
                connection = owner.raw
                connection.execute("BEGIN IMMEDIATE")
                try:
                    result = run_on_sqlite(begin(), connection)
                    await owner.run(_commit)
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
                return result
            except (sqlite3.DataError, UnicodeEncodeError, OverflowError) as error:
                raise Unstorable from error
            except sqlite3.DatabaseError as error:
                if type(error) is sqlite3.DatabaseError:  # "database disk image is malformed", "file is not a database"
                    self._damage = str(error)
                    log.error("the store is damaged: restore a backup", database=self.name, damage=self._damage)
                elif not isinstance(error, sqlite3.OperationalError):
                    raise
                log.warning("cannot store", reason=str(error))
                raise unavailable() from error
            except OperationalError as error:
                log.warning("cannot store", reason=str(error))
                raise unavailable() from error

    async def now(self, connection: AsyncConnection, clock: Callable[[], datetime]) -> datetime:  # noqa: ARG002
        return clock()

    @asynccontextmanager
    async def repairing(self) -> AsyncIterator[None]:
        lock = FileLock(self._file.with_name(self._file.name + ".repair"))
        await lock.hold()
        try:
            yield
        finally:
            lock.close()

    async def close(self) -> None:
        if self._checking:
            self._checking.cancel()
            await asyncio.wait([self._checking])
        await self._readers.dispose()
        await self._write_lock.hold()  # the last connection checkpoints as it closes
        await self._writer.dispose()
        self._write_lock.close()
        if self._serving_lock:
            self._serving_lock.close()

    @asynccontextmanager
    async def _taking_turns(self) -> AsyncIterator[None]:
        if self._damage:
            raise Unavailable(f"The database is damaged ({self._damage}): restore a backup.")
        async with self._turn:
            await self._write_lock.hold()
            try:
                yield
            finally:
                self._write_lock.release()

    async def _own_connection(self) -> OwnedConnection:
        """The writing connection itself, for whoever has the turn."""
        if self._owner is None or not self._owner.is_open:
            async with self._writer.connect():
                pass
        assert self._owner
        return self._owner

    async def _claim(self) -> None:
        self._serving_lock = FileLock(self._file.with_name(self._file.name + ".serving"))
        if not self._serving_lock.try_hold():
            raise SettingsError(
                f"another collector is already serving {self._file}; stop it first, or use another file"
            )
        wal = self._file.with_name(self._file.name + "-wal")
        if not wal.exists() or not wal.stat().st_size:  # a clean stop leaves none
            return
        log.info("the last stop was not a clean one: checking the store", database=self.name)
        if self._file.stat().st_size <= QUICK_BYTES:
            await self._check()
            if self._damage:
                raise SettingsError(f"{self._file} is damaged ({self._damage}): restore a backup with tevreden restore")
        else:
            self._checking = asyncio.create_task(self._check())

    async def _check(self) -> None:
        async with self.read() as connection:
            found = (await connection.exec_driver_sql("PRAGMA quick_check(1)")).scalar_one()
        if found != "ok":
            self._damage = str(found).splitlines()[-1]
            log.error("the store is damaged: restore a backup", database=self.name, damage=self._damage)
        else:
            log.info("the store is intact", database=self.name)

    def _engine(self, *, writes: bool) -> AsyncEngine:
        async def connect() -> OwnedConnection:
            connection = OwnedConnection(self._file)
            if writes:
                self._owner = connection
            await connection
            return connection

        engine = create_async_engine(
            "sqlite+aiosqlite://",
            async_creator=connect,
            poolclass=AsyncAdaptedQueuePool,
            pool_size=1 if writes else READERS,
            max_overflow=0,
            hide_parameters=True,  # what people wrote is not for the log
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
                cursor.execute(f"PRAGMA cache_size=-{CACHE_KB}")
            else:
                cursor.execute("PRAGMA query_only=ON")
                cursor.execute("PRAGMA wal_autocheckpoint=0")
            cursor.close()

        @event.listens_for(engine.sync_engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

        return engine
