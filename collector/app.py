"""The one place where it is put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from collector.db import Database
from collector.errors import Problem
from collector.settings import Settings
from collector.signing import Signing
from collector.web import admin, api, pages, public
from collector.web.http import House, render_problem
from collector.web.script import ScriptCache


@asynccontextmanager
async def open_house(settings: Settings, *, examples: Path | None = None) -> AsyncIterator[House]:
    """Open the store for one collector, and close it in the end.

    Raises `SettingsError` when the store cannot be used, or another collector is using it.
    """
    settings = settings.with_secret()
    database = await Database.open(settings.database_file, serving=True)
    try:
        yield House(settings, database, Signing(settings.secret), lambda: datetime.now(UTC), examples)
    finally:
        await database.close()


def create_app(house: House) -> Starlette:
    """The application over an open house."""
    routes = [*public.routes, *api.routes, *admin.routes, *pages.routes]
    if house.examples:
        routes += pages.example_routes
    handlers = {Problem: render_problem, HTTPException: render_problem, Exception: render_problem}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.state.house = house
    app.state.scripts = ScriptCache()
    app.state.throttle = admin.Throttle()
    return app
