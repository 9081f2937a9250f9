"""What many sites cost: a collector that only has them at hand, the list of their surveys, and publishing for all."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from collector.access.sites import create_site
from collector.db.opening import opened
from collector.settings import Settings
from collector.surveys.lifecycle import create_survey, publish_survey
from collector.surveys.templates import document_of
from collector.web.visitors.cache import HEARD_FACTOR, RENEW_SECONDS
from tests.conftest import PERSON, SECRET, Process, Site

VISITED_SECONDS = 60.0
"""Between two visitors of a site."""
IDLE_SECONDS = 20.0
RENEWED = 100
"""Sites of which it is measured what loading them anew costs."""

Filled = list[tuple[str, list[str]]]
"""The keys of sites, each with those of its published surveys."""


def fill(url: str, *, sites: int, surveys: int) -> Filled:
    """Add so many sites to a store, each with so many published surveys."""
    return asyncio.run(_fill(url, sites, surveys))


async def _fill(url: str, sites: int, surveys: int) -> Filled:
    found, now = [], datetime.now(UTC)
    async with opened(Settings(database_url=url, secret=SECRET)) as database:
        for number in range(sites):
            async with database.write() as connection:
                site = await create_site(connection, f"Shop {number}", by="bench", now=now)
                keys = []
                for part in range(surveys):
                    document = document_of("csat_checkout", "en", f"Survey {part}")
                    survey = await create_survey(connection, site.id, document, by="bench", now=now)
                    await publish_survey(connection, site.id, survey.id, by="bench", now=now)
                    keys.append(survey.key)
            found.append((site.key, keys))
    return found


def answer_each(process: Process, filled: Filled, answers: int) -> None:
    """Some answers to each survey."""
    for number, (site, surveys) in enumerate(filled):
        for place, survey in enumerate(surveys):
            events = [
                {"type": "response", "id": f"{number:08x}-{place:04x}-7000-8000-{one:012x}", "survey": survey}
                | {"revision": 1, "page": "https://shop.example/", "language": "en", "automated": False, "touch": False}
                | {"secret": "dGhlIHNlY3JldCBvZiBvbm", "state": 1, "score": 1 + one % 5, "complete": True}
                for one in range(answers)
            ]
            address, body = f"{process.url}/w/{site}/events", json.dumps({"events": events})
            reply = process.http.post(address, content=body, headers={"User-Agent": PERSON})
            assert reply.status_code == 200, reply.text


def share_of_a_core(process: Process, filled: Filled, token: str) -> float:
    """Of the processor, what a collector uses while visitors come to every site, and nobody answers: as long as all is
    at hand, and what loading it anew as often as it does adds to that."""
    keys = [key for key, _ in filled]
    for key in keys:
        _visit(process, key)
    used, began, visits = process.processor_seconds(), time.monotonic(), 0
    while (now := time.monotonic() - began) < IDLE_SECONDS:
        if visits > now * len(keys) / VISITED_SECONDS:
            time.sleep(0.01)  # the next visitor is still to come
            continue
        _visit(process, keys[visits % len(keys)])
        visits += 1
    at_hand = (process.processor_seconds() - used) / (time.monotonic() - began)
    loading = _seconds_to_load(process, keys[:RENEWED], token)
    return at_hand + loading * len(keys) / (RENEW_SECONDS * HEARD_FACTOR)


def _seconds_to_load(process: Process, keys: Sequence[str], token: str) -> float:
    """Of the processor, for a site that is at hand and has not changed."""
    for key in keys:  # settings that are as they were, so that it is looked at anew
        address, headers = f"{process.url}/api/v1/sites/{key}", {"Authorization": f"Bearer {token}"}
        reply = process.http.patch(address, json={"consent_required": False}, headers=headers)
        assert reply.status_code == 200, reply.text
    used = process.processor_seconds()
    for key in keys:
        _visit(process, key)
    return (process.processor_seconds() - used) / len(keys)


def _visit(process: Process, key: str) -> None:
    assert process.http.get(f"{process.url}/w/{key}.js").status_code == 200


def seconds_until_live(site: Site, processes: Sequence[Process]) -> float:
    """From a publish at one collector until all of them serve it; who visits them all in turn sees it so late."""
    texts = [process.http.get(f"{process.url}/w/{site.key}.js").text for process in processes]
    survey = site.publish()["key"]
    assert not any(survey in text for text in texts)
    began = time.monotonic()
    for process in processes:
        while survey not in process.http.get(f"{process.url}/w/{site.key}.js").text:
            assert time.monotonic() - began < 20
            time.sleep(0.005)  # the pause between two looks at a condition
    return time.monotonic() - began
