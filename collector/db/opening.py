"""Opens whichever store the settings name."""

from __future__ import annotations

from collector.db.postgres import PostgreSQL
from collector.db.sqlite import SQLite
from collector.db.store import Database
from collector.settings import Settings


async def open_database(settings: Settings, *, serving: bool = False) -> Database:
    """Open the store with its tables up to date; ``serving`` claims a SQLite file for one collector.

    Raises `SettingsError` when it cannot be used, or another collector has the file.
    """
    file = settings.database_file
    return await SQLite.open(file, serving=serving) if file else await PostgreSQL.open(settings.database_url)
