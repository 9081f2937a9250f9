"""Pages in a real browser, on any address, with the tag of a site on the running collector."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, BrowserType, Locator, Page, Request, Route, expect

from tests.browser.install import system
from tests.conftest import PERSON, Site

BLANK = "<h1>A page</h1><p>Some text.</p>"
TALL = BLANK + '<div style="height: 4000px"></div>'


CHROMIUM = [
    "--disable-gpu",
    f"--user-agent={PERSON}",  # a headless one counts as a robot's
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--disable-blink-features=AutomationControlled",  # else every answer counts as a robot's
    # pages of shop.example ask a collector on this machine, and http stays http
    "--disable-features=LocalNetworkAccessChecks,HttpsUpgrades,HttpsFirstBalancedModeAutoEnable",
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
]


def launch_options(browser_type: BrowserType) -> dict[str, Any]:
    """Playwright's own browser where it was downloaded, else the system's."""
    if Path(browser_type.executable_path).exists():
        return {"args": CHROMIUM}
    there = system("chromium")
    assert there, "no browser: run make browser"
    return {"args": CHROMIUM, "executable_path": there}


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type: BrowserType) -> dict[str, Any]:
    return launch_options(browser_type)


class Visit:
    """One browser context on pages that carry a site's tag."""

    def __init__(self, context: BrowserContext, site: Site) -> None:
        self.context = context
        self.site = site
        self.page = context.new_page()
        self.requests: list[Request] = []
        self.errors: list[str] = []
        self.body = BLANK
        self.head = ""
        self.lang = "en"
        self.direction = "ltr"
        self.tag_options = ""
        self.headers: dict[str, str] = {}
        self.still = False
        self.page.on("request", lambda request: self.requests.append(request))  # noqa: PLW0108  a builtin cannot carry what Playwright ties to it
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        context.route(re.compile(r"^https?://(?!127\.0\.0\.1:)"), self._serve)

    def _serve(self, route: Route) -> None:
        if route.request.resource_type != "document":
            route.fulfill(status=404, body="")
            return
        tag = self.site.tag.replace("<script ", f"<script {self.tag_options} ") if self.site.tag else ""
        route.fulfill(
            content_type="text/html; charset=utf-8",
            headers=self.headers,
            body=f"""<!doctype html><html lang="{self.lang}" dir="{self.direction}"><head>
            <meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
            {self.head}{tag}</head><body>{self.body}</body></html>""",
        )

    def open(self, url: str = "http://shop.example/") -> Visit:
        """Open a page and wait until the loader has begun."""
        self.page.goto(url)
        self.page.wait_for_function("window.tevreden && !Array.isArray(window.tevreden)")
        return self

    @property
    def survey(self) -> Locator:
        return self.page.locator("tevreden-survey")

    def to_collector(self) -> list[Request]:
        """What the widget asked for, other than to explain itself to a test."""
        return [one for one in self.requests if one.url.startswith(self.site.url) and "/w/explain-" not in one.url]

    def stand_still(self) -> None:
        """Let time on the page move only when the test says so."""
        self.page.clock.install()
        self.page.clock.pause_at("2030-01-01T12:00:00")
        self.still = True

    def expect_shown(self) -> Locator:
        until, spent = monotonic() + 15, 0
        while self.still and not self.survey.is_visible() and monotonic() < until:
            # what draws has to come, which takes its own time, and other tabs may want to show it as well
            coming = any("/w/ui-" in request.url for request in self.requests)
            if not coming and spent >= 2_000:
                break
            self.page.clock.run_for(20)
            spent += 20
        expect(self.survey).to_be_visible()
        return self.survey

    def expect_not_shown(self, because: str | None = None) -> None:
        """Nothing on the page, and nothing on its way: to show, the loader would have asked for what draws by now."""
        reasons = self.page.evaluate("tevreden.explain().then((all) => all.map((one) => one.reason))")
        if because:
            assert because in reasons, reasons
        assert not [request for request in self.requests if "/w/ui-" in request.url]
        assert self.survey.count() == 0

    def answer(self, score: str) -> None:
        self.survey.get_by_role("radio", name=score, exact=True).check()

    def settle(self) -> None:
        """Wait until the collector has acknowledged everything."""
        self.page.wait_for_function(
            "(site) => !Object.keys(localStorage).some((key) => key.startsWith(`tv_${site}.`))", arg=self.site.key
        )

    def send(self, email: str = "") -> None:
        """Send the comment and then, if it is asked for, the e-mail address or none."""
        with self.page.expect_response(lambda reply: '"complete":true' in (reply.request.post_data or "")) as reply:
            self.send_unheard(email)
        assert reply.value.status == 200, reply.value.text()

    def send_unheard(self, email: str = "") -> None:
        """The same, though the collector may be away."""
        button, field = self.survey.locator("form button"), self.survey.locator("#email")
        if not field.count():
            button.click()
        if field.count():
            field.fill(email)
            button.click()


Visitor = Callable[..., Visit]
Windows = Callable[..., BrowserContext]


@pytest.fixture
def visitor(browser: Browser, site: Site) -> Iterator[Visitor]:
    """Makes visits, each a browser of its own; keywords go to the browser context."""
    contexts: list[BrowserContext] = []

    def visit(**options: Any) -> Visit:
        usual = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"}
        context = browser.new_context(**{**usual, **options})
        context.set_default_timeout(10_000)
        contexts.append(context)
        return Visit(context, site)

    yield visit
    for context in contexts:
        context.close()


@pytest.fixture
def visit(visitor: Visitor) -> Visit:
    return visitor()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a browser of its own, for what needs no site."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture
def windows(browser: Browser) -> Iterator[Windows]:
    """Opens windows that are closed in the end."""
    opened: list[BrowserContext] = []

    def window(**options: Any) -> BrowserContext:
        opened.append(browser.new_context(**options))
        return opened[-1]

    yield window
    for one in opened:
        one.close()
