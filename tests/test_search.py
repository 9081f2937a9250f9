"""Looking for something from anywhere in the admin."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from tests.conftest import App, add_site
from tests.events import response
from tests.pages import plain
from tests.signed_in import person


def found(app: App, words: str, client: Any = None) -> dict[str, str]:
    """The addresses that were found, by their names."""
    reply = (client or app.client).get("/admin/search", params={"q": words})
    assert reply.status_code == 200
    links = re.findall(r'strong" href="([^"]+)">(.*?)</a>', reply.text)
    return {unescape(name).strip(): unescape(address) for address, name in links}


def test_surveys_of_every_site_are_found_those_at_hand_first(owner: App) -> None:
    other = add_site(owner.client, "", owner.site.token)
    mine, theirs = owner.site.publish(name="Café: After Checkout"), other.publish(name="Checkout elsewhere")
    owner.client.get(f"/admin/{owner.site.key}")
    hits = found(owner, "CHECKOUT")
    assert list(hits)[:2] == ["Café: After Checkout", "Checkout elsewhere"]
    assert hits["Café: After Checkout"] == f"/admin/{owner.site.key}/{mine['id']}"
    assert "Café: After Checkout" in found(owner, "CAFÉ")
    owner.client.get(f"/admin/{other.key}")
    assert next(iter(found(owner, "checkout"))) == "Checkout elsewhere"
    assert found(owner, "checkout")["Checkout elsewhere"] == f"/admin/{other.key}/{theirs['id']}"


def test_site_response_and_setting_are_found_and_comments_searched(owner: App) -> None:
    survey = owner.site.publish()
    given = response(survey, comment="Slow & steady")
    owner.send(given)
    owner.client.get(f"/admin/{owner.site.key}")
    assert f"/admin/{owner.site.key}" in found(owner, owner.site.key).values()
    assert found(owner, given["id"])["Response"] == f"/admin/{owner.site.key}/responses/{given['id']}"
    assert found(owner, "signing")["Webhooks"] == f"/admin/{owner.site.key}/settings/webhooks"
    assert found(owner, "two-factor")["Account"] == "/admin/account"
    comments = found(owner, "Slow & steady")["Search comments for “Slow & steady”"]
    assert "Slow &amp; steady" in owner.client.get(comments).text


def test_nobody_finds_what_is_not_theirs(owner: App) -> None:
    survey = owner.site.publish(name="A secret plan")
    given = response(survey)
    owner.send(given)
    stranger = person(owner, "stranger@example.com", None)
    assert found(owner, "secret", stranger) == {}
    assert found(owner, given["id"], stranger) == {}
    viewer = person(owner, "viewer@example.com", "viewer")
    assert "A secret plan" in found(owner, "secret", viewer)
    assert "Webhooks" not in found(owner, "webhooks", viewer)
    assert found(owner, "two-factor", viewer)["Account"] == "/admin/account"
    own = person(owner, "own@example.com", "owner")
    own.get(f"/admin/{owner.site.key}")
    for words in ("a", "e", "o"):
        for address in found(owner, words, own).values():
            assert own.get(address).status_code == 200, address


@pytest.mark.parametrize("words", ["", " ", "\u200b", "x" * 5_000, "a\0b", '"><script>alert(1)</script>'])
def test_whatever_is_typed_is_answered_with_a_page(owner: App, words: str) -> None:
    page = owner.client.get("/admin/search", params={"q": words}).text
    assert "<script>alert" not in page
    assert "Search" in plain(page)
