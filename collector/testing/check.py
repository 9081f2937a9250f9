"""``tevreden check``: opens a page in a browser and says for each survey whether it shows there, and why not."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from collector.errors import CheckError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SIZES = {"desktop": (1280, 800), "tablet": (820, 1180), "phone": (390, 844)}
"""Names and CSS pixels, as wide and as high."""
SYSTEM_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
READY = "window.tevreden && !Array.isArray(window.tevreden)"
UNSETTLED = ("loading", "waiting")
COVERED = """() => {
  const survey = document.querySelector("tevreden-survey");
  const card = survey.getBoundingClientRect();
  const stays = (one) => one && (/fixed|sticky/.test(getComputedStyle(one).position) || stays(one.parentElement));
  return [...document.querySelectorAll("button,a[href],input,select,textarea,summary,[role=button],[role=link]")]
    .filter((one) => {
      const box = one.getBoundingClientRect();
      return !survey.contains(one) && one.checkVisibility({ visibilityProperty: true }) && box.width && stays(one)
        && box.left < card.right && box.right > card.left && box.top < card.bottom && box.bottom > card.top;
    })
    .map((one) => (one.getAttribute("aria-label") || one.innerText || one.name || one.id || one.localName).trim());
}"""
"""The names of the page's own controls under a survey that is shown, of those that stay in the window: what scrolls can
be scrolled out from under it."""


@dataclass(frozen=True)
class Finding:
    """What came of one survey at one size of the window."""

    size: str
    question: str
    outcome: str


def check_page(url: str, pictures: Path, *, wait: float, say: Callable[[str], None]) -> list[Finding]:
    """Open a page at each size, wait up to ``wait`` seconds for surveys that may show, and save a picture of each.

    Raises `CheckError` when there is no browser, no such page, or no tag on it.
    """
    pictures.mkdir(parents=True, exist_ok=True)
    found: list[Finding] = []
    with _browser() as browser:
        for size, (width, height) in SIZES.items():
            context = browser.new_context(
                viewport={"width": width, "height": height}, has_touch=size != "desktop", reduced_motion="reduce"
            )
            page = context.new_page()
            found += _look(page, url, size, wait)
            file = pictures / f"{size}.png"
            page.screenshot(path=file)
            say(f"{size}: {file}")
            context.close()
    return found


def _look(page: Page, url: str, size: str, wait: float) -> list[Finding]:
    try:
        reply = page.goto(url, wait_until="domcontentloaded")
    except Exception as error:
        raise CheckError(f"{url} cannot be opened: {_first_line(error)}") from None
    if reply and not reply.ok:
        raise CheckError(f"{url} answers {reply.status}")
    try:
        page.wait_for_function(READY, timeout=max(wait, 5) * 1000)
    except Exception:
        tag = re.search(r"/w/[\w-]+\.js", page.content())
        missing = "its tag's script did not load: is the collector up?" if tag else "it carries no tag of Tevreden"
        raise CheckError(f"{url}: {missing}") from None
    try:
        explained = _settled(page, wait)
    except Exception as error:
        raise CheckError(f"{url} could not be checked: {_first_line(error)}") from None
    covered = page.evaluate(COVERED) if any(one["shown"] for one in explained) else []
    return [Finding(size, one["question"], _outcome(one, covered)) for one in explained]


def _settled(page: Page, wait: float) -> list[dict[str, Any]]:
    """The explanations once nothing waits any more, or after so many seconds."""
    left = wait * 1000
    while True:
        explained: list[dict[str, Any]] = page.evaluate("tevreden.explain()")
        if left <= 0 or not any(one["reason"] in UNSETTLED for one in explained):
            return explained
        page.wait_for_timeout(100)  # the pause between two looks
        left -= 100


def _outcome(explained: dict[str, Any], covered: Sequence[str]) -> str:
    """Whether it shows, and over what; if not, the reason and what is behind it: one rule, or the moments that it
    waits for."""
    reason = explained["reason"]
    if explained["shown"]:
        names = ", ".join(f"“{name[:40]}”" for name in covered)
        return f"shown, but covers {names} of the page: increase appearance.offset" if names else "shown"
    moments = ("delay", "scroll", "exit", "event", "element") if reason == "waiting" else (reason,)
    behind = [
        f"{one['rule']}: expected {one['wanted']}, here {one['here']}"
        for one in explained["rules"]
        if one["rule"] in moments and not one["holds"]
    ]
    return f"not shown: {reason}" + (f" ({' · '.join(behind)})" if behind else "")


def report(found: Sequence[Finding]) -> Iterator[str]:
    """Lines for people: each survey once, and under it what came of it at which size."""
    for question in dict.fromkeys(one.question for one in found):
        yield question
        outcomes: dict[str, list[str]] = {}
        for one in found:
            if one.question == question:
                outcomes.setdefault(one.outcome, []).append(one.size)
        for outcome, sizes in outcomes.items():
            yield f"  {', '.join(sizes)}: {outcome}"


@contextmanager
def _browser() -> Iterator[Browser]:
    """Playwright's own Chromium where it was downloaded, else the system's."""
    try:
        playwright = import_module("playwright.sync_api")  # a server needs no browser
    except ImportError:
        raise CheckError(
            "checking a page takes a browser: install Tevreden with its kit, from its folder by pip install '.[kit]'"
        ) from None
    with playwright.sync_playwright() as driver:
        own = Path(driver.chromium.executable_path)
        system = None if own.exists() else next(filter(None, map(shutil.which, SYSTEM_BROWSERS)), None)
        if not own.exists() and not system:
            raise CheckError("there is no Chromium on this machine: playwright install chromium")
        # a page on the open net may ask a collector on this machine
        arguments = ["--disable-features=LocalNetworkAccessChecks"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")
        browser = driver.chromium.launch(executable_path=system, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
