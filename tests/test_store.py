"""The store: its tables, its migrations, and how SQLite is held so that what was acknowledged stays."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import anyio
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from anyio.from_thread import start_blocking_portal
from sqlalchemy import PrimaryKeyConstraint, UniqueConstraint, create_engine, insert, select, text
from sqlalchemy.exc import OperationalError, StatementError

from collector.db.ids import new_id
from collector.db.migrations import upgrade
from collector.db.schema import metadata, sites
from collector.db.sqlite import SQLite
from collector.db.store import HEAD
from collector.errors import SettingsError, Unavailable


def in_a_loop(run: Callable[[], Awaitable[None]]) -> None:
    """In a thread of its own: the browser tests keep a loop in this one."""
    with start_blocking_portal() as portal:
        portal.call(run)


def test_migrations_make_the_tables_that_the_program_knows(furnished: tuple[Path, str]) -> None:
    with create_engine(f"sqlite:///{furnished[0]}").connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_newest_migration_is_the_one_that_a_start_looks_for() -> None:
    assert max(file.name[:4] for file in (Path(upgrade.__file__).parent / "versions").glob("0*.py")) == HEAD


def test_what_belongs_to_a_site_has_the_site_in_every_key() -> None:
    for table in metadata.tables.values():
        if "site_id" not in table.c or table.c.site_id.nullable:  # the audit log is the installation's own
            continue
        keys = [one for one in table.constraints if isinstance(one, PrimaryKeyConstraint | UniqueConstraint)]
        assert all("site_id" in key.columns for key in keys), table.name
        for index in table.indexes:
            if index.name != "ix_jobs_over":  # by which the worker tidies up for all sites
                assert next(iter(index.columns)).name == "site_id", index.name


def test_ids_are_version_seven_and_in_order_of_time() -> None:
    ids = [new_id() for _ in range(1000)]
    assert {(one.version, one.variant) for one in ids} == {(7, UUID(int=0x8 << 60).variant)}
    assert len(set(ids)) == 1000
    milliseconds = [one.int >> 80 for one in ids]
    assert milliseconds == sorted(milliseconds)


def test_connections_are_held_safely(tmp_path: Path) -> None:
    async def run() -> None:
        database = await SQLite.open(tmp_path / "a.db")
        async with database.write() as connection:
            pragmas = {
                name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "query_only")
            }
        assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "query_only": 0}
        async with database.read() as connection:
            assert (await connection.exec_driver_sql("PRAGMA query_only")).scalar_one() == 1
            assert (await connection.exec_driver_sql("PRAGMA wal_autocheckpoint")).scalar_one() == 0
            with pytest.raises(OperationalError, match="readonly"):
                await connection.execute(text("DELETE FROM sites"))
        await database.close()

    in_a_loop(run)


def test_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        database = await SQLite.open(tmp_path / "a.db")
        row = {"key": "k", "name": "n", "created_at": datetime.now(UTC)}
        with pytest.raises(RuntimeError):
            async with database.write() as connection:
                await connection.execute(insert(sites).values(row))
                raise RuntimeError
        async with database.read() as connection:
            assert (await connection.execute(select(sites))).all() == []
        await database.close()

    in_a_loop(run)


def test_moments_come_back_aware_and_in_utc(tmp_path: Path) -> None:
    moment = datetime(2026, 1, 31, 23, 59, 59, 123456, tzinfo=timezone(timedelta(hours=2)))

    async def run() -> None:
        database = await SQLite.open(tmp_path / "a.db")
        async with database.write() as connection:
            await connection.execute(insert(sites).values(key="k", name="n", created_at=moment))
        async with database.read() as connection:
            stored = (await connection.execute(select(sites.c.created_at))).scalar_one()
        assert (stored, stored.tzinfo) == (moment, UTC)
        with pytest.raises(StatementError, match="time zone"):
            async with database.write() as connection:
                naive = moment.replace(tzinfo=None)
                await connection.execute(insert(sites).values(key="l", name="m", created_at=naive))
        await database.close()

    in_a_loop(run)


def test_store_that_cannot_write_is_unavailable_and_recovers(tmp_path: Path) -> None:
    file = tmp_path / "a.db"

    async def run() -> None:
        database = await SQLite.open(file)
        await database.probe()
        other = sqlite3.connect(file, isolation_level=None)
        pages = other.execute("PRAGMA page_count").fetchone()[0]
        other.close()
        async with database.write() as connection:
            await connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        with pytest.raises(Unavailable):  # as a full disk says it
            async with database.write() as connection:
                for number in range(200):
                    row = {"key": str(number), "name": "n" * 150 + str(number)}
                    await connection.execute(insert(sites).values(**row, created_at=datetime.now(UTC)))
        async with database.write() as connection:
            await connection.exec_driver_sql("PRAGMA max_page_count=1000000")
            assert (await connection.execute(select(sites))).all() == []
        await database.probe()
        await database.close()

    in_a_loop(run)


def test_two_processes_take_turns_and_one_serves(tmp_path: Path) -> None:
    async def run() -> None:
        first = await SQLite.open(tmp_path / "a.db", serving=True)
        with pytest.raises(SettingsError, match="already serving"):
            await SQLite.open(tmp_path / "a.db", serving=True)
        second = await SQLite.open(tmp_path / "a.db")
        order: list[str] = []

        async def slow() -> None:
            async with first.write() as connection:
                await connection.execute(text("SELECT 1"))
                started.set()
                await anyio.sleep(0.05)
                order.append("first")

        async def after() -> None:
            await started.wait()
            async with second.write():
                order.append("second")

        started = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(slow)
            group.start_soon(after)
        assert order == ["first", "second"]
        await second.close()
        await first.close()

    in_a_loop(run)
