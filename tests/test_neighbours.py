"""One answer that the store refuses costs no other one anything."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import anyio
import pytest

from tests.conftest import App
from tests.events import impression, response
from tests.postgres import Cluster
from tests.services import services_of

POISON = "poison"
POSTGRES_ALONE = pytest.mark.parametrize("store", ["postgresql"], indirect=True)


@pytest.fixture
def survey(app: App) -> dict[str, Any]:
    return app.site.publish()


def refuse_poison(app: App, request: pytest.FixtureRequest, state: str = "22P05") -> None:
    """From now on the store refuses a comment, as one that is not UTF-8 refuses what it has no letters for."""
    name = services_of(app).database.name
    if name.startswith("postgres"):
        cluster: Cluster = request.getfixturevalue("postgres")
        database = name.rpartition("/")[2]
        cluster.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF NEW.comment = '{POISON}' THEN RAISE EXCEPTION 'no such letter' USING ERRCODE = '{state}'; END IF; "
            "RETURN NEW; END $$",
            database=database,
        )
        cluster.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON responses FOR EACH ROW EXECUTE FUNCTION refuse()",
            database=database,
        )
        return
    with closing(sqlite3.connect(name)) as connection:
        connection.execute(
            f"CREATE TRIGGER refuse BEFORE INSERT ON responses WHEN NEW.comment = '{POISON}' "
            "BEGIN SELECT RAISE(ABORT, 'no such letter'); END"
        )
        connection.commit()


def test_event_that_the_store_refuses_does_not_hold_up_those_that_came_with_it(
    app: App, survey: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    refuse_poison(app, request)
    shown = impression(survey)
    good = [response(survey, impression=shown["id"]), response(survey, comment="Fine 👍")]
    poison = response(survey, comment=POISON)
    reply = app.send(shown, good[0], poison, good[1])
    assert reply.status_code == 200
    assert reply.json()["stored"] == [shown["id"], good[0]["id"], good[1]["id"]]
    assert list(reply.json()["refused"]) == [poison["id"]]
    found = {one["id"]: one for one in app.site.responses()}
    assert set(found) == {one["id"] for one in good}
    assert len({one["visitor"] for one in found.values()}) == 1, "one browser is one visitor"
    assert "visitor" in reply.json()
    counts = app.site.results(survey)["counts"]
    assert (counts["impressions"], counts["scores"]) == (1, 2)


@POSTGRES_ALONE
def test_text_that_the_store_has_no_letters_for_is_refused_for_good(
    app: App, survey: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    refuse_poison(app, request)
    reply = app.send(response(survey, comment=POISON))
    assert (reply.status_code, reply.json()["permanent"]) == (422, True)
    assert app.send(response(survey)).status_code == 200


def test_requests_beside_one_that_is_refused_are_stored_and_cost_few_transactions(
    app: App, survey: dict[str, Any], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_poison(app, request)
    intake, database = services_of(app).intake, services_of(app).database
    transactions, run = 0, database.batch

    async def counted(begin: Any) -> Any:
        nonlocal transactions
        transactions += 1
        return await run(begin)

    monkeypatch.setattr(database, "batch", counted)
    good = [response(survey) for _ in range(63)]
    poison = response(survey, comment=POISON)
    monkeypatch.setattr(intake, "_idle", 0)  # what arrives gathers for one batch
    with ThreadPoolExecutor(64) as pool:
        sent = [pool.submit(app.send, one) for one in (*good[:40], poison, *good[40:])]
        assert app.client.portal
        app.client.portal.call(gathered, intake, 64)
        monkeypatch.setattr(intake, "_idle", 1)
        last = app.send(response(survey))
        statuses = [one.result(30).status_code for one in sent]
    assert last.status_code == 200
    assert [status for status in statuses if status != 200] == [statuses[40]]
    assert len(app.site.responses(limit=100)) == 64
    assert transactions <= 2 * 7 + 2, "found by halves, not one by one"


async def gathered(intake: Any, wanted: int) -> None:
    with anyio.fail_after(30):
        while intake.waiting < wanted:
            await anyio.sleep(0.01)  # the pause between two looks at a condition
