"""What tests do with a store beside the collector: open it, read all of it, count it again, run commands on it."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch
from uuid import UUID

import structlog
from anyio.from_thread import start_blocking_portal
from sqlalchemy import inspect, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.access.sites import list_sites
from collector.db import opening
from collector.db.postgres import PostgreSQL
from collector.db.schema import metadata, surveys
from collector.db.sqlite import SQLite
from collector.db.store import Database
from collector.responses.rollups import Difference, recount
from collector.run import cli
from collector.settings import Settings
from collector.surveys.lifecycle import list_surveys
from tests.conftest import SECRET

KINDS = ["sqlite", "postgresql"]
Value = TypeVar("Value")
Rows = dict[str, list[dict[str, Any]]]
"""Every row of each table, in an order that is the same on both databases."""


def in_a_loop(run: Callable[[], Awaitable[Value]]) -> Value:
    """In a thread of its own: the browser tests keep a loop in this one."""
    with start_blocking_portal() as portal:
        return portal.call(run)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """The store as a command opens it, migrations included."""
    async with opening.opened(Settings(database_url=url)) as database:
        yield database


@asynccontextmanager
async def as_it_is(url: str) -> AsyncIterator[Database]:
    """The store with whatever tables it has."""
    database: Database = SQLite(Path(url.removeprefix("sqlite:///"))) if url.startswith("sqlite") else PostgreSQL(url)
    try:
        yield database
    finally:
        await database.close()


async def rows_of(connection: AsyncConnection) -> Rows:
    """Of every table and column that is there, of those that the program knows."""
    there: dict[str, set[str]] = await connection.run_sync(
        lambda sync: {
            table: {column["name"] for column in inspect(sync).get_columns(table)}
            for table in inspect(sync).get_table_names()
        }
    )
    found: Rows = {}
    for table in metadata.sorted_tables:
        if table.name in there:
            columns = [column for column in table.columns if column.name in there[table.name]]
            rows = (await connection.execute(select(*columns))).mappings()
            found[table.name] = sorted(map(dict, rows), key=lambda row: repr(list(row.values())))
    return found


def everything_in(url: str) -> Rows:
    """What a store holds, without bringing its tables up to date."""

    async def read() -> Rows:
        async with as_it_is(url) as database, database.read() as connection:
            return await rows_of(connection)

    return in_a_loop(read)


async def number_of(connection: AsyncConnection, survey: dict[str, Any]) -> int:
    """What tables call a survey within its site."""
    query = select(surveys.c.number).where(surveys.c.id == UUID(survey["id"]))
    number: int = (await connection.execute(query)).scalar_one()
    return number


async def differences_in(database: Database) -> list[Difference]:
    """Where the sums are not what the rows add up to: what ``tevreden check-data`` prints."""
    found: list[Difference] = []
    async with database.read() as connection:
        for site in await list_sites(connection):
            for survey in await list_surveys(connection, site.id):
                found += await recount(connection, site.id, survey.number)
    return found


def run_command(*arguments: str | Path, url: str) -> subprocess.CompletedProcess[str]:
    """Run ``tevreden`` on a store, in a thread of this process: a process of its own takes a second to start."""
    output, errors, code = io.StringIO(), io.StringIO(), 0
    kept = structlog.get_config()
    command_line = ["tevreden", *map(str, arguments)]
    environment = {"TEVREDEN_DATABASE_URL": url, "TEVREDEN_SECRET": SECRET, "COLUMNS": "200", "NO_COLOR": "1"}

    def run() -> None:
        nonlocal code
        try:
            cli.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(bool(end.code))
            if isinstance(end.code, str):
                errors.write(end.code + "\n")

    with (
        patch.object(sys, "argv", command_line),
        patch.dict("os.environ", environment),
        redirect_stdout(output),
        redirect_stderr(errors),
    ):
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    structlog.configure(**kept)
    return subprocess.CompletedProcess(command_line, code, output.getvalue(), errors.getvalue())


def silent(_: str, __: int) -> None:
    """Progress that nobody looks at."""
