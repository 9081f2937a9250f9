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


def create_app(settings: Settings, *, examples: Path | None = None) -> Starlette:
    """The application of one collector; it opens its store as it starts and closes it as it stops."""
    settings = settings.with_secret()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        database = await Database.open(settings.database_file, serving=True)
        app.state.house = House(settings, database, Signing(settings.secret), lambda: datetime.now(UTC), examples)
        try:
            yield
        finally:
            await database.close()

    routes = [*public.routes, *api.routes, *admin.routes, *pages.routes, *(pages.example_routes if examples else [])]
    handlers = {Problem: render_problem, HTTPException: render_problem, Exception: render_problem}
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
    app.state.scripts = ScriptCache()
    app.state.throttle = admin.Throttle()
    return app
