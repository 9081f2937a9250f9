"""Somebody guesses at a password from everywhere at once."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from ipaddress import IPv4Address
from typing import Any

from sqlalchemy import select, update
from starlette.testclient import TestClient

from collector.access.guesses import WITHIN
from collector.db.schema import guesses
from collector.web.admin.throttle import TRIES
from tests.conftest import ORIGIN, PASSWORD, USER, App
from tests.faults.times import times
from tests.services import in_store

GUESSES = times(300, 10_000)
FIRST = int(IPv4Address("198.18.0.0"))


def enter(app: App, address: str, password: str, email: str = USER) -> int:
    client = TestClient(app.client.app, "http://collector.test", client=(address, 5000), follow_redirects=False)
    client.portal = app.client.portal
    form = {"email": email, "password": password}
    return int(client.post("/admin/sign-in", data=form, headers=ORIGIN).status_code)


def test_ten_guesses_at_an_account_are_looked_at_and_no_more(app: App) -> None:
    known = app.client.post("/admin/sign-in", data={"email": USER, "password": PASSWORD}, headers=ORIGIN)
    assert known.status_code == 303
    found = Counter(enter(app, str(IPv4Address(FIRST + number)), f"guess {number}") for number in range(GUESSES))
    assert found == {401: TRIES, 429: GUESSES - TRIES}
    strangers = Counter(
        enter(app, str(IPv4Address(FIRST + GUESSES + number)), "guess", "nobody@example.com") for number in range(20)
    )
    assert strangers == {401: TRIES, 429: 20 - TRIES}, "an account that is not there is no different"
    again = app.client.post("/admin/sign-in", data={"email": USER, "password": PASSWORD}, headers=ORIGIN)
    assert again.status_code == 303, "where the owner has signed in before, nothing is in the way"
    assert enter(app, "203.0.113.7", PASSWORD) == 429
    over = timedelta(seconds=WITHIN.total_seconds() + 1)

    async def age(connection: Any) -> None:
        for row in (await connection.execute(select(guesses))).all():
            here = [column == getattr(row, column.name) for column in guesses.primary_key]
            await connection.execute(update(guesses).where(*here).values(at=row.at - over))

    in_store(app, age)
    assert enter(app, "203.0.113.7", PASSWORD) == 303, "and anywhere else a quarter of an hour later"
