"""Whether a site's tag is in its pages, told to its owner by what browsers ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from collector.db.store import Database
from collector.errors import Unavailable
from collector.web.visitors import sightings
from tests.conftest import App
from tests.pages import plain
from tests.services import in_app, services_of

PAGE = "https://www.Shop.example:8443/order?token=secret"


def ask(app: App, key: str = "", **headers: str) -> int:
    """Ask for the script, and wait until what that leads to is done."""
    status = app.client.get(f"/w/{key or app.site.key}.js", headers=headers).status_code
    in_app(app, services_of(app).sightings.close)
    return int(status)


def told(app: App) -> str:
    """What the settings say of the tag."""
    text = plain(app.client.get(f"/admin/{app.site.key}/settings").text)
    return str(re.findall(r"(Last seen on \S+|Not seen on any page yet\.)", text)[0])


@pytest.fixture
def written() -> Iterator[list[str]]:
    """The statements that write a sighting down."""
    statements: list[str] = []

    def hear(_: Any, __: Any, statement: str, *___: Any) -> None:
        if "tag_seen_on" in statement and statement.startswith("UPDATE"):
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", hear)
    yield statements
    event.remove(Engine, "before_cursor_execute", hear)


def test_page_that_asks_for_the_script_is_told_on_home_and_in_settings(owner: App) -> None:
    owner.site.publish()
    assert told(owner) == "Not seen on any page yet."
    assert "Paste it into the <code>&lt;head&gt;</code>" in owner.client.get(f"/admin/{owner.site.key}").text
    assert ask(owner, Referer=PAGE, **{"Sec-Fetch-Dest": "script"}) == 200
    assert told(owner) == "Last seen on www.shop.example"
    assert "Seen on www.shop.example" in plain(owner.client.get(f"/admin/{owner.site.key}").text)


def test_page_with_the_pinned_tag_is_seen_as_well(owner: App) -> None:
    headers = {"Referer": PAGE, "Sec-Fetch-Dest": "empty"}
    assert owner.client.get(f"/w/{owner.site.key}.json?format=1", headers=headers).status_code == 200
    in_app(owner, services_of(owner).sightings.close)
    assert told(owner) == "Last seen on www.shop.example"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Referer": "about:blank"},
        {"Referer": "https://<script>alert(1)</script>/"},
        {"Referer": f"https://{'x' * 300}.example/"},
        {"Referer": PAGE, "Sec-Fetch-Dest": "document"},
    ],
)
def test_whoever_names_no_page_is_none(owner: App, headers: dict[str, str]) -> None:
    assert ask(owner, **headers) == 200
    assert told(owner) == "Not seen on any page yet."


def test_it_is_written_down_once_an_hour_and_never_for_a_site_that_is_not_there(owner: App, written: list[str]) -> None:
    for _ in range(5):
        ask(owner, Referer=PAGE)
        assert ask(owner, "nosuchsite12", Referer=PAGE) == 404
    assert len(written) == 1
    assert len(services_of(owner).sightings._next) == 1
    services_of(owner).sightings._next[owner.site.key] -= sightings.EVERY_SECONDS
    ask(owner, Referer="http://[::1]:8000/")
    assert len(written) == 2
    assert told(owner) == "Last seen on [::1]"


def test_script_is_served_while_nothing_can_be_stored_and_the_next_request_tries_again(
    owner: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: Database) -> Any:
        raise Unavailable

    with monkeypatch.context() as patched:
        patched.setattr(type(services_of(owner).database), "write", away)
        assert ask(owner, Referer=PAGE) == 200
    assert told(owner) == "Not seen on any page yet."
    assert ask(owner, Referer=PAGE) == 200
    assert told(owner) == "Last seen on www.shop.example"
