"""How much of the disk one address can fill, however it packs what it sends."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from collector.automations.webhooks import MOST
from tests.conftest import PERSON
from tests.faults.conftest import Place
from tests.faults.load import Answer

DEFAULTS = {"TEVREDEN_RATE_PER_ADDRESS": "6000", "TEVREDEN_RATE_PER_SITE": "120000"}
MOST_TAKEN = 100_000_000
"""Bytes in a minute, with as many webhooks as a site may have."""

_numbers = count()


def answers(place: Place, comment: str) -> bytes:
    """As many as one request takes."""
    events: list[dict[str, Any]] = []
    while len(events) < 50:
        event = {**Answer(next(_numbers)).event(place.survey, 1), "comment": comment}
        if len(json.dumps({"events": [*events, event]})) > 64_000:
            break
        events.append(event)
    return json.dumps({"events": events}).encode()


def disk_of(place: Place) -> int:
    """Bytes of the store's files."""
    store = Path(place.collector.store.removeprefix("sqlite:///"))
    return sum(file.stat().st_size for file in store.parent.glob(f"{store.name}*"))


@pytest.mark.parametrize("comment", ["", "x", "long " * 1990], ids=["none", "short", "long"])
def test_address_fills_no_more_than_a_hundred_megabytes_a_minute(
    begin: Callable[..., Place], sqlite_store: tuple[str, str], comment: str
) -> None:
    place = begin(sqlite_store, **DEFAULTS)
    for number in range(MOST):
        made = place.site.call("POST", "/webhooks", {"url": f"https://hooks.example/{number}"})
        assert made.status_code == 201, made.text
    before, sent = disk_of(place), 0
    url = f"{place.collector.url}/w/{place.site.key}/events"
    while True:
        body = answers(place, comment)
        reply = place.site.http.post(url, content=body, headers={"User-Agent": PERSON}, timeout=60)
        if reply.status_code == 429:
            break
        assert reply.status_code == 200, reply.text
        sent += len(body)
    taken = disk_of(place) - before
    assert taken <= MOST_TAKEN, f"{sent / 1e6:.1f} MB sent, {taken / 1e6:.1f} MB on disk"
