"""What is inside the application of a test: its services, its store, and its loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from collector.responses.rollups import Difference
from collector.web.visitors.services import VisitorServices
from tests.conftest import App
from tests.stores import differences_in


def services_of(app: App) -> VisitorServices:
    found: VisitorServices = app.client.app.state.services  # type: ignore[attr-defined]
    return found


def in_store(app: App, work: Any) -> Any:
    """Run some work in one transaction."""

    async def run() -> Any:
        async with services_of(app).database.write() as connection:
            return await work(connection)

    assert app.client.portal
    return app.client.portal.call(run)


def in_app(app: App, run: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """In the loop that the application runs in."""
    assert app.client.portal
    return app.client.portal.call(run)


def differences(app: App) -> list[Difference]:
    found: list[Difference] = in_app(app, lambda: differences_in(services_of(app).database))
    return found


async def first(connection: Any, query: Any) -> Any:
    return (await connection.execute(query)).scalars().first()
