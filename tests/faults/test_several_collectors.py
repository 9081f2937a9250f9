"""Several collectors on one PostgreSQL, and one behind PgBouncer; on a file there is only one."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.conftest import Site, tevreden
from tests.faults.conftest import Place
from tests.faults.load import Load, times
from tests.postgres import Bouncer, Cluster, wait_until

ANSWERS = times(400, 20_000)
"""Requests."""
HEARD_SECONDS = 1.0
"""Less than `collector.web.live.FRESH_SECONDS`: it was told, and did not look by itself."""

Begin = Callable[..., Place]


def test_answers_through_two_collectors_are_counted_once(begin: Begin, postgres_store: tuple[str, str]) -> None:
    first, second = begin(postgres_store), begin(postgres_store)
    with Load([first.collector.port, second.collector.port], first.site, first.survey) as load:
        load.wait_for(ANSWERS)
        load.finish()
    second.collector.end()
    first.end(load)


def test_what_is_published_at_one_collector_is_served_by_the_others(
    begin: Begin, postgres_store: tuple[str, str]
) -> None:
    first, second = begin(postgres_store), begin(postgres_store)
    there = replace(first.site, url=second.collector.url)
    assert served(there) == [first.survey["key"]]

    published = first.site.publish()
    assert seconds_until(lambda: len(served(there)) == 2) < HEARD_SECONDS
    first.site.call("POST", f"/surveys/{first.survey['id']}/pause")
    assert seconds_until(lambda: served(there) == [published["key"]]) < HEARD_SECONDS


def served(site: Site) -> list[str]:
    """The keys of the surveys that the tag brings."""
    script = site.http.get(f"{site.url}/w/{site.key}.js")
    assert script.status_code == 200
    return sorted(set(re.findall(r'"key":\s*"([^"]+)"', script.text)))


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
    with place.load() as load:
        while load.acknowledged < ANSWERS:
            load.wait_for(50)
            assert len(place.site.responses(limit=50)) > 0
            assert place.site.publish()["status"] == "published"
        load.finish()
        assert load.refusals == load.losses == 0
        place.end(load)


def test_second_collector_on_a_file_is_refused_in_one_line(begin: Begin, sqlite_store: tuple[str, str]) -> None:
    place = begin(sqlite_store)
    done = tevreden("serve", folder=place.collector.folder, **place.collector.environment)
    file = sqlite_store[0].removeprefix("sqlite:///")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"tevreden: another collector is already serving {file}; stop it first, or use another file\n"
    )
    assert len(place.site.responses()) == 0
    place.collector.end()
