"""What the pytest plugin hands out: a collector to throw away, and surveys on a Playwright page."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urldefrag, urlsplit

from collector.testing.check import COVERED
from collector.testing.framing import allowing, made_up, with_tag

if TYPE_CHECKING:
    import httpx2
    from playwright.sync_api import Locator, Page, Route

ADDRESS = "https://tevreden.test"
"""Where pages under test find the collector: Playwright hands what they ask of it on, so that any page can reach it."""
START_SECONDS = 30
PHONE = (390, 844)
EMAIL = "input[type=email]"
A_DAY = timedelta(days=1)
ANOTHER = re.compile(r"/w/([a-z0-9]{12}|loader-[a-f0-9]{12})\.js")
SETTLE_SECONDS = 5
NEAR = 40
"""CSS pixels between a survey and the edges of the window that it belongs to, at most."""

Rule = Literal["consent", "manual", "page", "excluded", "screen", "sample", "answered", "seen", "quiet", "session"]
Reason = Rule | Literal["waiting", "hidden", "fullscreen", "modal", "typing", "turn"]
Placement = Literal["slide-in-left", "slide-in-right", "callout-left", "callout-right", "banner"]


@dataclass(frozen=True)
class Collector:
    """A running collector, and a token for its REST interface."""

    url: str
    token: str
    http: httpx2.Client

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Ask the REST interface. Raises ``ValueError`` with what it says is wrong, and where."""
        headers = {"Authorization": f"Bearer {self.token}"}
        reply = self.http.request(method, f"{self.url}/api/v1{path}", params=query, json=body, headers=headers)
        answer = reply.json()
        if reply.is_error:
            faults = "; ".join(f"{one['at']}: {one['detail']}" for one in answer.get("errors", []))
            raise ValueError(faults or answer.get("detail") or answer["title"])
        return answer


@contextmanager
def running(folder: Path) -> Iterator[Collector]:
    """A collector of its own, in a folder that is thrown away. Raises ``RuntimeError`` when it does not start."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TEVREDEN_")}
    own = {"PORT": str(port), "SECRET": secrets.token_hex(32), "RATE_PER_ADDRESS": "0", "RATE_PER_SITE": "0"}
    environment = {**kept, **{f"TEVREDEN_{name}": value for name, value in own.items()}}
    command = [sys.executable, "-m", "collector"]
    made = subprocess.run(  # noqa: S603
        [*command, "token", "add", "tests"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise RuntimeError(f"the collector did not start: {made.stderr}")
    httpx = import_module("httpx2")  # every pytest run reads this file, and few need it
    log = folder / "collector.log"
    with log.open("wb") as output, httpx.Client(timeout=START_SECONDS, trust_env=False) as http:
        process = subprocess.Popen(  # noqa: S603
            [*command, "serve"], cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            collector = Collector(f"http://127.0.0.1:{port}", made.stdout.strip(), http)
            _await_ready(collector, process, log, httpx.TransportError)
            yield collector
        finally:
            process.terminate()
            try:
                process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_ready(collector: Collector, process: subprocess.Popen[bytes], log: Path, away: type[Exception]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(away):
            if collector.http.get(collector.url + "/readyz").status_code == HTTPStatus.OK:
                return
        time.sleep(0.02)  # the pause between two looks
    raise RuntimeError(f"the collector did not start: {log.read_text('utf-8', 'replace')[-2000:]}")


class SurveyKit:
    """The surveys of one site, on one Playwright page. Assertions are about the survey that was published last."""

    def __init__(self, page: Page, collector: Collector) -> None:
        self.page = page
        self.collector = collector
        self.published: dict[str, Any] = {}
        self._site = collector.call("POST", "/sites", {"name": f"Test {secrets.token_hex(6)}"})
        self._numbers = count(1)
        self._pages: dict[str, str] = {}
        self._served: set[str] = set()
        self._origins: set[str] = set()
        self._clock = False
        page.context.route(f"{ADDRESS}/**", self._forward)
        page.context.route(ANOTHER, _refuse)

    def close(self) -> None:
        """Leave the page to whatever else uses it."""
        self.page.context.unroute(f"{ADDRESS}/**", self._forward)
        self.page.context.unroute(ANOTHER, _refuse)
        for origin in self._origins:
            self.page.context.unroute(f"{origin}/**", self._serve)

    # ---- what there is to show ----

    def publish(self, document: Mapping[str, Any] | None = None, **keys: Any) -> dict[str, Any]:
        """Publish a survey: a whole document, or only the keys that matter to the test.

        Raises ``ValueError`` with the place that is wrong.
        """
        name = f"Survey {next(self._numbers)}"
        whole = {"name": name, "metric": "csat", "question": "How satisfied are you?", **(document or {}), **keys}
        draft = self.collector.call("POST", "/surveys", whole, site=self._site["key"])
        self.published = self.collector.call("POST", f"/surveys/{draft['id']}/publish", site=self._site["key"])
        return self.published

    @property
    def tag(self) -> str:
        """The tag for pages of this test; `open` puts it in by itself."""
        return f'<script async src="{ADDRESS}/w/{self._site["key"]}.js"></script>'

    # ---- who comes, where and when ----

    def open(self, url: str, html: str | None = None) -> None:
        """Open a page with the tag in it.

        The page is the real one at ``url``, or ``html``; on a host that no one can own (``.example``, ``.test``,
        ``.invalid``) an empty page is made up. A tag that the page has already is pointed at the collector of the test,
        and a content security policy is widened by it.
        """
        if html is not None:
            self._pages[_plain(url)] = html
            self._served.discard(_plain(url))
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        if origin not in self._origins:
            self._origins.add(origin)
            self.page.context.route(f"{origin}/**", self._serve)
        if not self._clock:
            self._clock = True
            self.page.clock.install()
        self.page.goto(url)
        assert html is None or _plain(url) in self._served, f"the page given for {url} was not asked for"
        self._await_loader()

    def come_back(self, *, days: float = 0, hours: float = 0) -> None:
        """The same visitor opens the page again, so much later."""
        self.move_clock(days=days, hours=hours)
        self.page.reload()
        self._await_loader()

    def move_clock(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        """Let so much time pass in the browser. Timers that are due run; from a day on, only the date moves."""
        span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        milliseconds = int(span.total_seconds() * 1000)
        if span < A_DAY:
            self.page.clock.fast_forward(milliseconds)
        else:
            self.page.clock.set_system_time((self.page.evaluate("Date.now()") + milliseconds) / 1000)

    def be_new(self) -> None:
        """Forget the visitor: whoever opens the next page comes for the first time."""
        self.page.evaluate("window.tevreden?.reset?.()")
        self.page.context.clear_cookies(name=f"tv_{self._site['key']}")

    def be_known(self, email: str, **properties: Any) -> None:
        """Be a contact whom the page names with a valid signature, on every page that is opened from now on."""
        told = email.strip().lower().encode()
        signature = hmac.new(self._site["identify_secret"].encode(), told, hashlib.sha256).hexdigest()
        call = ["identify", {"email": email, **properties}, signature]
        self.page.context.add_init_script(f"(window.tevreden ||= []).push({json.dumps(call)})")

    def be_on_a_phone(self) -> None:
        """Look through a window of a phone's size."""
        self.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})

    # ---- what is on the page ----

    @property
    def element(self) -> Locator:
        """The survey on the page."""
        return self.page.locator(f'tevreden-survey[data-survey="{self._key}"]')

    def explain(self) -> list[dict[str, Any]]:
        """Why each survey of the site shows here, or does not: what ``tevreden.explain()`` says."""
        found: list[dict[str, Any]] = self.page.evaluate("tevreden.explain()")
        return found

    def to_be_shown(self, *, timeout: float = 5_000) -> Locator:
        """The survey is on the page, or comes within ``timeout`` milliseconds; gives its element."""
        try:
            self.element.wait_for(state="visible", timeout=timeout)
        except Exception as error:
            if type(error).__name__ != "TimeoutError":
                raise
            raise AssertionError(f"the survey is not shown on {self.page.url}: {self._because()}") from None
        return self.element

    def to_be_at(self, placement: Placement) -> None:
        """The survey is shown, and really there: measured against the window."""
        element = self.to_be_shown()
        position = element.get_attribute("data-position")
        assert position == placement, f"the survey is placed {position}, not {placement}"
        card = element.locator("section, .tab").first
        card.evaluate("(e) => Promise.all(e.getAnimations().map((one) => one.finished))")
        box = card.evaluate("(e) => e.getBoundingClientRect().toJSON()")
        width, height = self.page.evaluate("[document.documentElement.clientWidth, innerHeight]")
        gaps = {
            "left": box["left"],
            "right": width - box["right"],
            "top": box["top"],
            "bottom": height - box["bottom"],
        }
        apart = card.evaluate("(e) => parseFloat(getComputedStyle(e).getPropertyValue('--off')) || 0")
        gaps["top" if placement == "banner" else "bottom"] -= apart
        sides = ("left", "right", "top") if placement == "banner" else ("bottom", placement.rsplit("-", 1)[1])
        wrong = [f"{gaps[side]:.0f} px from the {side}" for side in sides if not -1 <= gaps[side] <= NEAR]
        wrong += [f"{-gap:.0f} px outside on the {side}" for side, gap in gaps.items() if gap < -1]
        assert not wrong, f"the survey is not at {placement}: {', '.join(wrong)} of a window of {width} by {height}"

    def not_to_be_shown(self, because: Reason | None = None) -> None:
        """The survey is not on the page and is not on its way there; ``because`` says which rule must be the reason."""
        reason = self._reason()
        deadline = time.monotonic() + SETTLE_SECONDS
        while reason == "loading" and time.monotonic() < deadline:
            self.page.wait_for_timeout(20)  # the pause between two looks
            reason = self._reason()
        assert reason != "shown", f"the survey is shown on {self.page.url}"
        assert because or reason != "waiting", (
            f"the survey waits for its moment on {self.page.url}, {self._because()}: move the clock, "
            'do what it waits for, or expect because="waiting"'
        )
        assert because in (None, reason), f"not shown because of {reason}, not of {because}: {self._because()}"

    def covered(self) -> list[str]:
        """The page's own buttons, links and fields that stay in the window and lie under the survey, by their names."""
        self.to_be_shown()
        found: list[str] = self.page.evaluate(COVERED)
        return found

    # ---- what comes of it ----

    def answer(self, score: int | str, *, comment: str | None = None, email: str | None = None) -> dict[str, Any]:
        """Answer as a visitor does, step by step; gives the answer as it was stored.

        ``score`` is a score or its label. Steps for which nothing is given are sent empty.
        """
        element = self.to_be_shown()
        if element.get_attribute("data-state") == "closed":
            element.locator(".tab").click()
        choice = (
            element.locator(f'input[value="{score}"]')
            if isinstance(score, int)
            else element.get_by_role("radio", name=score, exact=True)
        )
        with self.page.expect_response(lambda reply: '"complete":true' in (reply.request.post_data or "")) as sent:
            choice.click()
            if comment is not None:
                element.locator("textarea").fill(comment)
            if element.locator("form button").count() and not element.locator(EMAIL).count():
                element.locator("form button").click()
            if email is not None:
                element.locator(EMAIL).fill(email)
            if element.locator(EMAIL).count():
                element.locator("form button").click()
        assert sent.value.ok, f"the answer was refused: {sent.value.text()}"
        return self.answers()[0]

    def dismiss(self) -> None:
        """Close the survey as a visitor does."""
        self.to_be_shown().locator(".close").click()

    def answers(self) -> list[dict[str, Any]]:
        """Every answer that was stored for this site, the last one first; scores without more are there as well."""
        found: list[dict[str, Any]] = self.collector.call("GET", "/responses", site=self._site["key"])["items"]
        return found

    # ---- how it works ----

    @property
    def _key(self) -> str:
        assert self.published, "no survey was published in this test: survey.publish(...) comes first"
        return str(self.published["key"])

    def _explained(self) -> dict[str, Any]:
        return next(one for one in self.explain() if one["survey"] == self._key)

    def _reason(self) -> str:
        return str(self._explained()["reason"])

    def _because(self) -> str:
        own = self._explained()
        broken = [one for one in own["rules"] if not one["holds"]]
        rules = " · ".join(f"{one['rule']}: wanted {one['wanted']}; here {one['here']}" for one in broken)
        return f"{own['reason']} ({rules})" if rules else str(own["reason"])

    def _await_loader(self) -> None:
        self.page.wait_for_function("window.tevreden && !Array.isArray(window.tevreden)")

    def _forward(self, route: Route) -> None:
        """What a page asks of the collector."""
        request = route.request
        reply = self.collector.http.request(
            request.method,
            self.collector.url + request.url.removeprefix(ADDRESS),
            content=request.post_data_buffer,
            headers={"User-Agent": request.headers.get("user-agent", ""), "Content-Type": "text/plain"},
        )
        dropped = ("content-length", "content-encoding", "cache-control")
        headers = {name: value for name, value in reply.headers.items() if name not in dropped}
        route.fulfill(status=reply.status_code, headers={**headers, "cache-control": "no-store"}, body=reply.content)

    def _serve(self, route: Route) -> None:
        """A document of the page's own site, with the tag in it; all else as it is."""
        request = route.request
        html = self._pages.get(_plain(request.url))
        fictional = re.search(r"\.(example|test|invalid)$", urlsplit(request.url).hostname or "")
        if request.resource_type != "document":
            if fictional:
                route.fulfill(status=404, body="")
            else:
                route.fallback()
        elif html is not None or fictional:
            self._served.add(_plain(request.url))
            route.fulfill(content_type="text/html; charset=utf-8", body=with_tag(html or made_up(), self.tag))
        else:
            response = route.fetch(max_redirects=0)
            headers = {name: value for name, value in response.headers.items() if name != "content-length"}
            if policy := headers.get("content-security-policy"):
                headers["content-security-policy"] = allowing(policy, ADDRESS)
            if "html" in headers.get("content-type", ""):
                route.fulfill(response=response, headers=headers, body=with_tag(response.text(), self.tag))
            else:
                route.fulfill(response=response)


def _plain(url: str) -> str:
    """An address as browsers ask for it."""
    return urldefrag(url).url


def _refuse(route: Route) -> None:
    """The script of another collector than the test's: nothing of a test may reach one that is real."""
    if route.request.url.startswith(ADDRESS):
        route.fallback()
    else:
        route.abort()
