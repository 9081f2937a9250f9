"""Several collectors on one PostgreSQL, and one behind PgBouncer."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest

from collector.web.visitors.script import FORMAT, FORMATS
from tests.conftest import Site
from tests.faults.at_once import send_at_once
from tests.faults.conftest import Collector, Place, furnish
from tests.faults.load import Answer, Load
from tests.faults.times import times
from tests.postgres import Bouncer, Cluster, wait_until

ANSWERS = times(400, 20_000)
"""Requests."""
PROGRAMS = 6
HEARD_SECONDS = 1.0
"""Less than `collector.web.visitors.live.FRESH_SECONDS`: it was told, and did not look by itself."""

Begin = Callable[..., Place]


@dataclass
class Two:
    """Two collectors on one database, seen from one site; others have theirs there as well."""

    first: Place
    second: Place

    @property
    def ports(self) -> list[int]:
        return [self.first.collector.port, self.second.collector.port]


@pytest.fixture(scope="module")
def collectors(postgres: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Collector]]:
    url = postgres.create_database("several")
    token = furnish(url)
    running = [Collector(tmp_path_factory.mktemp("several"), url, token) for _ in range(2)]
    try:
        for one in running:
            one.start()
        yield running
        for one in running:
            one.end()
    finally:
        for one in running:
            one.close()


@pytest.fixture
def two(collectors: list[Collector]) -> Two:
    first, second = collectors
    site, survey = first.add_survey()
    return Two(Place(first, site, survey), Place(second, replace(site, url=second.url), survey))


def test_answers_through_two_collectors_are_counted_once(two: Two) -> None:
    with Load(two.ports, two.first.site, two.first.survey) as load:
        while load.acknowledged < ANSWERS:
            load.wait_for(50)
        load.finish()
    two.first.audit().accounts_for(load)


def test_answer_sent_through_two_collectors_at_once_is_stored_once(two: Two) -> None:
    answers = [Answer(number) for number in range(50)]
    bodies = [{"events": [answer.event(two.first.survey, state) for state in range(3)]} for answer in answers]

    replies = send_at_once(two.first, [body for body in bodies for _ in range(12)], ports=two.ports)
    assert {reply.status for reply in replies} == {200}
    for answer in answers:
        answer.sent = answer.acknowledged = 2
    two.first.audit().holds(answers)


def test_what_is_published_at_one_collector_is_served_by_the_other(two: Two) -> None:
    first, second = two.first, two.second
    assert served(second.site) == [first.survey["key"]]
    published = first.site.publish()
    assert seconds_until(lambda: len(served(second.site)) == 2) < HEARD_SECONDS
    first.site.call("POST", f"/surveys/{first.survey['id']}/pause")
    assert seconds_until(lambda: served(second.site) == [published["key"]]) < HEARD_SECONDS


def served(site: Site) -> list[str]:
    """The keys of the surveys that the tag brings."""
    script = site.http.get(f"{site.url}/w/{site.key}.js")
    assert script.status_code == 200
    return sorted(set(re.findall(rf'[{{,]{FORMATS[FORMAT]["key"]}:"([^"]+)"', script.text)))


def seconds_until(condition: Callable[[], bool]) -> float:
    began = time.monotonic()
    wait_until(condition, lambda: "it never was")
    return time.monotonic() - began


@pytest.fixture
def bouncer(postgres: Cluster, postgres_store: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """The URL of a PgBouncer in transaction mode before a furnished database, and an API token."""
    url, token = postgres_store
    made = Bouncer(postgres, url.rpartition("/")[2])
    yield made.url, token
    made.close()


def test_collector_behind_pgbouncer_take_answers(begin: Begin, bouncer: tuple[str, str]) -> None:
    place = begin(bouncer)

    def work(_: int) -> None:
        """As programs do, several at a time: so that a connection meets another server process each time."""
        survey = place.site.publish()
        assert place.site.results(survey)["counts"]["scores"] == 0
        assert len(place.site.responses(limit=50)) > 0

    with place.load() as load, ThreadPoolExecutor(PROGRAMS) as programs:
        while load.acknowledged < ANSWERS:
            load.wait_for(50)
            list(programs.map(work, range(PROGRAMS)))
        load.finish()
        assert load.refusals == load.losses == 0
        place.end(load)
