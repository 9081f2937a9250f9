"""Deleting a survey: the way back, and that nothing of it is left once there is none."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from collector.channels.outbound import Outbound
from collector.db import schema
from collector.db.ids import new_id
from collector.db.kinds import INSTALLATION
from collector.db.outbox import Job
from collector.responses import removal
from collector.run.kinds import KINDS, Means
from collector.surveys.lifecycle import KEPT_DELETED
from tests.conftest import USER, App
from tests.events import impression, response
from tests.pages import plain
from tests.services import in_store, services_of
from tests.signed_in import acts, post
from tests.stores import differences_in, number_of

ABOUT = (schema.responses, schema.impressions, schema.rollups, schema.revisions)


def page_of(owner: App, survey: dict[str, Any]) -> str:
    return f"/admin/{owner.site.key}/{survey['id']}"


def answered(owner: App, *scores: int, **document: Any) -> dict[str, Any]:
    """A survey with answers, that was paused."""
    survey = owner.site.publish(**document)
    for score in scores:
        shown = impression(survey, page="https://shop.example/a")
        given = response(survey, impression=shown["id"], score=score, comment="Why not", page="https://shop.example/a")
        assert owner.send(shown, given).status_code == 200
    owner.site.call("POST", f"/surveys/{survey['id']}/pause")
    number = in_store(owner, lambda connection: number_of(connection, survey))
    return {**survey, "number": number}


def left_of(owner: App, survey: dict[str, Any]) -> list[int]:
    """Rows of each table."""

    async def count(connection: Any) -> list[int]:
        mine = survey["number"]
        queries = (select(func.count()).select_from(one).where(one.c.survey_number == mine) for one in ABOUT)
        return [(await connection.execute(query)).scalar_one() for query in queries]

    found: list[int] = in_store(owner, count)
    return found


def test_page_of_a_deleted_survey_says_nothing_of_it(owner: App) -> None:
    survey = answered(owner, question="How was the secret thing?")
    path = f"/s/{owner.site.key}-{survey['key']}"
    assert owner.client.get(path).status_code == 410
    assert owner.site.call("DELETE", f"/surveys/{survey['id']}").status_code == 204
    assert (reply := owner.client.get(path)).status_code == 404
    assert "the secret thing" not in reply.text


def test_survey_can_be_called_whatever_another_is_and_keeps_none_from_being_deleted(owner: App) -> None:
    survey = answered(owner)
    owner.site.publish(name=UUID(survey["id"]).hex)
    assert owner.site.call("DELETE", f"/surveys/{survey['id']}").status_code == 204


def remove_at(owner: App, moment: Callable[[], datetime]) -> int:
    """What a worker does now and then; how many surveys are gone."""
    app = services_of(owner)
    means, before = Means(app.database, app.signing, Outbound(), moment), len(owner.rows(schema.surveys.c.number))
    job = Job(INSTALLATION, new_id(), "removal", None, "", 1, new_id())
    do = KINDS["removal"].do
    assert do
    assert owner.client.portal
    owner.client.portal.call(do, means, job, None)
    return before - len(owner.rows(schema.surveys.c.number))


def test_survey_that_is_deleted_comes_back_with_its_answers(owner: App) -> None:
    survey = answered(owner, 5, 1, name="After checkout")
    page = page_of(owner, survey)
    assert f'action="{page}/delete"' in owner.client.get(page).text
    reply = post(owner, f"{page}/delete")
    listed = f"/admin/{owner.site.key}/surveys"
    assert (reply.status_code, reply.headers["location"]) == (303, f"{listed}?deleted={survey['id']}")
    text = owner.client.get(reply.headers["location"]).text
    assert "“After checkout” is deleted." in text
    assert text.count(f'action="{page}/bring-back"') == 2, "at once, and in the list of what was deleted"
    assert owner.client.get(page).status_code == 404
    assert owner.client.get(f"{page}/responses.csv").status_code == 404
    assert owner.client.get(f"{page}/edit/question").status_code == 404
    assert "Why not" not in str(owner.site.responses())
    assert post(owner, f"{page}/bring-back").status_code == 303
    assert "50 %" in plain(owner.client.get(page).text)
    assert len(owner.site.responses()) == 2
    assert "Deleted (" not in owner.client.get(f"/admin/{owner.site.key}/surveys").text
    done = [act for who, act in acts(owner) if who == USER]
    assert done[:2] == ["survey.restored", "survey.deleted"]


def test_its_name_is_free_and_another_is_found_when_it_comes_back(owner: App) -> None:
    survey = answered(owner, name="After checkout")
    post(owner, f"{page_of(owner, survey)}/delete")
    owner.site.publish(name="After checkout")
    post(owner, f"{page_of(owner, survey)}/bring-back")
    names = {one["document"]["name"] for one in owner.site.call("GET", "/surveys").json()["items"]}
    assert names == {"After checkout", "After checkout (2)"}


def test_published_survey_is_paused_before_it_is_deleted(owner: App) -> None:
    page = page_of(owner, owner.site.publish())
    assert "/delete" not in owner.client.get(page).text


def test_answer_to_a_survey_that_was_deleted_is_not_kept(owner: App) -> None:
    survey = answered(owner)
    post(owner, f"{page_of(owner, survey)}/delete")
    reply = owner.send(response(survey))
    assert reply.status_code == 409
    assert "is closed" in reply.text


def test_nothing_is_left_once_there_is_no_way_back(owner: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "AT_ONCE", 2)
    monkeypatch.setattr(removal, "AT_ONCE", 3)
    gone, other = answered(owner, 5, 4, 1, 2, 3), answered(owner, 5, 1)
    before = left_of(owner, other)
    assert 0 not in before
    post(owner, f"{page_of(owner, gone)}/delete")
    now = services_of(owner).clock()
    assert remove_at(owner, lambda: now + KEPT_DELETED) == 0
    assert left_of(owner, gone)[0] == 5
    assert remove_at(owner, lambda: now + KEPT_DELETED + removal.GRACE + timedelta(minutes=1)) == 1
    assert left_of(owner, gone) == [0] * len(ABOUT)
    assert left_of(owner, other) == before
    assert post(owner, f"{page_of(owner, gone)}/bring-back").status_code == 404
    assert owner.client.portal
    assert owner.client.portal.call(differences_in, services_of(owner).database) == []


def test_whoever_was_interrupted_at_it_goes_on(owner: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "AT_ONCE", 1)
    gone = answered(owner, 5, 4)
    post(owner, f"{page_of(owner, gone)}/delete")
    later = services_of(owner).clock() + KEPT_DELETED + timedelta(days=1)
    (due,) = in_store(owner, lambda one: removal.surveys_to_remove(one, now=later))
    assert in_store(owner, lambda one: removal.remove_responses(one, *due)) == 1
    assert left_of(owner, gone)[0] == 1
    assert remove_at(owner, lambda: later) == 1
    assert left_of(owner, gone) == [0] * len(ABOUT)
    assert remove_at(owner, lambda: later) == 0


def test_it_is_too_late_after_thirty_days(owner: App) -> None:
    survey = answered(owner)
    post(owner, f"{page_of(owner, survey)}/delete")
    text = plain(owner.client.get(f"/admin/{owner.site.key}/surveys").text)
    assert re.search(r"Permanently deleted, with its responses, on \d+ \w+ \d{4}", text)
    past = services_of(owner).clock() - KEPT_DELETED - timedelta(minutes=1)
    aged = schema.surveys.update().values(updated_at=past)
    in_store(owner, lambda connection: connection.execute(aged))
    assert "Deleted (" not in owner.client.get(f"/admin/{owner.site.key}/surveys").text
    assert post(owner, f"{page_of(owner, survey)}/bring-back").status_code == 404
