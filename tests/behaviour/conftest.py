"""One suite in three browsers: each test runs in Chromium, Firefox and WebKit (``-k webkit`` for one of them)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Playwright

from tests.behaviour.browsers import KINDS, Browsers
from tests.behaviour.stage import Stage
from tests.behaviour.visit import Visit, Visitor
from tests.conftest import Process, Site


@pytest.fixture(scope="session")
def theatre(collector: tuple[Process, str]) -> Iterator[Stage]:
    """The stage of a test process."""
    with Stage(collector[0].url) as stage:
        yield stage


@pytest.fixture(scope="session")
def browsers(theatre: Stage, playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browsers]:
    """Browsers that know no way but over the stage."""
    browsers = Browsers(playwright, theatre.proxy, tmp_path_factory.mktemp("browsers"))
    yield browsers
    browsers.end()


@pytest.fixture(params=KINDS)
def browser_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def stage(theatre: Stage) -> Iterator[Stage]:
    """The stage as new: no pages, no faults, nothing in its log."""
    theatre.reset()
    yield theatre
    theatre.heal()
    assert theatre.mistakes == []


@pytest.fixture
def visitor(browsers: Browsers, browser_kind: str, site: Site, stage: Stage) -> Iterator[Visitor]:
    """Makes visits, each in a profile of its own, which ends with the test; keywords go to Playwright's context."""
    visits: list[Visit] = []
    with ExitStack() as profiles:

        def visit(**options: Any) -> Visit:
            window = browsers.window(browser_kind, **options)
            profiles.callback(window.end)
            visits.append(Visit(site, stage, window, *visits[-1:]))
            return visits[-1]

        yield visit


@pytest.fixture
def visit(visitor: Visitor) -> Visit:
    return visitor()
