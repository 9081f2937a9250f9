"""PostgreSQL: several processes at once, failover by several hosts in the URL, PgBouncer in transaction mode.

What was acknowledged is on disk there: ``synchronous_commit`` is raised to ``on`` where the server says less, and a
commit that the server reports as only local (its wait for a standby was cut short) counts as none.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Self

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from collector.db.address import read_address
from collector.db.changes import Changed
from collector.db.partitions import make_partitions
from collector.db.statements import DURABLE, Raced, run_on_postgres
from collector.db.store import Contended, Database, Unstorable, cause_of, migrate, unavailable
from collector.db.verbs import Result, Steps
from collector.errors import SettingsError, Unavailable

CHANNEL = "tevreden"
KNOCK = "?"
"""Begins what a process says to itself alone; no site's key begins so."""
KNOCK_SECONDS = 20.0
LANES = 16
POOL = 8
BATCHES = 2
"""Written at the same time: while one waits for the disk, the next is prepared."""
STATEMENTS = 100
CONNECT_SECONDS = 5.0
BATCH_SECONDS = 8.0
"""What a server that has gone silent, or waits for a standby that has gone, may take before the answer is refused."""
TRIES = 5
"""Of a batch that another process's transaction came between."""
MIGRATION_LOCK = 0x7E57EDE0
LANE_LOCK = 0x7E57ED00
LANE_SECONDS = 5.0
REPAIR_LOCK = 0x7E57EDE1
# Plans made once for all batches, and from what the tables are, not from how full they were when last counted. A pooler
# lets nobody set this, and plans are made anew there.
BY_INDEX = {"plan_cache_mode": "force_generic_plan"} | dict.fromkeys(
    ("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin"), "off"
)
_LOST = ("08", "25006", "53", "55000", "57", "58", "XX")
"""SQLSTATEs that say nothing about the statement: no connection, a standby, no room, a shutdown, a broken disk."""
_AGAIN = ("40001", "40P01")
"""Serialization failure and deadlock: the same transaction may succeed when run again."""
_NEVER = ("22001", "22021", "22P02", "22P05", "54000")
"""Text that is too long, in no encoding or has no place in this one; a row that is too large."""

_TROUBLE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What a driver raises whose server is gone, or says no."""

_NOTIFY = text("SELECT pg_notify(:channel, :said)")

log = structlog.get_logger()


class _GoneMeanwhile(Exception):
    """A connection was lost while it lay idle, and nobody had noticed."""


class LoudConnection(asyncpg.Connection):  # type: ignore[misc]
    """Remembers that the server warned of a commit that no standby has."""

    __slots__ = ("_only_local",)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._only_local = False
        self.add_log_listener(LoudConnection._hear)

    def _hear(self, message: asyncpg.PostgresLogMessage) -> None:
        # "canceling wait for synchronous replication …: The transaction has already committed locally"
        if message.sqlstate == "01000" and message.severity_en == "WARNING":
            self._only_local = True

    def take_warning(self) -> bool:
        """Whether there was such a warning since this was last asked."""
        heard, self._only_local = self._only_local, False
        return heard


class PostgreSQL(Database):
    """A server or a cluster. Open it with `open`."""

    batches_at_once = BATCHES

    def __init__(self, url: str) -> None:
        self._url, self._address = url, read_address(url)
        self.lane = secrets.randbelow(LANES)
        self._statements, self._by_index = 0, dict[str, str]()
        several = "," in url.partition("?")[0] and "target_session_attrs" not in url
        self._which = {"target_session_attrs": "primary"} if several else {}
        self._engine = self._make_engine()
        self._idle: list[LoudConnection] = []
        self._listening: asyncio.Task[None] | None = None
        self._heard = float("-inf")

    @property
    def name(self) -> str:
        return re.sub(r"(?<=://)([^:@/]*)(:[^@/]*)?@", r"\1@", self._url.partition("?")[0])

    @classmethod
    async def open(cls, url: str) -> Self:
        """Reach the server and bring its tables up to date. Raises `SettingsError` when that cannot be."""
        store = cls(url)
        try:
            await store._look_at_server()
            async with store._write_tables() as connection:
                await connection.run_sync(migrate)
            await store.maintain(datetime.now(UTC))
        except (*_TROUBLE, DBAPIError, Unavailable, ValueError) as error:
            await store.close()
            cause = cause_of(error)
            reason = store._address.refused(cause) or cause
            raise SettingsError(f"cannot use {store.name} as the database: {reason}") from None
        except SettingsError:
            await store.close()
            raise
        return store

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        async with self._session() as connection:
            await connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield connection

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        async with self._session() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert isinstance(driver, LoudConnection)
            driver.take_warning()
            await connection.exec_driver_sql(f"SELECT {DURABLE}")
            yield connection
            await connection.commit()
            if driver.take_warning():
                raise unavailable()

    async def batch(self, begin: Callable[[], Steps[Result]]) -> Result:
        for _ in range(TRIES):
            try:
                return await self._run_batch(begin)
            except Raced:
                continue
            except asyncpg.PostgresError as error:
                if error.sqlstate in _AGAIN:
                    continue
                if error.sqlstate in _NEVER:
                    raise Unstorable from error
                raise
        raise Contended

    async def now(self, connection: AsyncConnection, clock: Callable[[], datetime]) -> datetime:  # noqa: ARG002
        moment: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
        return moment.astimezone(UTC)

    async def _tell_others(self, connection: AsyncConnection, noted: Collection[str]) -> None:
        for site_key in noted:
            await connection.execute(_NOTIFY, {"channel": CHANNEL, "said": site_key})

    def listen(self, changed: Changed) -> None:
        super().listen(changed)
        self._listening = asyncio.create_task(self._listen(changed))

    @property
    def hears(self) -> bool:
        return time.monotonic() - self._heard < 2 * KNOCK_SECONDS

    async def maintain(self, now: datetime) -> None:
        """Make the partitions of the months to come."""
        async with self._write_tables() as connection:
            await make_partitions(connection, now)

    @asynccontextmanager
    async def repairing(self) -> AsyncIterator[None]:
        async with self._session() as connection:
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({REPAIR_LOCK})"))
            yield

    async def close(self) -> None:
        if self._listening:
            self._listening.cancel()
            await asyncio.wait([self._listening])
        while self._idle:
            await _leave(self._idle.pop())
        await self._engine.dispose()

    @asynccontextmanager
    async def _write_tables(self) -> AsyncIterator[AsyncConnection]:
        """For changes to the tables themselves: one process at a time."""
        async with self.write() as connection:
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
            yield connection

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[AsyncConnection]:
        try:
            connection = await self._engine.connect()
        except (*_TROUBLE, DBAPIError, PoolTimeout) as error:
            raise unavailable() from error
        try:
            async with connection.begin():
                yield connection
        except DBAPIError as error:
            if error.connection_invalidated or _is_lost(error.orig):
                with suppress(*_TROUBLE, DBAPIError):
                    await connection.invalidate()
                raise unavailable() from error
            raise
        except asyncpg.InterfaceError as error:
            raise unavailable() from error
        finally:
            await connection.close()

    async def _run_batch(self, begin: Callable[[], Steps[Result]]) -> Result:
        """Once more on a connection of its own, if one that lay idle turns out to be lost.

        Whatever may have been committed on it is found then, as it is when a browser sends the same again.
        """
        if (idle := self._take_idle()) is not None:
            with suppress(_GoneMeanwhile):
                return await self._run_batch_on(idle, begin, was_idle=True)
        return await self._run_batch_on(None, begin)

    def _take_idle(self) -> LoudConnection | None:
        """A connection that was used before, and that the server has not closed since."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    async def _run_batch_on(
        self, connection: LoudConnection | None, begin: Callable[[], Steps[Result]], *, was_idle: bool = False
    ) -> Result:
        try:
            if connection is None:
                connection = await self._connect(**self._by_index)
            connection.take_warning()
            async with asyncio.timeout(BATCH_SECONDS):
                result = await run_on_postgres(begin(), connection)
            if connection.take_warning():
                raise unavailable()
        except TimeoutError as error:  # whether it was committed nobody knows: it comes again
            if connection is not None:
                connection.terminate()
            log.warning("cannot store", reason=f"no answer from PostgreSQL for {BATCH_SECONDS:.0f} seconds")
            raise unavailable() from error
        except Raced:
            assert connection is not None
            self._idle.append(connection)
            raise
        except BaseException as error:
            if connection is not None:
                await self._give_up(connection, error)
                if was_idle and connection.is_closed() and isinstance(error, _TROUBLE):
                    raise _GoneMeanwhile from error
            if isinstance(error, _TROUBLE) and (not isinstance(error, asyncpg.PostgresError) or _is_lost(error)):
                log.warning("cannot store", reason=cause_of(error))
                raise unavailable() from error
            raise
        self._idle.append(connection)
        return result

    async def _give_up(self, connection: LoudConnection, error: BaseException) -> None:
        """Keep a connection if it still works and its server takes anything: the next may lead to another."""
        if not _is_lost(error):
            with suppress(*_TROUBLE):
                await connection.execute("ROLLBACK", timeout=2)
                self._idle.append(connection)
                return
        connection.terminate()

    async def _connect(self, **settings: str) -> LoudConnection:
        connection: LoudConnection = await asyncpg.connect(
            self._address.dsn,
            connection_class=LoudConnection,
            statement_cache_size=self._statements,
            timeout=self._address.timeout or CONNECT_SECONDS,
            **self._which,
            **self._address.options,
            server_settings={"application_name": self._address.application_name, **settings},
        )
        self._address.prepare(connection)
        return connection

    async def _look_at_server(self) -> None:
        """Refuse one that cannot keep every text, and see whether a pooler stands before it.

        Prepared statements may be kept unless the next transaction may meet another server process. A pooler gives its
        clients process ids of its own invention.
        """
        connection = await self._connect()
        try:
            await self._require_any_text(connection)
            if await connection.fetchval("SELECT pg_backend_pid()") == connection.get_server_pid():
                self._statements, self._by_index = STATEMENTS, BY_INDEX
        finally:
            await _leave(connection)
        await self._engine.dispose()
        self._engine = self._make_engine()

    async def _require_any_text(self, connection: LoudConnection) -> None:
        kept = await connection.fetchval("SHOW server_encoding")
        if kept != "UTF8":
            raise SettingsError(
                f"{self.name} stores text as {kept}, which cannot hold every text: create a database in UTF-8, "
                "createdb -E UTF8 -T template0 NAME"
            )
        spoken = await connection.fetchval("SHOW client_encoding")
        if spoken != "UTF8":
            raise SettingsError(
                f"{self.name} is spoken to in {spoken}: leave client_encoding to the collector, which needs UTF8"
            )

    def _make_engine(self) -> AsyncEngine:
        kept: dict[str, Any] = {"prepared_statement_cache_size": self._statements}
        if not self._statements:
            kept["prepared_statement_name_func"] = lambda: ""
        return create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect,
            connect_args=kept,
            poolclass=AsyncAdaptedQueuePool,
            pool_size=POOL,
            max_overflow=0,
            hide_parameters=True,  # what people wrote is not for the log
            pool_pre_ping=True,
        )

    async def _listen(self, changed: Changed) -> None:
        """Hear of changes for as long as this runs. Behind PgBouncer nothing is heard, as knocking at oneself shows."""
        own = KNOCK + secrets.token_hex(8)
        heard = asyncio.Event()

        def hear(_: object, __: int, ___: str, said: str) -> None:
            if said == own:
                self._heard = time.monotonic()
                heard.set()
            elif not said.startswith(KNOCK):
                changed(said)

        while True:
            with suppress(*_TROUBLE, Unavailable):
                connection = await self._connect()
                try:
                    gone = asyncio.Event()
                    connection.add_termination_listener(lambda _, gone=gone: gone.set())
                    await connection.add_listener(CHANNEL, hear)
                    changed(None)  # whatever was told while nobody listened
                    has_lane = False
                    while not gone.is_set():
                        async with self.write() as other:
                            await self._tell_others(other, [own])
                        if not has_lane and await _comes(heard, LANE_SECONDS):
                            has_lane, self.lane = True, await _free_lane(connection, self.lane)
                        await _comes(gone, KNOCK_SECONDS)
                finally:
                    self._heard = float("-inf")
                    heard.clear()
                    await _leave(connection)
            await asyncio.sleep(1)  # before knocking again


async def _comes(event: asyncio.Event, seconds: float) -> bool:
    """Whether it does in this time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


async def _free_lane(connection: LoudConnection, drawn: int) -> int:
    """A lane that no other process has as long as this connection lives; the one that was drawn if there is none."""
    for step in range(LANES):
        lane = (drawn + step) % LANES
        if await connection.fetchval("SELECT pg_try_advisory_lock($1)", LANE_LOCK + lane):
            return lane
    return drawn


async def _leave(connection: LoudConnection) -> None:
    with suppress(*_TROUBLE):
        await connection.close(timeout=2)


def _is_lost(error: BaseException | None) -> bool:
    state = getattr(error, "sqlstate", None)
    return isinstance(state, str) and state.startswith(_LOST)
