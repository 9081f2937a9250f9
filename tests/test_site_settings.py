"""The settings of a site: by its owner's page and by REST, and what follows from them."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest

from collector.access.sites import MOST_PARAMETERS, SECRETS_OVERLAP
from collector.db.schema import audit
from tests.conftest import ORIGIN, App, add_site, sign_in
from tests.events import response
from tests.services import services_of
from tests.signed_in import acts, make_token, post

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


def test_site_is_renamed_by_its_page_and_a_name_that_is_taken_is_told(owner: App) -> None:
    other = add_site(owner.client, "", owner.site.token)
    taken = owner.site.call("GET", f"/sites/{other.key}").json()["name"]
    page = f"/admin/{owner.site.key}/settings"
    assert post(owner, page, name="  Shop & Söhne ", time_zone="UTC").status_code == 303
    assert owner.site.call("GET", f"/sites/{owner.site.key}").json()["name"] == "Shop & Söhne"
    assert "Shop &amp; Söhne" in owner.client.get("/admin/sites").text
    assert acts(owner)[1][1] == "site.renamed"
    for name, status in ((taken, 409), ("\u200b", 422), ("x" * 201, 422)):
        reply = post(owner, page, name=name, consent_required="on", time_zone="UTC")
        assert (reply.status_code, 'id="name-wrong"' in reply.text) == (status, True), name
    site = owner.site.call("GET", f"/sites/{owner.site.key}").json()
    assert (site["name"], site["consent_required"]) == ("Shop & Söhne", False), "nothing half saved"


def test_frequency_is_set_on_its_page_and_what_will_not_do_is_told(owner: App) -> None:
    page = f"/admin/{owner.site.key}/settings/frequency"
    assert change(owner, kept_parameters=["plan"]).status_code == 200
    assert post(owner, page, quiet_days="14").headers["location"] == f"{page}?saved"
    site = owner.site.call("GET", f"/sites/{owner.site.key}").json()
    assert site["frequency"] == {"quiet_days": 14, "once_per_session": False}
    assert site["kept_parameters"] == ["plan"], "the other settings stay"
    for days in ("366", "-1", "a week", "1.5", "٣", "9" * 6):
        reply = post(owner, page, quiet_days=days, once_per_session="on")
        assert (reply.status_code, 'id="quiet-wrong"' in reply.text, f'value="{days}"' in reply.text) == (
            422,
            True,
            True,
        )
    assert post(owner, page, quiet_days="", once_per_session="on").status_code == 303
    site = owner.site.call("GET", f"/sites/{owner.site.key}").json()
    assert site["frequency"] == {"quiet_days": 0, "once_per_session": True}
    assert post(owner, f"/admin/{owner.site.key}/settings", quiet_days="3", time_zone="UTC").status_code == 303
    assert owner.site.call("GET", f"/sites/{owner.site.key}").json()["frequency"]["quiet_days"] == 0


def test_brand_stays_until_another_takes_its_place(app: App) -> None:
    brand = {"logo": "/i/0a1b2c.png", "color": "#8a2be2"}
    assert change(app, brand=brand).json()["brand"] == brand
    assert change(app, consent_required=True).json()["brand"] == brand
    assert change(app, brand={"color": "#0b7"}).json()["brand"] == {"logo": None, "color": "#0b7"}


def test_frequency_is_one_survey_a_session_until_the_owner_says_otherwise(app: App) -> None:
    usual = {"quiet_days": 0, "once_per_session": True}
    assert app.site.call("GET", f"/sites/{app.site.key}").json()["frequency"] == usual
    rare = {"quiet_days": 30, "once_per_session": False}
    assert change(app, frequency=rare).json()["frequency"] == rare
    assert change(app, consent_required=True).json()["frequency"] == rare
    assert change(app, frequency={"quiet_days": None}).json()["frequency"] == usual
    assert list(app.rows(audit.c.act)).count(("site.changed",)) == 3


def test_frequency_stays_when_the_settings_page_is_saved(app: App) -> None:
    change(app, frequency={"quiet_days": 7, "once_per_session": False})
    sign_in(app)
    app.client.post(f"/admin/{app.site.key}/settings", data={"kept_parameters": "plan"}, headers=ORIGIN)
    assert change(app).json()["frequency"] == {"quiet_days": 7, "once_per_session": False}


def test_frequency_travels_in_the_newest_format_and_only_as_far_as_it_is_set(app: App) -> None:
    app.site.publish()

    def sent(number: int) -> dict[str, Any]:
        config: dict[str, Any] = app.client.get(f"/w/{app.site.key}.json?format={number}").json()
        return config

    assert {"os": True}.items() <= sent(3).items()
    assert "qd" not in sent(3)
    change(app, frequency={"quiet_days": 30, "once_per_session": False})
    assert (sent(3)["qd"], "os" in sent(3)) == (30, False)
    for older in (1, 2):
        assert set(sent(older)) == {"si", "su"}, "loaders of that time know nothing of it"


def test_own_page_of_a_survey_wears_the_brand_of_its_site(app: App) -> None:
    survey = app.site.publish()
    path = f"/s/{app.site.key}-{survey['key']}"
    name = app.site.call("GET", f"/sites/{app.site.key}").json()["name"]
    assert f'<b dir="auto">{name}</b>' in app.client.get(path).text
    change(app, brand={"logo": "/i/0a1b2c.png", "color": "#8a2be2"})
    page = app.client.get(path).text
    assert f'<img src="/i/0a1b2c.png" alt="{name}">' in page
    assert 'data-color="#8a2be2"' in page


@pytest.mark.parametrize(
    ("settings", "at"),
    [
        ({"consent_required": "yes"}, "/consent_required"),
        ({"kept_parameters": "plan"}, "/kept_parameters"),
        ({"brand": {"color": "teal"}}, "/brand/color"),
        ({"brand": {"logo": "https://elsewhere.example/logo.png"}}, "/brand/logo"),
        ({"brand": {"logo": "/i/../admin.png"}}, "/brand/logo"),
        ({"brand": {"slogan": "Plants!"}}, "/brand/slogan"),
        ({"frequency": {"quiet_days": -1}}, "/frequency/quiet_days"),
        ({"frequency": {"quiet_days": 366}}, "/frequency/quiet_days"),
        ({"frequency": {"quiet_days": 1.5}}, "/frequency/quiet_days"),
        ({"frequency": {"quiet_days": "7"}}, "/frequency/quiet_days"),
        ({"frequency": {"quiet_days": True}}, "/frequency/quiet_days"),
        ({"frequency": {"once_per_session": None}}, "/frequency/once_per_session"),
        ({"frequency": {"per_year": 1}}, "/frequency/per_year"),
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
    assert f'href="{address}"' in app.client.get(f"/admin/{app.site.key}").text
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


def signed(secret: str, email: str) -> dict[str, str]:
    return {"email": email, "signature": hmac.new(secret.encode(), email.encode(), hashlib.sha256).hexdigest()}


def verified(app: App, survey: dict[str, Any], secret: str) -> bool:
    given = response(survey, identity=signed(secret, "jo@example.com"))
    assert app.send(given).status_code == 200
    found: bool = app.site.call("GET", f"/responses/{given['id']}").json()["email_verified"]
    return found


def test_secret_of_identify_is_renewed_and_two_hold_for_a_while(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    survey = app.site.publish()
    secrets = [app.site.identify_secret]
    for _ in range(2):
        renewed = app.site.call("POST", f"/sites/{app.site.key}/identify-secret")
        assert renewed.status_code == 200, renewed.text
        secrets.append(renewed.json()["identify_secret"])
    assert len(set(secrets)) == 3
    assert app.site.call("GET", f"/sites/{app.site.key}").json()["identify_secret"] == secrets[2]
    assert [verified(app, survey, secret) for secret in secrets] == [False, True, True]

    services = services_of(app)
    later = services.clock() + SECRETS_OVERLAP + timedelta(minutes=1)
    monkeypatch.setattr(services.live, "_clock", lambda: later)
    services.live.forget(app.site.key)
    assert [verified(app, survey, secret) for secret in secrets] == [False, False, True]
    assert [act for (act,) in app.rows(audit.c.act)].count("identify.renewed") == 2


def test_secret_of_identify_is_renewed_by_who_owns_the_site_alone(owner: App) -> None:
    app, reading = owner, make_token(owner, name="Reads")
    path = f"/api/v1/sites/{app.site.key}/identify-secret"
    assert app.client.post(path, headers={"Authorization": f"Bearer {reading}"}).status_code == 403
    assert app.client.post(path).status_code == 401
    assert app.site.call("POST", "/sites/abcdefghjkmn/identify-secret").status_code == 404
