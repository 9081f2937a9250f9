"""How much may be sent, and what an operator can measure of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from collector import __version__
from collector.errors import TooManyTries
from collector.responses.open_sites import load_open_site
from collector.run.app import create_app, open_services
from collector.settings import Settings
from collector.web.http import limits
from collector.web.http.limits import BYTES_PER_EVENT, EVENTS_PER_VISITOR, MOST_KEPT, Buckets, Limits, share_of
from collector.web.visitors import cache, live
from tests.conftest import PERSON, SECRET, App, add_site
from tests.events import impression, response
from tests.services import services_of

pytestmark = pytest.mark.slow


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(limits, "time", clock)
    return clock


def test_a_minutes_worth_may_come_at_once_and_then_as_time_goes_by(clock: Clock) -> None:
    buckets = Buckets(60)
    assert [buckets.take("a") for _ in range(60)] == [0.0] * 60
    assert buckets.take("a") == pytest.approx(1.0)
    clock.now += 0.75
    assert buckets.take("a") == pytest.approx(0.25)
    clock.now += 0.25
    assert buckets.take("a") == 0.0
    assert buckets.take("a") == pytest.approx(1.0)
    clock.now += 5
    assert [buckets.take("a") > 0 for _ in range(6)] == [False] * 5 + [True]
    clock.now += 86_400
    assert [buckets.take("a") > 0 for _ in range(61)] == [False] * 60 + [True], "never more than a minute's worth"


def test_being_refused_costs_nothing(clock: Clock) -> None:
    buckets = Buckets(60)
    for _ in range(60):
        buckets.take("a")
    for _ in range(10):
        clock.now += 0.09
        assert buckets.take("a") > 0
    clock.now += 0.11
    assert buckets.take("a") == 0.0


def test_names_do_not_share_and_nought_is_no_limit(clock: Clock) -> None:
    buckets = Buckets(1)
    assert [buckets.take(name) > 0 for name in "abab"] == [False, False, True, True]
    assert not any(Buckets(0).take("a") for _ in range(10_000))
    assert clock.now == 1000.0


def test_memory_is_bounded_whoever_makes_up_names(clock: Clock) -> None:  # noqa: ARG001
    buckets = Buckets(60)
    for _ in range(61):
        buckets.take("busy")
    for number in range(MOST_KEPT + 500):
        assert buckets.take(str(number)) == 0.0
    assert len(buckets._buckets) <= MOST_KEPT
    assert buckets.take("busy") > 0, "who is busy is not forgotten for those who were here once"
    for _ in range(3):  # all of them busy
        for number in range(MOST_KEPT + 1):
            buckets.take(str(number))
            assert len(buckets._buckets) <= MOST_KEPT


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:0DB8:0001:0002::1", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("::1", "192.0.2.1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("no:address", "no:other", False),
        ("", "", True),
    ],
)
def test_who_counts_as_one(one: str, other: str, same: bool) -> None:
    assert (share_of(one) == share_of(other)) is same


def test_when_to_come_again_is_whole_seconds_that_suffice(clock: Clock) -> None:
    for per_minute in (1, 7, 60, 6000):
        both = Limits(per_address=per_minute, per_site=per_minute)
        for check in (both.check_events, both.check_site):
            for _ in range(per_minute):
                check("a", 1)
            with pytest.raises(TooManyTries) as caught:
                check("a", 1)
            seconds = int(caught.value.headers["Retry-After"])
            assert 1 <= seconds <= 60 / per_minute + 2
            clock.now += seconds
            check("a", 1)


# ---- through the door


@pytest.fixture(params=["address", "site"])
def strict(request: pytest.FixtureRequest, tmp_path: Path, store: tuple[str, str]) -> Iterator[App]:
    """A collector that lets three requests through a minute, from one address or to one site."""
    url, token = store
    given: dict[str, Any] = {f"rate_per_{request.param}": 3}
    settings = Settings(database_url=url, secret=SECRET, **given)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(open_services(settings)) as open_:
        client = TestClient(create_app(open_), base_url="http://collector.test")
        client.portal = portal
        yield App(client, tmp_path, add_site(client, "", token))


def test_too_much_is_asked_to_come_again_and_then_stored(strict: App, clock: Clock) -> None:
    survey = strict.site.publish()
    answers = [response(survey) for _ in range(4)]
    assert [strict.send(one).status_code for one in answers] == [200, 200, 200, 429]
    refused = strict.send(answers[3], headers={"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"})
    assert refused.status_code == 429, "whoever names another address is the same one"
    problem = refused.json()
    assert problem["type"] == "urn:tevreden:problem:too-many-tries"
    assert problem.get("permanent", False) is False, "the browser keeps the answer"
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["access-control-allow-origin"] == "*"
    assert strict.client.get(f"/w/{strict.site.key}.js").status_code == 200
    clock.now += int(refused.headers["retry-after"])
    assert strict.send(answers[3]).status_code == 200
    assert len(strict.site.responses()) == 4


def test_another_site_has_a_limit_of_its_own(strict: App, clock: Clock) -> None:  # noqa: ARG001
    survey = strict.site.publish()
    while strict.send(impression(survey)).status_code == 200:
        pass
    other = add_site(strict.client, "", strict.site.token)
    reply = App(strict.client, strict.folder, other).send(impression(other.publish()))
    limits_of = services_of(strict).settings
    assert reply.status_code == (429 if limits_of.rate_per_address == 3 else 200)


def test_unknown_sites_leave_nothing_behind(strict: App, clock: Clock) -> None:  # noqa: ARG001
    for number in range(3):
        strict.client.post(f"/w/nosuch{number}/events", json={"events": [{}]})
    assert not services_of(strict).limits._sites._buckets


# ---- metrics


def measured(app: App) -> dict[str, float]:
    """Every sample by its name and labels, read as Prometheus reads them."""
    reply = app.client.get("/metrics", headers={"Authorization": f"Bearer {app.site.token}"})
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"].startswith("text/plain; version=")
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(reply.text):
        assert family.name.startswith("tevreden_"), family.name
        assert family.documentation
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer tvr_wrong", "Basic dXNlcg=="])
def test_metrics_need_a_token(app: App, header: str | None) -> None:
    reply = app.client.get("/metrics", headers={"Authorization": header} if header else {})
    assert (reply.status_code, reply.headers["content-type"]) == (401, "application/problem+json")
    assert "tevreden_" not in reply.text


def test_metrics_move_with_what_happens(app: App) -> None:
    survey = app.site.publish()
    before = measured(app)
    assert before[f"tevreden_release{{version={__version__}}}"] == 1
    shown = impression(survey)
    given = response(survey, impression=shown["id"])
    assert app.send(shown, given).status_code == 200
    assert app.send({**given, "score": 1}).status_code == 409
    assert app.send(response(survey), response(survey, score=99)).status_code == 200
    after = measured(app)

    def moved(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert moved("tevreden_events_stored_total") == 3
    assert moved("tevreden_events_refused_total{problem=conflict}") == 1
    assert moved("tevreden_events_refused_total{problem=invalid}") == 1
    assert moved("tevreden_batches_failed_total") == 0
    assert moved("tevreden_batch_seconds_count") == moved("tevreden_batch_requests_count") == 3
    assert moved("tevreden_batch_requests_bucket{le=1.0}") == 3
    assert after["tevreden_requests_waiting"] == 0
    assert (after["tevreden_jobs{status=waiting}"], after["tevreden_jobs{status=failed}"]) == (0, 0)


def test_metrics_say_nothing_of_a_person_a_site_or_a_survey(app: App) -> None:
    survey = app.site.publish(name="Secret plans")
    app.send(response(survey, email="jo@example.com", comment="Fine"), headers={"User-Agent": PERSON})
    reply = app.client.get("/metrics", headers={"Authorization": f"Bearer {app.site.token}"})
    for secret in (app.site.key, survey["key"], survey["id"], "Secret", "jo@", "shop.example", "127.0.0.1"):
        assert secret not in reply.text


def test_failed_batch_is_counted(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    survey = app.site.publish()
    before = measured(app)["tevreden_batches_failed_total"]

    async def fail(_: Any) -> Any:
        raise TooManyTries  # any problem at all

    monkeypatch.setattr(services_of(app).database, "batch", fail)
    assert app.send(response(survey)).status_code == 429
    assert measured(app)["tevreden_batches_failed_total"] == before + 1


# ---- what a stranger can cost


def test_limit_counts_events_and_not_requests(tmp_path: Path, store: tuple[str, str], clock: Clock) -> None:  # noqa: ARG001
    with collector_with(tmp_path, store, rate_per_address=100) as app:
        survey = app.site.publish()
        assert app.send(*(impression(survey) for _ in range(50))).status_code == 200
        assert app.send(*(impression(survey) for _ in range(49))).status_code == 200
        assert app.send(impression(survey), impression(survey)).status_code == 429
        assert app.site.results(survey)["counts"]["impressions"] == 99


def test_limit_counts_bytes_whatever_they_say(tmp_path: Path, store: tuple[str, str], clock: Clock) -> None:  # noqa: ARG001
    with collector_with(tmp_path, store, rate_per_address=1000) as app:
        body, taken = b" " * 60_000, 0
        while (status := app.client.post(f"/w/{app.site.key}/events", content=body).status_code) == 400:
            taken += len(body)
            assert taken < 2 * 1000 * BYTES_PER_EVENT
        assert status == 429
        assert taken <= 1000 * BYTES_PER_EVENT


def test_one_visitor_cannot_have_thousands_of_answers_counted(app: App, clock: Clock) -> None:  # noqa: ARG001
    survey = app.site.publish()
    token = app.send(impression(survey)).json()["visitor"]
    statuses = [app.send(*(response(survey) for _ in range(50)), visitor=token).status_code for _ in range(40)]
    assert statuses.count(200) == EVENTS_PER_VISITOR // 50
    assert app.site.results(survey)["counts"]["scores"] <= EVENTS_PER_VISITOR


def test_visitor_who_leaves_the_token_out_is_counted_all_the_same(app: App, clock: Clock) -> None:  # noqa: ARG001
    survey = app.site.publish()
    shown = impression(survey)
    app.send(shown)
    for _ in range(10):
        app.send(shown, *(response(survey) for _ in range(49)))
    mine = Counter(one["visitor"] for one in app.site.responses())
    assert max(mine.values()) <= EVENTS_PER_VISITOR


def test_surveys_that_nobody_knows_cost_one_look_a_moment(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    survey = app.site.publish()
    app.send(response(survey))
    loads: list[float] = []

    async def load(*arguments: Any, **named: Any) -> Any:
        loads.append(time.monotonic())
        return await load_open_site(*arguments, **named)

    monkeypatch.setattr(live, "load_open_site", load)
    began = time.monotonic()
    for _ in range(10):
        reply = app.send(*(response(survey, survey=f"nosuch{number}") for number in range(50)))
        assert reply.status_code == 404
    took = time.monotonic() - began
    assert len(loads) <= took / cache.SEEK_SECONDS + took / cache.RENEW_SECONDS + 2


def test_fifty_surveys_that_nobody_knows_cost_little_more_than_fifty_answers(app: App) -> None:
    survey = app.site.publish()
    app.send(response(survey))

    def cost(**change: Any) -> float:
        """Seconds of processor, at best; those of the client are in both."""
        found = []
        for _ in range(5):
            events = [response(survey, **change) for _ in range(50)]
            began = time.process_time()
            app.send(*events)
            found.append(time.process_time() - began)
        return min(found)

    assert cost(survey="nosuch") <= 3 * cost()


def test_survey_published_just_now_is_found_by_its_first_answer(app: App) -> None:
    app.send(response(app.site.publish()))  # the site is at hand
    for _ in range(3):
        assert app.send(response(app.site.publish())).status_code == 200


@contextmanager
def collector_with(folder: Path, store: tuple[str, str], **given: Any) -> Iterator[App]:
    url, token = store
    settings = Settings(database_url=url, secret=SECRET, **given)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(open_services(settings)) as open_:
        client = TestClient(create_app(open_), base_url="http://collector.test", follow_redirects=False)
        client.portal = portal
        yield App(client, folder, add_site(client, "", token))
