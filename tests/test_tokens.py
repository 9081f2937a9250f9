"""Personalisation tokens, by the table that says what each becomes."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from collector.db import schema
from collector.errors import Invalid
from collector.surveys.document import read_document
from collector.surveys.personal import fault_in, fill
from tests.conftest import CONTRACT, App
from tests.events import impression
from tests.services import in_store, services_of
from tests.stores import number_of

TABLE = json.loads((CONTRACT / "tokens.json").read_text())
TOKEN = "Hi {contact.first_name|there}"
PLACES = (
    *("question", "follow_up/negative", "appearance/callout_text", "appearance/callout_closed_text"),
    *("thank_you/positive/heading", "thank_you/positive/body", "translations/nl/question"),
    *("translations/nl/thank_you/neutral/body", "translations/nl/follow_up/positive"),
)


def document(place: str, value: str) -> dict[str, Any]:
    """A call-out with this text in one place."""
    made: dict[str, Any] = {"name": "Survey", "metric": "csat", "question": "How was it?"}
    made |= {"appearance": {"position": "callout-left"}, "translations": {"nl": {"question": "Hoe was het?"}}}
    *path, last = place.split("/")
    part = made
    for key in path:
        part = part.setdefault(key, {})
    part[last] = value
    return made


@pytest.mark.parametrize("case", TABLE["filled"], ids=lambda case: case["text"])
def test_token_becomes_what_is_known_or_its_default(case: dict[str, Any]) -> None:
    assert fill(case["text"], case["known"]) == case["says"]
    assert fault_in(case["text"]) is None


@pytest.mark.parametrize("case", TABLE["refused"], ids=lambda case: case["text"])
def test_token_that_wont_do_is_told(case: dict[str, Any]) -> None:
    assert case["because"] in str(fault_in(case["text"]))


@pytest.mark.parametrize("place", PLACES)
def test_wherever_a_visitor_reads_it_a_token_is_told_of_and_filled(app: App, place: str) -> None:
    with pytest.raises(Invalid) as told:
        read_document(document(place, "Hi {contact.first_name}"))
    ((at, detail),) = [(fault.at, fault.detail) for fault in told.value.faults]
    assert (at, "without a default value" in detail) == (f"/{place}", True)
    app.site.publish(**document(place, TOKEN))
    script = app.client.get(f"/w/{app.site.key}.js").text
    assert "Hi there" in script
    assert "contact." not in script


def test_token_that_is_refused_since_keeps_no_site_from_being_served(app: App) -> None:
    """What an earlier release took is in the store, and in backups of it."""
    survey, other = app.site.publish(), app.site.publish()

    async def write(connection: Any) -> None:
        for table, own in ((schema.surveys, schema.surveys.c.id), (schema.revisions, schema.revisions.c.survey_number)):
            mine = own == (UUID(survey["id"]) if table is schema.surveys else await number_of(connection, survey))
            stored = (await connection.execute(select(table.c.document).where(mine))).scalar_one()
            changed = {**stored, "question": "Hi {contact.first_name}, how is {user.name}?"}
            await connection.execute(update(table).where(mine).values(document=changed))

    in_store(app, write)
    services_of(app).live.forget()
    script = app.client.get(f"/w/{app.site.key}.js")
    assert script.status_code == 200
    assert other["key"] in script.text
    assert app.send(impression(survey)).status_code == 200
    found = app.site.call("GET", f"/surveys/{survey['id']}").json()
    changed = app.site.call("PUT", f"/surveys/{survey['id']}", found["document"])
    assert (changed.status_code, changed.json()["errors"][0]["at"]) == (422, "/question")


def test_page_of_a_survey_fills_them_too(app: App) -> None:
    survey = app.site.publish(**document("question", TOKEN), delivery="link")
    text = app.client.get(f"/s/{app.site.key}-{survey['key']}").text
    assert "Hi there" in text
    assert "contact." not in text


def test_braces_of_another_kind_are_text() -> None:
    said = "Use {this} or {} or {\n} or {{}}"
    assert read_document(document("question", said)).question == said
