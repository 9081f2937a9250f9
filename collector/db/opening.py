"""Opens whichever store the settings name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from collector.db.postgres import PostgreSQL
from collector.db.sqlite import SQLite
from collector.db.store import Database
from collector.settings import Settings


async def open_database(settings: Settings, *, serving: bool = False) -> Database:
    """Open the store with its tables up to date; ``serving`` claims a SQLite file for one collector.

    Raises `SettingsError` when it cannot be used, or another collector has the file.
    """
    if file := settings.database_file:
        return await SQLite.open(file, serving=serving)
    return await PostgreSQL.open(settings.database_url)


@asynccontextmanager
async def opened(settings: Settings, *, serving: bool = False) -> AsyncIterator[Database]:
    """The store of `open_database`, closed in the end."""
    database = await open_database(settings, serving=serving)
    try:
        yield database
    finally:
        await database.close()
