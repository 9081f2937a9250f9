"""The settings of a site: by its owner's page and by REST, and what follows from them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from collector.access.sites import MOST_PARAMETERS
from tests.conftest import ORIGIN, App, sign_in
from tests.events import response

PAGE = "https://shop.example/order?token=secret&utm_campaign=spring&email=jo%40example.com&utm%5Fsource=mail#jo"


def change(app: App, **settings: Any) -> Any:
    return app.site.call("PATCH", f"/sites/{app.site.key}", settings)


def test_parameters_that_a_site_keeps_are_stored_and_no_others(app: App) -> None:
    survey = app.site.publish()
    assert change(app, kept_parameters=["utm_campaign", "utm_source"]).status_code == 200
    app.send(response(survey, page=PAGE))
    stored = app.site.responses()[0]["page"]
    assert stored == "https://shop.example/order?utm_campaign=spring&utm%5Fsource=mail"
    assert change(app, kept_parameters=[]).json()["kept_parameters"] == []
    app.send(response(survey, page=PAGE))
    assert app.site.responses()[0]["page"] == "https://shop.example/order"


def test_what_is_left_out_of_a_change_stays(app: App) -> None:
    change(app, kept_parameters=["plan"])
    changed = change(app, consent_required=True).json()
    assert (changed["consent_required"], changed["kept_parameters"]) == (True, ["plan"])
    assert app.site.call("GET", f"/sites/{app.site.key}").json() == changed


@pytest.mark.parametrize(
    ("settings", "at"),
    [
        ({"consent_required": "yes"}, "/consent_required"),
        ({"kept_parameters": "plan"}, "/kept_parameters"),
        ({"kept_parameters": ["a=b"]}, "/kept_parameters"),
        ({"kept_parameters": ["a b"]}, "/kept_parameters"),
        ({"kept_parameters": [""]}, "/kept_parameters"),
        ({"kept_parameters": ["x" * 65]}, "/kept_parameters"),
        ({"kept_parameters": ["\u200b"]}, "/kept_parameters"),
        ({"kept_parameters": [f"p{number}" for number in range(MOST_PARAMETERS + 1)]}, "/kept_parameters"),
        ({"name": "Other"}, "/name"),
    ],
)
def test_wrong_setting_is_refused_with_its_place(app: App, settings: dict[str, Any], at: str) -> None:
    before = app.site.call("GET", f"/sites/{app.site.key}").json()
    reply = change(app, **settings)
    assert (reply.status_code, reply.json()["errors"][0]["at"]) == (422, at), json.dumps(reply.json())
    assert app.site.call("GET", f"/sites/{app.site.key}").json() == before


def test_owner_saves_settings_on_a_page_and_is_told_what_is_wrong(app: App) -> None:
    assert sign_in(app).status_code == 303
    address = f"/admin/{app.site.key}/settings"
    assert f'href="{address}"' in app.client.get("/admin").text
    saved = app.client.post(
        address, data={"consent_required": "on", "kept_parameters": "plan\r\nutm_campaign\r\n"}, headers=ORIGIN
    )
    assert saved.status_code == 303
    page = app.client.get(saved.headers["location"]).text
    assert "Saved." in page
    assert 'name="consent_required" aria-describedby="consent-hint" checked' in page
    assert ">plan\nutm_campaign</textarea>" in page
    wrong = app.client.post(address, data={"kept_parameters": "a=b <x>"}, headers=ORIGIN)
    assert wrong.status_code == 422
    assert "must be names such as utm_campaign" in wrong.text.lower()
    assert "a=b &lt;x&gt;" in wrong.text, "what was typed is still there"
    kept = app.site.call("GET", f"/sites/{app.site.key}").json()
    assert (kept["consent_required"], kept["kept_parameters"]) == (True, ["plan", "utm_campaign"])
    assert "changed the settings of a site" in app.client.get("/admin/log").text
