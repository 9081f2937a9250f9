"""What every store can do: hand out connections inside a transaction, and run batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime

import structlog
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.db.changes import Changed, begin_noting
from collector.db.migrations.upgrade import upgrade
from collector.db.verbs import Call, Result, Steps, Touch
from collector.errors import SettingsError, Unavailable

HEAD = "0101"
"""The newest migration."""
FIRST = "0100"
"""The oldest whose tables can be brought up to date."""
TOO_OLD = (
    "was made by a version before the first release, whose tables cannot be brought up to date: "
    "export its responses with that version, and begin with a new one"
)

log = structlog.get_logger()


class Contended(Exception):
    """Each time this batch was run, others changed something that it rests on before it could write."""


class Unstorable(Exception):
    """A row of this batch holds what the store cannot keep, whenever it comes."""


class Database(ABC):
    """A store with its tables up to date; made by `collector.db.opening.open_database`."""

    lane: int = 0
    """Which lane of sums this process adds to; processes that write at the same time have lanes of their own."""
    batches_at_once: int = 1
    """How many batches may be written at the same time."""
    _changed: Changed = staticmethod(lambda _: None)

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is called in a log line; without a password."""

    @abstractmethod
    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A consistent view of what was committed; writing through it is refused. Raises `Unavailable`."""

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A writing transaction: on disk when the block ends, undone when it raises. Then who listens hears of the
        changes that were noted in it.

        Raises `Unavailable` when the store refuses (a full disk, a lost file, no server).
        """
        async with self._transaction() as connection:
            noted = begin_noting(connection)
            yield connection
            await self._tell_others(connection, noted)
        for site_key in noted:
            self._changed(site_key)

    @abstractmethod
    def _transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Of `write`."""

    @abstractmethod
    async def batch(self, begin: Callable[[], Steps[Result]]) -> Result:
        """Run a batch, and give back its result once all that it wrote, in one transaction, is on disk.

        ``begin`` is called anew when the batch has to be run again. Raises `Unavailable`; `Contended`; `Unstorable`.
        """

    async def probe(self) -> None:
        """Write as answers are written, by the same connection, something that changes nothing. Raises what `batch`
        does."""
        await self.batch(_touch)

    @abstractmethod
    async def now(self, connection: AsyncConnection, clock: Callable[[], datetime]) -> datetime:
        """The moment that every process on this store agrees on; ``clock`` where there is only one process."""

    @abstractmethod
    def repairing(self) -> AbstractAsyncContextManager[None]:
        """Be the only one, of all processes on this store, that repairs it. Nothing else waits for that."""

    @abstractmethod
    async def close(self) -> None: ...

    async def maintain(self, now: datetime) -> None:  # noqa: ARG002
        """What a store needs from time to time."""
        return

    def listen(self, changed: Changed) -> None:
        """Call ``changed`` for each change that this process, or another one, has noted and written."""
        self._changed = changed

    @property
    def hears(self) -> bool:
        """Whether a change reaches this process at once, whoever wrote it; if not, it must look by itself."""
        return True

    async def _tell_others(self, connection: AsyncConnection, noted: Collection[str]) -> None:  # noqa: ARG002
        """Let the other processes know once this transaction is over."""
        return


_touched = Touch()


def _touch() -> Steps[None]:
    yield [Call(_touched, [()])]


def migrate(connection: Connection) -> None:
    """Bring the tables up to date within the transaction of ``connection``.

    Those of a later release are left as they are: migrations only add, so this one goes on with what it knows of them.
    Raises `SettingsError` for those of a version before the first release.
    """
    if is_too_old(_revision(connection)):
        raise SettingsError(f"the database {TOO_OLD}")
    if later := later_revision(connection):
        log.warning("the tables are those of a later release; going on with what this one knows", revision=later)
    elif _revision(connection) != HEAD:
        upgrade(connection)


def later_revision(connection: Connection) -> str | None:
    """The revision of the tables if a later release made them; migrations are numbered in the order they were made."""
    revision = _revision(connection)
    return revision if revision and revision > HEAD else None


def is_too_old(revision: str | None) -> bool:
    return revision is not None and revision < FIRST


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def unavailable() -> Unavailable:
    return Unavailable(headers={"Retry-After": "5"})


def cause_of(error: Exception) -> str:
    """What the driver said, in one line."""
    inner = error.orig if isinstance(error, DBAPIError) else error.__cause__ or error
    inner = getattr(inner, "orig", None) or inner or error
    return (str(inner).splitlines() or [type(inner).__name__])[0]
