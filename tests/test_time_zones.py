"""The days that answers are counted by: those of the site's time zone, also once that is another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from collector.access.sites import RECOUNT, change_site, site_by_key
from collector.channels.outbound import Outbound
from collector.db.ids import new_id
from collector.db.outbox import Job
from collector.db.schema import jobs, rollups
from collector.responses import intake, recounting
from collector.responses.recounting import recount_progress
from collector.responses.rollups import Sums, put_right, recount
from collector.run import app as run_app
from collector.run import kinds
from collector.run.kinds import KINDS, Means
from tests.conftest import App
from tests.events import impression, response
from tests.faults.times import times
from tests.jobs import PATIENCE
from tests.services import differences, in_app, in_store, services_of
from tests.stores import run_command

EVENING = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
"""The second of March in Amsterdam, the first in New York."""
FIRST, SECOND = date(2026, 3, 1), date(2026, 3, 2)


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker counts over by itself, and the second look comes at once."""
    monkeypatch.setitem(KINDS, RECOUNT, replace(KINDS[RECOUNT], do=None))
    monkeypatch.setattr(recounting, "SECOND_LOOK_SECONDS", 0.0)


def change_zone(app: App, zone: str) -> dict[str, Any]:
    changed = app.site.call("PATCH", f"/sites/{app.site.key}", {"time_zone": zone})
    assert changed.status_code == 200, changed.text
    found: dict[str, Any] = changed.json()
    return found


def answer_at(
    app: App, monkeypatch: pytest.MonkeyPatch, moment: datetime, survey: dict[str, Any], count: int = 1
) -> None:
    monkeypatch.setattr(run_app, "clock", lambda: moment)
    for _ in range(count):
        shown = impression(survey)
        assert app.send(shown, response(survey, impression=shown["id"], score=4)).status_code == 200
    monkeypatch.undo()


def days(app: App) -> dict[date, int]:
    """Scores by day."""
    found: dict[date, int] = {}
    wanted = rollups.c.dimension, rollups.c.day, rollups.c.score_4
    for _, day, count in (row for row in app.rows(*wanted) if row[0] == "device" and row[2]):
        found[day] = found.get(day, 0) + count
    return found


def count_over(app: App) -> None:
    """What a worker does, to its end."""
    services = services_of(app)
    means = Means(services.database, services.signing, Outbound(), services.clock)

    async def run() -> None:
        async with services.database.read() as connection:
            query = select(jobs.c.site_id, jobs.c.id).where(jobs.c.dedupe_key == RECOUNT)
            site_id, job_id = (await connection.execute(query)).one()
        assert await kinds._recount(means, Job(site_id, job_id, RECOUNT, None, "", 1, new_id()), None) is None

    in_app(app, run)


def progress(app: App) -> float | None:
    found: float | None = app.site.call("GET", f"/sites/{app.site.key}").json()["recount_progress"]
    return found


def zones_apart(count: Callable[..., Sums]) -> Callable[..., Sums]:
    """As a collector counts that has not heard of another zone yet."""

    def sums(batch: Any, lane: int) -> Sums:
        batch._zones = {}
        return count(batch, lane)

    return sums


def test_answer_counts_on_the_day_that_it_is_at_the_site(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    survey = app.site.publish()
    assert change_zone(app, "Europe/Amsterdam")["time_zone"] == "Europe/Amsterdam"
    answer_at(app, monkeypatch, EVENING, survey)
    answer_at(app, monkeypatch, EVENING - timedelta(hours=1), survey)
    assert days(app) == {FIRST: 1, SECOND: 1}
    assert differences(app) == []


@pytest.mark.usefixtures("by_hand")
def test_in_another_zone_everything_is_counted_over(app: App, store: tuple[str, str]) -> None:
    surveys = [app.site.publish() for _ in range(3)]
    for survey in surveys:
        with pytest.MonkeyPatch.context() as patch:
            answer_at(app, patch, EVENING, survey, 2)
    assert days(app) == {FIRST: 6}
    assert progress(app) is None
    assert change_zone(app, "Asia/Tokyo")["recount_progress"] == 0
    count_over(app)
    assert days(app) == {SECOND: 6}
    assert progress(app) is None
    assert run_command("check-data", url=store[0]).returncode == 0
    change_zone(app, "America/New_York")
    count_over(app)
    assert days(app) == {FIRST: 6}
    assert differences(app) == []


@pytest.mark.usefixtures("by_hand")
def test_progress_is_told_while_it_is_counted_over(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        app.site.publish()
    change_zone(app, "Asia/Tokyo")
    told = []

    async def counting(connection: Any, site_id: int, number: int) -> Any:
        told.append(await recount_progress(connection, site_id))
        return await recount(connection, site_id, number)

    monkeypatch.setattr(recounting, "recount", counting)
    count_over(app)
    assert told == [0.0, 0.25, 0.5, 0.75, None, None, None, None]


@pytest.mark.usefixtures("by_hand")
def test_whoever_dies_at_it_leaves_it_to_the_next_who_gives_the_right_sums(
    app: App, store: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    surveys = [app.site.publish() for _ in range(3)]
    for survey in surveys:
        with pytest.MonkeyPatch.context() as patch:
            answer_at(app, patch, EVENING, survey, 3)
    change_zone(app, "Asia/Tokyo")
    monkeypatch.setattr(recounting, "PUT_RIGHT_AT_ONCE", 1)
    done = 0

    async def dying(*arguments: Any) -> None:
        nonlocal done
        await put_right(*arguments)
        done += 1
        if done % 5 == 0:
            raise RuntimeError("killed")  # within the transaction: what it did last is undone

    monkeypatch.setattr(kinds, "put_right", dying)
    deaths = 0
    while True:
        try:
            count_over(app)
            break
        except RuntimeError:
            deaths += 1
    assert deaths >= 3
    assert days(app) == {SECOND: 9}
    assert run_command("check-data", url=store[0]).returncode == 0


@pytest.mark.usefixtures("by_hand")
def test_answer_that_a_collector_counts_by_the_former_zone_is_put_right_by_the_second_look(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = app.site.publish(), app.site.publish()
    with pytest.MonkeyPatch.context() as patch:
        answer_at(app, patch, EVENING, first, 2)
    change_zone(app, "Asia/Tokyo")
    seen = 0

    async def counting(connection: Any, site_id: int, number: int) -> Any:
        nonlocal seen
        seen += 1
        return await recount(connection, site_id, number)

    monkeypatch.setattr(recounting, "recount", counting)
    monkeypatch.setattr(recounting, "SECOND_LOOK_SECONDS", 60.0)
    services = services_of(app)
    means = Means(services.database, services.signing, Outbound(), services.clock)
    (job_id,) = (row[1] for row in app.rows(jobs.c.dedupe_key, jobs.c.id) if row[0] == RECOUNT)
    site_id = next(row[0] for row in app.rows(jobs.c.site_id, jobs.c.id) if row[1] == job_id)
    job = Job(site_id, job_id, RECOUNT, None, "", 1, new_id())
    assert in_app(app, lambda: kinds._recount(means, job, None)) == 60.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake._Batch, "sums", zones_apart(intake._Batch.sums))
        patch.setattr(run_app, "clock", lambda: EVENING)
        assert app.send(response(first, score=4), response(second, score=4)).status_code == 200
    assert days(app) == {SECOND: 2, FIRST: 2}
    count_over(app)
    assert days(app) == {SECOND: 4}
    assert differences(app) == []
    assert seen == 4


@pytest.mark.usefixtures("by_hand")
@pytest.mark.parametrize("at", range(1, 7))
def test_zone_that_changes_again_while_it_is_counted_over_begins_anew(
    app: App, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """At each of the looks at two surveys, and at the end of either round."""
    for survey in [app.site.publish() for _ in range(2)]:
        with pytest.MonkeyPatch.context() as patch:
            answer_at(app, patch, EVENING, survey)
    change_zone(app, "Asia/Tokyo")
    next_step, steps = recounting.next_step, 0

    async def stepping(connection: Any, job: Job) -> Any:
        nonlocal steps
        steps += 1
        step = await next_step(connection, job)
        if steps == at:
            services = services_of(app)
            async with services.database.write() as other:
                site = await site_by_key(other, app.site.key)
                settings = replace(site.settings, time_zone="America/New_York")
                await change_site(other, site, settings, by="tests", now=services.clock())
        return step

    monkeypatch.setattr(recounting, "next_step", stepping)
    count_over(app)
    assert days(app) == {FIRST: 2}
    assert differences(app) == []
    assert progress(app) is None


def test_answers_that_come_in_while_a_worker_counts_over_are_counted_once(
    app: App, store: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recounting, "SECOND_LOOK_SECONDS", 0.3)
    surveys = [app.site.publish() for _ in range(3)]
    ended, sent = threading.Event(), 0

    def send() -> None:
        nonlocal sent
        while not ended.is_set():
            for survey in surveys:
                shown = impression(survey)
                reply = app.send(shown, response(survey, impression=shown["id"], score=4))
                assert reply.status_code == 200, reply.text
                sent += 1

    thread = threading.Thread(target=send)
    thread.start()
    try:
        for _ in range(times(2, 20)):
            for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"):
                change_zone(app, zone)
                ended.wait(0.1)
    finally:
        ended.set()
        thread.join()
    deadline = time.monotonic() + PATIENCE
    while in_store(app, waits):
        assert time.monotonic() < deadline, app.rows(*jobs.c)
        time.sleep(0.05)  # the pause between two looks at a condition
    assert sum(days(app).values()) == sent > 0
    assert run_command("check-data", url=store[0]).returncode == 0


async def waits(connection: Any) -> bool:
    query = select(jobs.c.id).where(jobs.c.dedupe_key == RECOUNT, jobs.c.status == "waiting")
    return (await connection.execute(query)).first() is not None


@pytest.mark.parametrize("zone", ["", "Amsterdam", "Europe/../Rome", "UTC+1", "Europe/Amsterdam\0"])
def test_zone_that_is_none_is_refused(app: App, zone: str) -> None:
    refused = app.site.call("PATCH", f"/sites/{app.site.key}", {"time_zone": zone})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["at"] == "/time_zone"


def test_setting_that_is_no_zone_counts_nothing_over(app: App) -> None:
    app.site.call("PATCH", f"/sites/{app.site.key}", {"consent_required": True})
    assert progress(app) is None
