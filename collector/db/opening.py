"""Opens whichever store the settings name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

from collector.db.sqlite import SQLite
from collector.db.store import Database
from collector.settings import Settings


async def open_database(settings: Settings, *, serving: bool = False) -> Database:
    """Open the store with its tables up to date; ``serving`` claims a SQLite file for one collector.

    Raises `SettingsError` when it cannot be used, or another collector has the file.
    """
    if file := settings.database_file:
        return await SQLite.open(file, serving=serving)
    # Loaded only here: who has SQLite need not wait for its driver, nor keep it in memory.
    opened: Database = await import_module("collector.db.postgres").PostgreSQL.open(settings.database_url)
    return opened


@asynccontextmanager
async def opened(settings: Settings, *, serving: bool = False) -> AsyncIterator[Database]:
    """The store of `open_database`, closed in the end."""
    database = await open_database(settings, serving=serving)
    try:
        yield database
    finally:
        await database.close()
