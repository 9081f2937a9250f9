"""The outbox: who may do a job and until when, whose turn it is, when it is tried again, and what becomes of it."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.automations.webhooks import MOST
from collector.db import outbox
from collector.db.ids import new_id
from collector.db.kinds import MOST_ATTEMPTS
from collector.db.outbox import (
    KEPT,
    LEASE,
    WAITS,
    Job,
    Outcome,
    failed,
    new_event,
    put_in_place,
    put_jobs,
    take_events,
)
from collector.db.schema import payloads
from collector.db.store import Contended
from collector.db.verbs import Call, Steps
from collector.errors import Conflict, NotFound
from tests.conftest import BROWSER_SECRET, App
from tests.faults.times import times
from tests.jobs import NOW, Jobs, open_jobs, sharing
from tests.services import services_of
from tests.stores import everything_in

SECOND = timedelta(seconds=1)
POSTGRES_ALONE = pytest.mark.parametrize("store", ["postgresql"], indirect=True)


@pytest.fixture
def jobs(store: tuple[str, str]) -> Iterator[Jobs]:
    with open_jobs(store[0]) as opened:
        yield opened


def ids(found: list[Job]) -> list[UUID]:
    return [job.id for job in found]


# Leases


def test_job_is_held_until_its_lease_runs_out_and_is_then_anyones(jobs: Jobs) -> None:
    (wanted,) = jobs.put(jobs.add_site())
    (first,) = jobs.claim(NOW)
    assert (first.id, first.attempts) == (wanted, 1)
    assert jobs.claim(NOW + LEASE - SECOND) == []
    (second,) = jobs.claim(NOW + LEASE)
    assert (second.id, second.attempts) == (wanted, 2)
    assert second.lease != first.lease


@pytest.mark.parametrize("late", ["done", "failed", "waiting"])
def test_outcome_of_a_lease_that_passed_to_another_is_ignored(jobs: Jobs, late: Any) -> None:
    (wanted,) = jobs.put(jobs.add_site())
    (first,) = jobs.claim(NOW)
    (second,) = jobs.claim(NOW + LEASE)
    before = jobs.rows()[wanted]
    jobs.settle(Outcome(first, late, 5.0, "too late"), now=NOW + LEASE + SECOND)
    assert jobs.rows()[wanted] == before
    jobs.settle(Outcome(second, "done"), now=NOW + LEASE + 2 * SECOND)
    jobs.settle(Outcome(first, late, 5.0, "far too late"), now=NOW + LEASE + 3 * SECOND)
    row = jobs.rows()[wanted]
    assert (row.status, row.reason, row.finished_at) == ("done", None, NOW + LEASE + 2 * SECOND)


def test_outcome_after_the_lease_counts_as_long_as_nobody_else_took_the_job(jobs: Jobs) -> None:
    (wanted,) = jobs.put(jobs.add_site())
    (job,) = jobs.claim(NOW)
    jobs.settle(Outcome(job, "done"), now=NOW + 2 * LEASE)
    assert jobs.rows()[wanted].status == "done"
    assert jobs.claim(NOW + 3 * LEASE) == []


def test_what_a_worker_is_at_is_not_due_to_it_whatever_the_clock_says(jobs: Jobs) -> None:
    site = jobs.add_site()
    first, second = jobs.put(site, 2)
    assert ids(jobs.claim(NOW + timedelta(days=1), running={first})) == [second]
    assert jobs.claim(NOW + timedelta(days=2), running={first, second}) == []


def test_outcomes_of_many_jobs_are_written_each_to_its_own(jobs: Jobs) -> None:
    site, other = jobs.add_site(), jobs.add_site()
    jobs.put(site, 3)
    jobs.put(other, 3)
    claimed = jobs.claim(NOW)
    assert len(claimed) == 6
    jobs.settle(*(Outcome(job, "waiting", number, f"for {number}") for number, job in enumerate(claimed)), now=NOW)
    rows = jobs.rows()
    for number, job in enumerate(claimed):
        row = rows[job.id]
        assert (row.site_id, row.reason, row.due_at) == (job.site_id, f"for {number}", NOW + number * SECOND)
        assert (row.lease, row.finished_at, row.attempts) == (None, None, 1)


# Whose turn it is


def test_jobs_come_in_the_order_in_which_they_are_due_and_none_before_its_time(jobs: Jobs) -> None:
    site = jobs.add_site()
    late, early, later = (jobs.put(site, due=NOW + minutes * timedelta(minutes=1))[0] for minutes in (5, 1, 60))
    assert jobs.claim(NOW) == []
    at = NOW + timedelta(minutes=10)
    assert [ids(jobs.claim(at, most=1)) for _ in range(3)] == [[early], [late], []]
    assert ids(jobs.claim(NOW + timedelta(hours=1), running={early, late})) == [later]


def test_ten_thousand_jobs_of_one_site_do_not_delay_anothers_one(jobs: Jobs) -> None:
    busy, calm = jobs.add_site(), jobs.add_site()
    jobs.put(busy, 10_000)
    (one,) = jobs.put(calm, due=NOW + SECOND)
    claimed = jobs.claim(NOW + SECOND)
    assert one in ids(claimed)
    assert Counter(job.site_id for job in claimed) == {busy: 16, calm: 1}


def test_no_site_gets_more_than_its_share_counting_what_it_has_already(jobs: Jobs) -> None:
    sites = [jobs.add_site() for _ in range(3)]
    for site in sites:
        jobs.put(site, 40)
    claimed = jobs.claim(NOW, most=60, shares={sites[0]: 16, sites[1]: 10})
    assert Counter(job.site_id for job in claimed) == {sites[1]: 6, sites[2]: 16}


def test_scarce_room_is_shared_and_over_time_every_site_has_its_turn(jobs: Jobs) -> None:
    sites = {jobs.add_site() for _ in range(6)}
    for site in sites:
        jobs.put(site, 20)
    claimed = jobs.claim(NOW, most=6)
    assert Counter(job.site_id for job in claimed) == dict.fromkeys(sites, 1)
    seen = {job.site_id for _ in range(60) for job in jobs.claim(NOW, most=1)}
    assert seen == sites


@pytest.mark.parametrize("most", [1, 5, 64])
def test_never_more_is_claimed_than_there_is_room_for(jobs: Jobs, most: int) -> None:
    for _ in range(8):
        jobs.put(jobs.add_site(), 30)
    assert len(jobs.claim(NOW, most=most)) == most


@POSTGRES_ALONE
def test_claims_at_the_same_moment_never_take_the_same_job(store: tuple[str, str], jobs: Jobs) -> None:
    sites = [jobs.add_site() for _ in range(3)]
    for site in sites:
        jobs.put(site, 100)
    taken: list[UUID] = []

    def claim_all() -> None:
        with open_jobs(store[0]) as other:
            while claimed := other.claim(NOW + SECOND, most=7, kinds=sharing(7)):
                taken.extend(ids(claimed))

    with ThreadPoolExecutor() as threads:
        for done in [threads.submit(claim_all) for _ in range(3)]:
            done.result(60)
    # A row that another transaction holds is passed over, so the last ones may be left for the next look.
    taken.extend(ids(jobs.claim(NOW + SECOND, kinds=sharing(64))))
    assert Counter(taken) == dict.fromkeys(jobs.rows(), 1)


# Tries


def job_at(attempts: int) -> Job:
    return Job(1, uuid4(), "webhook", uuid4(), "{}", attempts, uuid4())


@pytest.mark.parametrize("attempt", range(1, MOST_ATTEMPTS))
def test_wait_before_the_next_try_grows_and_is_at_most_a_fifth_off(attempt: int) -> None:
    waits = [failed(job_at(attempt), "no").wait for _ in range(300)]
    expected = WAITS[attempt - 1]
    assert 0.8 * expected <= min(waits) < 0.9 * expected
    assert 1.1 * expected < max(waits) <= 1.2 * expected


def test_last_wait_is_known_and_waits_only_grow() -> None:
    assert len(WAITS) == MOST_ATTEMPTS - 1
    assert list(WAITS) == sorted(set(WAITS))


def test_receiver_that_asks_for_more_time_gets_it_and_less_than_the_usual_wait_is_no_hurry() -> None:
    assert failed(job_at(1), "no", wait=1000).wait == 1000
    assert failed(job_at(5), "no", wait=1).wait >= 0.8 * WAITS[4]


def test_job_is_given_up_after_the_last_attempt_with_its_reason(jobs: Jobs) -> None:
    (wanted,) = jobs.put(jobs.add_site())
    now = NOW
    for attempt in range(1, MOST_ATTEMPTS + 1):
        (job,) = jobs.claim(now)
        assert job.attempts == attempt
        outcome = failed(job, f"the receiver answered 500, the {attempt}. time")
        jobs.settle(outcome, now=now)
        row = jobs.rows()[wanted]
        assert (row.attempts, row.reason) == (attempt, f"the receiver answered 500, the {attempt}. time")
        if attempt < MOST_ATTEMPTS:
            assert (row.status, row.finished_at) == ("waiting", None)
            assert row.due_at == now + timedelta(seconds=outcome.wait)
            assert jobs.claim(row.due_at - SECOND) == []
            now = row.due_at
    assert (row.status, row.finished_at) == ("failed", now)
    assert jobs.claim(now + timedelta(days=365)) == []


def test_job_that_every_worker_dies_of_is_given_up(jobs: Jobs) -> None:
    (wanted,) = jobs.put(jobs.add_site())
    now = NOW
    for attempt in range(1, MOST_ATTEMPTS + 1):
        assert [job.attempts for job in jobs.claim(now)] == [attempt]
        now += LEASE
    assert jobs.claim(now) == []
    row = jobs.rows()[wanted]
    assert (row.status, row.reason, row.finished_at) == ("failed", "no worker lived to say how it went", now)


def test_what_can_never_succeed_is_given_up_at_once(jobs: Jobs) -> None:
    (wanted,) = jobs.put(jobs.add_site())
    (job,) = jobs.claim(NOW)
    jobs.settle(failed(job, "410 Gone", permanent=True), now=NOW)
    row = jobs.rows()[wanted]
    assert (row.status, row.reason, row.attempts) == ("failed", "410 Gone", 1)


# Afterwards


@pytest.mark.parametrize("how", ["done", "failed"])
def test_what_is_over_can_be_done_again_under_the_same_id_with_all_its_tries(jobs: Jobs, how: Any) -> None:
    site = jobs.add_site()
    (wanted,) = jobs.put(site)
    (job,) = jobs.claim(NOW)
    jobs.settle(Outcome(job, how, reason="no"), now=NOW)
    jobs.write(lambda connection: outbox.redo(connection, site, wanted, now=NOW + SECOND))
    row = jobs.rows()[wanted]
    assert (row.status, row.attempts, row.finished_at) == ("waiting", 0, None)
    (again,) = jobs.claim(NOW + SECOND)
    assert (again.id, again.attempts) == (wanted, 1)


def test_what_waits_or_is_being_done_cannot_be_redone(jobs: Jobs) -> None:
    site = jobs.add_site()
    (wanted,) = jobs.put(site)
    for _ in range(2):
        with pytest.raises(Conflict):
            jobs.write(lambda connection: outbox.redo(connection, site, wanted, now=NOW))
        jobs.claim(NOW)


def test_job_of_another_site_is_not_found(jobs: Jobs) -> None:
    site, other = jobs.add_site(), jobs.add_site()
    (wanted,) = jobs.put(site)
    with pytest.raises(NotFound):
        jobs.write(lambda connection: outbox.get_job(connection, other, wanted))
    with pytest.raises(NotFound):
        jobs.write(lambda connection: outbox.redo(connection, other, wanted, now=NOW))


def test_jobs_that_have_been_over_for_a_month_are_swept_and_no_others(jobs: Jobs) -> None:
    site = jobs.add_site()
    old, refused, recent, waiting = jobs.put(site, 4)
    claimed = {job.id: job for job in jobs.claim(NOW + SECOND)}
    jobs.settle(Outcome(claimed[old], "done"), Outcome(claimed[refused], "failed", reason="no"), now=NOW)
    jobs.settle(Outcome(claimed[recent], "done"), Outcome(claimed[waiting], "waiting", 5.0), now=NOW + SECOND)
    assert jobs.write(lambda connection: outbox.sweep(connection, now=NOW + KEPT)) == 0
    assert jobs.write(lambda connection: outbox.sweep(connection, now=NOW + KEPT + SECOND)) == 2
    assert set(jobs.rows()) == {recent, waiting}
    jobs.write(lambda connection: outbox.sweep(connection, now=NOW + 100 * KEPT))
    assert set(jobs.rows()) == {waiting}


def test_what_is_about_or_for_something_that_goes_goes_with_it(jobs: Jobs) -> None:
    site, other = jobs.add_site(), jobs.add_site()
    subject, target = new_id(), new_id()
    jobs.put(site, 2, subject=subject)
    jobs.put(site, 2, target=target)
    kept = {*jobs.put(site), *jobs.put(other, subject=subject), *jobs.put(other, target=target)}
    jobs.write(lambda connection: outbox.forget_subject(connection, site, subject))
    jobs.write(lambda connection: outbox.forget_target(connection, site, target))
    assert set(jobs.rows()) == kept


@POSTGRES_ALONE
def test_removing_what_is_being_written_down_is_no_deadlock(jobs: Jobs) -> None:
    site = jobs.add_site()

    async def both(claimed: list[Job], target: UUID, delay: float) -> None:
        async def write_down() -> None:
            async with jobs.database.write() as connection:
                await outbox.settle(connection, [Outcome(job, "done") for job in claimed], now=NOW)

        async def forget() -> None:
            async with jobs.database.write() as connection:
                await asyncio.sleep(delay)  # the moment is what is tried
                await outbox.forget_target(connection, site, target)

        await asyncio.gather(write_down(), forget())

    for _ in range(times(20, 500)):
        target = new_id()
        jobs.put(site, 200, target=target)
        claimed = jobs.claim(NOW, most=200, kinds=sharing(200))
        random.shuffle(claimed)
        jobs.portal.call(both, claimed, target, random.uniform(0, 0.01))
        assert jobs.rows() == {}


def test_late_outcome_does_not_bring_back_what_was_removed(jobs: Jobs) -> None:
    site, subject = jobs.add_site(), new_id()
    jobs.put(site, subject=subject)
    (job,) = jobs.claim(NOW)
    jobs.write(lambda connection: outbox.forget_subject(connection, site, subject))
    jobs.settle(Outcome(job, "waiting", 5.0, "no"), now=NOW)
    assert jobs.rows() == {}


def test_backlog_counts_what_waits_and_what_was_given_up(jobs: Jobs) -> None:
    assert jobs.write(outbox.backlog) == {"waiting": 0, "failed": 0}
    site = jobs.add_site()
    jobs.put(site, 4)
    first, second, *_ = jobs.claim(NOW + SECOND)
    jobs.settle(Outcome(first, "done"), Outcome(second, "failed", reason="no"), now=NOW)
    assert jobs.write(outbox.backlog) == {"waiting": 2, "failed": 1}


# Together with what it follows from


def test_transaction_that_is_undone_leaves_no_job(jobs: Jobs) -> None:
    site = jobs.add_site()

    def steps() -> Steps[None]:
        rows = [new_event(site, new_id().hex, "{}", NOW)] * 2
        yield [Call(put_jobs, [row]) for row in rows]

    with pytest.raises((sqlite3.IntegrityError, Contended)):  # they have the same id
        jobs.portal.call(jobs.database.batch, steps)
    assert jobs.rows() == {}


def answer(survey: dict[str, Any], /, **change: Any) -> dict[str, Any]:
    about = {
        "type": "response",
        "id": str(uuid4()),
        "survey": survey["key"],
        "revision": 1,
        "language": "en",
        "secret": BROWSER_SECRET,
    }
    return {**about, "state": 1, "score": 4, "page": "https://shop.example/", **change}


@pytest.fixture
def survey(app: App) -> dict[str, Any]:
    """With a webhook whose receiver cannot be found, so that jobs stay."""
    made = app.site.call("POST", "/webhooks", {"url": "https://receiver.invalid/"})
    assert made.status_code == 201, made.text
    return app.site.publish()


def subjects(app: App) -> list[tuple[str, str]]:
    """What the jobs of the app's one webhook are about, oldest first."""
    app.await_told()
    (webhook,) = app.site.call("GET", "/webhooks").json()["items"]
    found = app.site.call("GET", f"/webhooks/{webhook['id']}/deliveries", limit=200).json()["items"]
    return [(one["payload"]["type"], one["payload"]["data"]["id"]) for one in reversed(found)]


def test_only_what_was_stored_has_jobs(app: App, survey: dict[str, Any]) -> None:
    good, refused = answer(survey), answer(survey, score=99)
    assert app.send(good, refused).status_code == 200
    assert app.send(refused).status_code == 422
    assert subjects(app) == [("response.created", good["id"])]


def test_sending_again_makes_no_other_job_and_what_is_new_makes_one(app: App, survey: dict[str, Any]) -> None:
    first = answer(survey)
    for _ in range(3):
        assert app.send(first).status_code == 200
    assert app.send({**first, "score": 1}).status_code == 409
    assert app.send({**first, "state": 2, "score": 1}).status_code == 200
    assert subjects(app) == [("response.created", first["id"]), ("response.updated", first["id"])]


def test_shown_and_closed_without_an_answer_tells_nobody(app: App, survey: dict[str, Any]) -> None:
    shown = {key: value for key, value in answer(survey).items() if key not in ("state", "score")}
    assert app.send({**shown, "type": "impression"}, {**shown, "type": "dismissal"}).status_code == 200
    assert subjects(app) == []


def test_answer_whose_transaction_fails_leaves_no_job_and_later_one(
    app: App, survey: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever breaks after the jobs were put: neither the answer nor its job is there."""

    def broken(*_: Any) -> Any:
        raise OSError("no space left")

    first = answer(survey)
    with monkeypatch.context() as patched:
        # the sums are written last
        patched.setattr("collector.db.verbs.Add.sqlite", broken)
        patched.setattr("collector.db.verbs.Add.arguments", broken)
        assert app.send(first).status_code in (500, 503)
    assert app.site.responses() == []
    assert subjects(app) == []
    assert app.send(first).status_code == 200
    assert [one["id"] for one in app.site.responses()] == [first["id"]]
    assert subjects(app) == [("response.created", first["id"])]


# What an answer costs


LONG = "Not at all what I had hoped for. " * 200


def payloads_of(app: App) -> list[str]:
    url = services_of(app).settings.database_url
    return [row["body"] for row in everything_in(url)["payloads"]]


def test_what_is_sent_to_many_webhooks_is_kept_once(app: App, survey: dict[str, Any]) -> None:
    for number in range(MOST - 1):
        made = app.site.call("POST", "/webhooks", {"url": f"https://receiver{number}.invalid/"})
        assert made.status_code == 201, made.text
    given = answer(survey, comment=LONG)
    assert app.send(given).status_code == 200
    app.await_told()
    listed = app.site.call("GET", "/webhooks").json()["items"]
    assert len(listed) == MOST
    for webhook in listed:
        (delivery,) = app.site.call("GET", f"/webhooks/{webhook['id']}/deliveries").json()["items"]
        assert delivery["payload"]["data"]["comment"] == LONG.strip()
    rows = everything_in(services_of(app).settings.database_url)
    kept = [text for table in ("jobs", "payloads") for row in rows[table] for text in (str(row),) if LONG[:500] in text]
    assert len(kept) == 1
    assert sum(len(str(row)) for row in rows["jobs"]) < MOST * 1000

    deleted = app.site.call("DELETE", f"/responses/{given['id']}")
    assert deleted.status_code == 204
    assert payloads_of(app) == []


def test_what_is_sent_is_kept_as_long_as_a_job_may_send_it(jobs: Jobs) -> None:
    site, subject, targets = jobs.add_site(), new_id(), [new_id(), new_id()]

    def steps() -> Steps[None]:
        yield [Call(put_jobs, [new_event(site, subject.hex, '{"type": "test"}', NOW)])]

    async def tell(connection: AsyncConnection) -> int:
        events = await take_events(connection, most=10)
        return await put_in_place(connection, "webhook", {site: targets}, events, NOW)

    jobs.portal.call(jobs.database.batch, steps)
    assert jobs.write(tell) == 2
    claimed = jobs.claim(NOW)
    assert [job.payload for job in claimed] == ['{"type": "test"}'] * 2
    jobs.settle(Outcome(claimed[0], "done"), now=NOW)
    late = NOW + KEPT + SECOND
    assert jobs.write(lambda connection: outbox.sweep(connection, now=late)) == 1
    assert [job.payload for job in jobs.claim(late)] == ['{"type": "test"}']
    jobs.settle(Outcome(jobs.claim(late + LEASE)[0], "done"), now=late)
    assert jobs.write(lambda connection: outbox.sweep(connection, now=late + KEPT + SECOND)) == 1
    left = jobs.write(lambda connection: connection.execute(select(payloads)))
    assert left.all() == []
