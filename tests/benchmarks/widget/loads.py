"""Loads of one page, each in a browser of its own with nothing cached: what the page costs on a slowed processor, and
how long it takes on a slow network until its survey is on the screen."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserType, CDPSession, Error
from playwright.sync_api import Page as Tab

from tests.benchmarks.widget.pages import Page
from tests.browser.conftest import launch_options

SLOWED = 4
"""How many times the processor is slowed."""
SECONDS = 3.0
"""How long a page is watched after it has loaded."""
PATIENCE = 30.0
"""Seconds after which a survey that isn't there won't come."""
MEGABITS, LATENCY = 1.6, 150
"""The slow network: megabits a second, and milliseconds."""
OBSERVE = (Path(__file__).parent / "observe.js").read_text("utf-8")


@dataclass(frozen=True)
class Cost:
    """What one page took. Times in milliseconds."""

    requests: float
    """Apart from the page itself."""
    bytes: float
    """Bodies as they came over the wire, without headers."""
    script: float
    """Compiling and running script on the main thread, slowed."""
    cpu: float
    """Processor time of the page's process from its start, not slowed: what slows it is work for the processor too."""
    heap: float
    """Bytes that scripts hold when all garbage is gone."""
    blocking: float
    """Of each long task what is over 50 ms, slowed."""
    shift: float
    """The sum of all layout shifts."""

    def added_to(self, empty: Cost) -> Cost:
        """What is left when an empty page's is taken off."""
        return Cost(**{name: value - getattr(empty, name) for name, value in vars(self).items()})


class Traffic:
    """What a tab asks for, apart from its page, and what of it went wrong."""

    def __init__(self, devtools: CDPSession) -> None:
        self.bytes = 0
        self.answered = 0
        self.faults: list[str] = []
        self._addresses: dict[str, str] = {}
        self._headers: dict[str, int] = {}
        devtools.on("Network.requestWillBeSent", self._asked)
        devtools.on("Network.responseReceived", self._answered)
        devtools.on("Network.loadingFinished", self._finished)
        devtools.on("Network.loadingFailed", self._failed)
        devtools.send("Network.enable")

    @property
    def requests(self) -> int:
        return len(self._addresses)

    def _asked(self, event: dict[str, Any]) -> None:
        url: str = event["request"]["url"]
        address = urlsplit(url)
        if event.get("type") == "Document" or address.scheme == "data":
            return
        self._addresses[event["requestId"]] = url
        if address.hostname not in ("localhost", "127.0.0.1"):
            self.faults.append(f"asks for {url}, which is not on this machine")

    def _answered(self, event: dict[str, Any]) -> None:
        response = event["response"]
        self._headers[event["requestId"]] = round(response["encodedDataLength"])
        if response["status"] >= 400:
            self.faults.append(f"{response['url']} answers {response['status']}")

    def _finished(self, event: dict[str, Any]) -> None:
        name = event["requestId"]
        if name in self._addresses:
            self.answered += 1
            self.bytes += round(event["encodedDataLength"]) - self._headers.get(name, 0)

    def _failed(self, event: dict[str, Any]) -> None:
        self.faults.append(f"{self._addresses.get(event['requestId'])} fails: {event['errorText']}")


@contextmanager
def browser(browser_type: BrowserType) -> Iterator[Browser]:
    """A browser that reaches this machine alone."""
    options = launch_options(browser_type)
    options["args"].append("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1")
    with browser_type.launch(**options) as launched:
        yield launched


@contextmanager
def _opened(browser: Browser, page: Page, slowed: int) -> Iterator[tuple[Tab, CDPSession, Traffic]]:
    """A tab with nothing in it yet; what goes wrong in the page fails under the page's name."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        tab = context.new_page()
        tab.add_init_script(OBSERVE)
        devtools = context.new_cdp_session(tab)
        devtools.send("Emulation.setCPUThrottlingRate", {"rate": slowed})
        traffic = Traffic(devtools)
        tab.on("pageerror", lambda error: traffic.faults.append(str(error)))
        try:
            yield tab, devtools, traffic
        except (AssertionError, Error) as error:
            raise AssertionError("; ".join([page.name, *traffic.faults, str(error)])) from error
        assert not traffic.faults, "; ".join([page.name, *traffic.faults])
    finally:
        context.close()


def _watch(tab: Tab, page: Page, devtools: CDPSession, traffic: Traffic) -> dict[str, float]:
    """Load the page and watch it, on a busy machine until it is at work; the browser's own figures, in seconds."""
    devtools.send("Performance.enable")
    tab.goto(page.address)
    tab.wait_for_timeout(1000 * SECONDS)  # the time that is measured, not a wait for something
    until = time.monotonic() + PATIENCE
    while traffic.answered < page.requests and time.monotonic() < until:
        tab.wait_for_timeout(100)
    return {one["name"]: one["value"] for one in devtools.send("Performance.getMetrics")["metrics"]}


def _check(tab: Tab, page: Page) -> None:
    """It is at work, and there to see. Last of all, because looking costs as well."""
    assert tab.evaluate(page.works), f"not at work {SECONDS:g} s after the page has loaded"
    if page.shows:
        shown = tab.evaluate("(selector) => bench.visible(selector)", page.shows)
        assert shown, f"nothing to see {SECONDS:g} s after the page has loaded"


def cost(browser: Browser, page: Page) -> Cost:
    """One load slowed, for all but the process's time; one not slowed, for that."""
    with _opened(browser, page, SLOWED) as (tab, devtools, traffic):
        took = _watch(tab, page, devtools, traffic)
        requests, received = traffic.requests, traffic.bytes
        reply = devtools.send("Runtime.evaluate", {"expression": "bench.seen", "returnByValue": True})
        devtools.send("HeapProfiler.collectGarbage")
        heap = devtools.send("Runtime.getHeapUsage")["usedSize"]
        _check(tab, page)
    with _opened(browser, page, 1) as (tab, devtools, traffic):
        cpu = 1000 * _watch(tab, page, devtools, traffic)["ProcessTime"]
        _check(tab, page)
    script, seen = 1000 * (took["ScriptDuration"] + took["V8CompileDuration"]), reply["result"]["value"]
    return Cost(requests, received, script, cpu, heap, seen["blocking"], seen["shift"])


def shown_after(browser: Browser, page: Page) -> float:
    """Milliseconds from asking for the page to its survey on the screen: slow network, slowed processor."""
    speed = MEGABITS * 1e6 / 8
    network = {"offline": False, "latency": LATENCY, "downloadThroughput": speed, "uploadThroughput": speed}
    with _opened(browser, page, SLOWED) as (tab, devtools, _):
        devtools.send("Network.emulateNetworkConditions", network)
        tab.add_init_script(f"bench.first = bench.shown({json.dumps(page.shows)}, {1000 * PATIENCE})")
        tab.goto(page.address, wait_until="commit")
        after: float | None = tab.evaluate("bench.first")
        assert after is not None, f"nothing to see {PATIENCE:g} s after the page was asked for"
    return after
