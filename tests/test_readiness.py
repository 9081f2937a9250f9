"""``/readyz`` says ready only while an answer could be stored, and whoever asks often makes no work."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from collector.db.kinds import INSTALLATION
from collector.db.postgres import LoudConnection
from collector.errors import Unavailable
from collector.web.http import readiness
from collector.web.http.readiness import Readiness
from tests.conftest import App
from tests.events import response
from tests.postgres import Cluster
from tests.services import services_of
from tests.stores import Rows, everything_in

POSTGRES_ALONE = pytest.mark.parametrize("store", ["postgresql"], indirect=True)
SQLITE_ALONE = pytest.mark.parametrize("store", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "KEPT_SECONDS", 0.0)


def both(app: App, survey: dict[str, Any]) -> tuple[int, int]:
    """What the probe says, and what becomes of an answer."""
    return app.client.get("/readyz").status_code, app.send(response(survey)).status_code


def hang_up(app: App, cluster: Cluster) -> None:
    """Close every connection to the store, so that the next ones are new."""
    name = services_of(app).database.name.rpartition("/")[2]
    cluster.execute(
        f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}' "
        "AND pid <> pg_backend_pid()"
    )


@POSTGRES_ALONE
def test_database_that_turned_read_only_is_not_ready_until_it_is_writable_again(
    app: App, request: pytest.FixtureRequest
) -> None:
    survey = app.site.publish()
    cluster: Cluster = request.getfixturevalue("postgres")
    name = services_of(app).database.name.rpartition("/")[2]
    assert both(app, survey) == (200, 200)
    cluster.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    hang_up(app, cluster)
    assert [both(app, survey) for _ in range(3)] == [(503, 503)] * 3
    cluster.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    assert both(app, survey) == (200, 200)


@SQLITE_ALONE
def test_file_that_turned_read_only_is_not_ready(app: App) -> None:
    survey = app.site.publish()
    assert both(app, survey) == (200, 200)

    async def turn(on: str) -> None:
        database: Any = services_of(app).database
        (await database._own_connection()).raw.execute(f"PRAGMA query_only={on}")

    assert app.client.portal
    app.client.portal.call(turn, "ON")
    assert both(app, survey) == (503, 503)
    app.client.portal.call(turn, "OFF")
    assert both(app, survey) == (200, 200)


def test_whatever_keeps_answers_out_keeps_it_from_being_ready(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: Any) -> Any:
        raise Unavailable

    with monkeypatch.context() as patched:
        patched.setattr(services_of(app).database, "batch", fail)
        assert both(app, app.site.publish()) == (503, 503)
    assert app.client.get("/readyz").status_code == 200


def test_looking_changes_nothing(app: App) -> None:
    def everything() -> Rows:
        rows = everything_in(services_of(app).settings.database_url)
        # what comes round by itself may come round meanwhile
        return {**rows, "jobs": [job for job in rows["jobs"] if job["site_id"] != INSTALLATION]}

    before = everything()
    for _ in range(3):
        assert app.client.get("/readyz").status_code == 200
    assert everything() == before


def test_many_who_ask_make_one_look_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "KEPT_SECONDS", 1.0)
    looks, now = 0, 100.0

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return now

    monkeypatch.setattr(readiness, "time", Clock)

    async def run() -> None:
        nonlocal now

        async def probe() -> None:
            nonlocal looks
            looks += 1
            await asyncio.sleep(0)
            if looks == 2:
                raise Unavailable
            if looks == 3:
                raise ZeroDivisionError

        asked = Readiness(probe)
        await asyncio.gather(*(asked.check() for _ in range(500)))
        await asked.check()
        assert looks == 1
        for wanted in (2, 3):
            now += 1.0
            found = await asyncio.gather(*(asked.check() for _ in range(500)), return_exceptions=True)
            assert {type(one) for one in found} == {Unavailable}
            assert looks == wanted
        now += 1.0
        await asked.check()
        assert looks == 4

    with start_blocking_portal() as portal:
        portal.call(run)


def test_store_that_says_nothing_is_not_ready_and_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "LONGEST_SECONDS", 0.01)
    looks = 0

    async def run() -> None:
        speaks = asyncio.Event()

        async def probe() -> None:
            nonlocal looks
            looks += 1
            await speaks.wait()

        asked = Readiness(probe)
        for _ in range(3):
            with pytest.raises(Unavailable):
                await asked.check()
        assert looks == 1
        speaks.set()
        monkeypatch.setattr(readiness, "LONGEST_SECONDS", 5.0)
        await asked.check()
        await asked.close()

    with start_blocking_portal() as portal:
        portal.call(run)


@POSTGRES_ALONE
@pytest.mark.parametrize("noticed", [True, False])
def test_first_answer_after_idle_connections_were_closed_is_stored(
    app: App, request: pytest.FixtureRequest, noticed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    survey = app.site.publish()
    cluster: Cluster = request.getfixturevalue("postgres")
    database: Any = services_of(app).database
    assert app.send(response(survey)).status_code == 200
    assert database._idle
    hang_up(app, cluster)
    if not noticed:  # the answer comes before the news does
        known, news = LoudConnection.is_closed, [False]
        monkeypatch.setattr(LoudConnection, "is_closed", lambda self: news.pop() if news else known(self))
    assert app.send(response(survey)).status_code == 200
    assert len(app.site.responses()) == 2
