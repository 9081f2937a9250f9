"""The list of responses on a page that is open: it becomes what a reload would show, whatever came in between."""

from __future__ import annotations

import re
from typing import Any

import pytest

from collector.web.admin.responses import LATEST
from tests.conftest import App
from tests.editor import SCRIPT
from tests.events import response

ROW = re.compile(r'<li id="(r-[^"]+)"( hx-swap-oob="[^"]*")?>(.*?)</li>', re.DOTALL)


class Open:
    """A results page that someone looks at, with what htmx does to its list."""

    def __init__(self, owner: App, survey: dict[str, Any], query: str = "") -> None:
        self.owner = owner
        self.address = f"/admin/{owner.site.key}/{survey['id']}/responses{query}"
        text = owner.client.get(self.address).text
        self.rows = {name: row for name, _, row in ROW.findall(text)}
        self.end = "cursor=" in text
        self.asks = self._question(text)

    @staticmethod
    def _question(text: str) -> str:
        (address,) = re.findall(r'hx-get="([^"]*)"', text)
        return str(address).replace("&amp;", "&")

    def poll(self) -> bool:
        """Ask what has changed and change the list; whether there was anything."""
        reply = self.owner.client.get(self.asks, headers=SCRIPT)
        if reply.status_code == 204:
            return False
        assert reply.status_code == 200
        self.asks = self._question(reply.text)
        self.end = "cursor=" in reply.text
        listed = re.search(r'<ul id="responses" hx-swap-oob="(\w+)">(.*?)</ul>', reply.text, re.DOTALL)
        for name, swap, row in ROW.findall(reply.text.replace(listed[0], "") if listed else reply.text):
            if "delete" in swap:
                del self.rows[name]
            else:
                assert name in self.rows
                self.rows[name] = row
        if listed:
            new = {name: row for name, _, row in ROW.findall(listed[2])}
            if listed[1] == "innerHTML":
                self.rows = {}
            assert not new.keys() & self.rows.keys(), "no row twice"
            self.rows = {**new, **self.rows}
        return True

    @property
    def comments(self) -> list[str]:
        found = [re.search(r'class="comment" dir="auto">([^<]*)<', row) for row in self.rows.values()]
        return [one[1] if one else "" for one in found]

    def is_as_new(self) -> bool:
        """Whether a reload would show the same."""
        text = self.owner.client.get(self.address).text
        return list(self.rows.items()) == [(name, row) for name, _, row in ROW.findall(text)]


@pytest.fixture
def survey(owner: App) -> dict[str, Any]:
    return owner.site.publish()


def given(owner: App, survey: dict[str, Any], **change: Any) -> dict[str, Any]:
    event = response(survey, secret="of the browser that sends it", **change)
    assert owner.send(event).status_code == 200
    return event


def deleted(owner: App, *events: dict[str, Any]) -> None:
    for event in events:
        assert owner.site.call("DELETE", f"/responses/{event['id']}").status_code == 204


def test_newest_response_that_is_deleted_goes_and_nothing_doubles(owner: App, survey: dict[str, Any]) -> None:
    events = [given(owner, survey, comment=f"n{number}") for number in range(4)]
    page = Open(owner, survey)
    deleted(owner, events[3])
    assert page.poll()
    assert page.comments == ["n2", "n1", "n0"]
    assert not page.poll()
    deleted(owner, events[2], events[0])
    given(owner, survey, comment="n4")
    assert page.poll()
    assert page.comments == ["n4", "n1"]
    assert page.is_as_new()


def test_every_response_deleted_leaves_an_empty_list(owner: App, survey: dict[str, Any]) -> None:
    events = [given(owner, survey) for _ in range(3)]
    page = Open(owner, survey)
    deleted(owner, *events)
    assert page.poll()
    assert page.rows == {}
    given(owner, survey, comment="after")
    assert page.poll()
    assert page.comments == ["after"]


def test_comment_that_follows_its_score_comes_to_the_open_list(owner: App, survey: dict[str, Any]) -> None:
    given(owner, survey, comment="earlier")
    page = Open(owner, survey)
    event = given(owner, survey)
    assert page.poll()
    assert page.comments == ["", "earlier"]
    owner.send({**event, "state": 2, "comment": "twelve seconds later", "complete": True})
    assert page.poll()
    assert page.comments == ["twelve seconds later", "earlier"]
    assert "partial" not in next(iter(page.rows.values()))
    assert page.is_as_new()
    assert not page.poll()


def test_comment_of_an_older_score_comes_too(owner: App, survey: dict[str, Any]) -> None:
    events = [given(owner, survey) for _ in range(5)]
    page = Open(owner, survey)
    owner.send({**events[1], "state": 2, "comment": "late"})
    given(owner, survey, comment="new")
    assert page.poll()
    assert page.comments == ["new", "", "", "", "late", ""]
    assert page.is_as_new()


def test_more_news_than_the_list_holds_leave_no_gap(owner: App, survey: dict[str, Any]) -> None:
    given(owner, survey, comment="old")
    page = Open(owner, survey)
    owner.send(*(response(survey, comment=f"n{number}") for number in range(LATEST)))
    owner.send(*(response(survey, comment=f"m{number}") for number in range(20)))
    assert page.poll()
    assert len(page.rows) == LATEST
    assert page.end, "the earlier ones are a link away"
    assert page.is_as_new()
    given(owner, survey, comment="one more")
    assert page.poll()
    assert (len(page.rows), page.comments[0]) == (LATEST, "one more")
    assert page.is_as_new()


def test_comment_that_makes_a_response_match_comes_in_its_place(owner: App, survey: dict[str, Any]) -> None:
    first = given(owner, survey)
    given(owner, survey, comment="second")
    page = Open(owner, survey, "?commented=yes")
    assert page.comments == ["second"]
    owner.send({**first, "state": 2, "comment": "first"})
    assert page.poll()
    assert page.comments == ["second", "first"]
    assert page.is_as_new()


@pytest.mark.parametrize("known", ["", "x", "known=" + "A" * 5000, "after=0192", "known=%00", "known=" + "A" * 20])
def test_page_of_another_release_gets_the_whole_list(owner: App, survey: dict[str, Any], known: str) -> None:
    given(owner, survey, comment="one")
    page = Open(owner, survey)
    page.asks = f"{page.asks.partition('?')[0]}?{known}"
    assert page.poll()
    assert page.comments == ["one"]
