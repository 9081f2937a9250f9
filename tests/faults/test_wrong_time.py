"""Browsers whose clock is wrong by years: what they say is stored, and the server's time is what counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Table, text

from collector.db.schema import impressions, responses
from tests.conftest import BROWSER_SECRET, App

NOW = datetime.now(UTC)
MILLISECOND = timedelta(milliseconds=1)
"""What the REST interface says of a moment ends there."""
CLOCKS = {
    "ten years ahead": NOW + timedelta(days=3653),
    "ten years behind": NOW - timedelta(days=3653),
    "at the beginning of time": datetime.fromtimestamp(0, UTC),
    "at its end": datetime.max.replace(tzinfo=UTC),
}


@pytest.mark.parametrize("clock", CLOCKS)
def test_answer_of_a_browser_with_a_wrong_clock_is_dated_by_the_server(app: App, clock: str) -> None:
    survey = app.site.publish()
    about = {
        "survey": survey["key"],
        "revision": 1,
        "page": "https://shop.example/",
        "language": "en",
        "secret": BROWSER_SECRET,
    }
    shown = {"type": "impression", "id": id_at(CLOCKS[clock], 1), **about}
    given = {"type": "response", "id": id_at(CLOCKS[clock], 2), "impression": shown["id"], **about}
    later = {**given, "state": 2, "score": 5, "comment": "Better"}
    before = datetime.now(UTC)
    for events in ([shown], [{**given, "state": 1, "score": 3}], [later], [shown, later]):
        reply = app.send(*events)
        assert (reply.status_code, reply.json()["stored"]) == (200, [event["id"] for event in events])
    right = {**given, "id": id_at(NOW, 3), "impression": id_at(NOW, 4), "state": 1, "score": 1}
    assert app.send(right).status_code == 200

    stored = app.site.responses()
    assert [one["id"] for one in stored] == [right["id"], given["id"]], "the latest comes first"
    for one in stored:
        assert before - MILLISECOND < moment(one["created_at"]) <= moment(one["updated_at"]) < datetime.now(UTC)
    counts = app.site.results(survey)["counts"]
    assert (counts["impressions"], counts["scores"], counts["comments"]) == (2, 2, 1)
    since = (before - MILLISECOND).isoformat()
    assert len(app.site.responses(since=since)) == 2


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_months_that_strangers_named_in_advance_have_their_partition_when_they_come(app: App) -> None:
    survey = app.site.publish()
    about = {"survey": survey["key"], "revision": 1, "secret": BROWSER_SECRET}
    ahead = [NOW + timedelta(days=30 * month) for month in range(4, 49)]
    shown = [{"type": "impression", "id": id_at(at, 1), **about} for at in ahead]
    given = {
        "type": "response",
        "id": id_at(ahead[0], 2),
        "impression": shown[0]["id"],
        "state": 1,
        "score": 5,
        **about,
    }
    assert app.send(*shown, given).status_code == 200
    assert partition_of(app, impressions, shown[0]["id"]) == "impressions_other"

    later = ahead[0]
    database = app.client.app.state.services.database  # type: ignore[attr-defined]
    assert app.client.portal
    app.client.portal.call(database.maintain, later)
    assert partition_of(app, impressions, shown[0]["id"]) == f"impressions_{later:%Y_%m}"
    assert partition_of(app, responses, given["id"]) == f"responses_{later:%Y_%m}"
    fresh = {**given, "id": id_at(later, 3), "impression": id_at(later, 4)}
    assert app.send(fresh, {**given, "state": 2, "comment": "Later"}, *shown).status_code == 200
    assert partition_of(app, responses, fresh["id"]) == f"responses_{later:%Y_%m}"
    assert app.site.results(survey)["counts"] | {"emails": 0, "robots": 0} == {
        "impressions": 46,
        "dismissals": 0,
        "scores": 2,
        "comments": 1,
        "emails": 0,
        "robots": 0,
    }


def partition_of(app: App, table: Table, row: str) -> str:
    async def read() -> str:
        async with app.client.app.state.services.database.read() as connection:  # type: ignore[attr-defined]
            query = text(f"SELECT tableoid::regclass::text FROM {table.name} WHERE id = '{row}'")
            found: str = (await connection.execute(query)).scalar_one()
            return found

    assert app.client.portal
    return app.client.portal.call(read)


def moment(written: Any) -> datetime:
    return datetime.fromisoformat(written)


def id_at(time: datetime, number: int) -> str:
    """A UUIDv7 as a browser makes it whose clock says so."""
    return str(UUID(int=int(time.timestamp() * 1000) << 80 | 0x7 << 76 | 0b10 << 62 | number))
