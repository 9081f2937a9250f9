"""``make bench-widget`` on our own pages, once, and on pages that it must refuse."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserType

from tests.benchmarks.widget import loads, pages
from tests.benchmarks.widget.__main__ import measure
from tests.benchmarks.widget.hosting import Host, hosting
from tests.conftest import Process, add_site


@pytest.fixture
def host() -> Iterator[Host]:
    with hosting() as running:
        yield running


@pytest.fixture
def alone_here(browser_type: BrowserType, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """A browser that reaches this machine alone, and no more time than a test needs."""
    monkeypatch.setattr(loads, "SECONDS", 0.3)
    monkeypatch.setattr(loads, "SLOWED", 1)
    with loads.browser(browser_type) as browser:
        yield browser


def test_our_pages_are_measured(alone_here: Browser, host: Host, collector: tuple[Process, str]) -> None:
    process, token = collector
    other, matching = (add_site(process.http, process.url, token) for _ in range(2))
    cpu, seen = measure(alone_here, pages.empty(host), pages.ours(host, other, matching), rounds=1)
    none, shown = seen["none"], seen["shown"]
    assert cpu > 0
    assert (none.median("requests"), shown.median("requests")) == (1, 3)
    assert 1500 < none.median("bytes") < shown.median("bytes") - 1500
    assert 0 < none.median("heap") < shown.median("heap")
    assert none.median("script") > 0
    assert none.shown == []
    assert shown.median("shown") > loads.LATENCY


@pytest.mark.parametrize(
    ("tags", "works", "shows", "fault"),
    [
        ("", "true", "#question", "nothing to see"),
        ("<style>h1 { opacity: 0 }</style>", "true", "h1", "nothing to see"),
        ("<style>h1 { margin-top: -200px }</style>", "true", "h1", "nothing to see"),
        ("", "false", "", "not at work"),
        ("", "nobody.works", "", "nobody is not defined"),
        ('<script src="https://elsewhere.example/x.js"></script>', "true", "", "not on this machine"),
        ('<script src="/nothing.js"></script>', "true", "", "answers 404"),
        ("<script>throw new Error('broken')</script>", "true", "", "broken"),
    ],
)
def test_page_that_does_not_do_its_part_fails_by_its_name(
    alone_here: Browser, host: Host, tags: str, works: str, shows: str, fault: str
) -> None:
    with pytest.raises(AssertionError, match=rf"(?s)^Nobody's tool;.*{fault}"):
        loads.cost(alone_here, pages.make(host, "Nobody's tool", tags, works, shows))
