"""Takes pictures of every page of the admin, and of every placement, metric and state of the widget, on a desktop and a
phone, in light and dark: `make pictures`. They lie in `.pictures`; those that the documents show are copied here."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from collector.run.demo import USER
from tests.browser.conftest import CHROMIUM
from tests.browser.install import find_browser
from tests.conftest import Process, Site, add_site

HERE = Path(__file__).parent
ALL = HERE.parent / ".pictures"
SHOWN = ("widget-desktop", "editor-desktop-light", "results-desktop-light")
"""Those in the documents."""
MEASURES = {"desktop": (1280, 800), "phone": (375, 720)}
TALL = 1560
"""Pixels of the results that are shown."""
SURVEY = "Home: how did we do?"
PLACEMENTS = ("slide-in-right", "slide-in-left", "callout-right", "callout-left", "banner")
QUESTIONS = {
    "csat": "How satisfied are you with your order?",
    "nps": "How likely are you to recommend us to a friend?",
    "ces": "How easy was it to place your order?",
}
PAGES = {
    "light": "background:#fff;color:#222",
    "dark": "background:#15191c;color:#ddd;color-scheme:dark",
}
"""A plain page and a dark one; the sample shop is the third."""


def still(card: Locator) -> None:
    card.evaluate("(element) => Promise.all(element.getAnimations({subtree: true}).map((motion) => motion.finished))")


def shop(page: Page, url: str) -> None:
    """The widget on the sample shop, with a score given."""
    page.goto(url + "/demo/")
    survey = page.locator("tevreden-survey")
    survey.get_by_role("radio", name="Very satisfied").check()
    survey.get_by_role("textbox").first.fill("The monstera arrived in perfect shape!")
    page.mouse.move(5, 5)
    still(survey.get_by_role("dialog"))


# ---- the admin


def admin(browser: Browser, url: str, password: str) -> None:
    """Each page of the admin on each measure, in light and dark."""
    for name, (width, height) in MEASURES.items():
        for scheme in ("light", "dark"):
            window = browser.new_context(
                viewport={"width": width, "height": height},
                device_scale_factor=1,
                color_scheme=scheme,
                is_mobile=name == "phone",
            )
            page = window.new_page()
            page.goto(f"{url}/admin/sign-in")
            page.screenshot(path=ALL / f"sign-in-{name}-{scheme}.png")
            page.get_by_label("E-mail address").fill(USER)
            page.get_by_label("Password").fill(password)
            page.get_by_role("button").click()
            page.get_by_role("heading", name="Home", exact=True).wait_for()
            for part, address in pages_of(page, url):
                page.set_viewport_size({"width": width, "height": TALL if part == "results" else height})
                page.goto(address)
                if "/edit/" in address:
                    page.frame_locator("#preview").locator("tevreden-survey").wait_for()
                page.screenshot(path=ALL / f"{part}-{name}-{scheme}.png", full_page=part != "editor")
            window.close()


def pages_of(page: Page, url: str) -> Iterator[tuple[str, str]]:
    """The addresses of all pages, by the names of their pictures."""
    site = page.url
    page.goto(f"{site}/surveys")
    home = url + str(page.get_by_role("link", name=SURVEY).get_attribute("href"))
    page.goto(f"{site}/responses")
    response = url + str(page.locator("#responses a").first.get_attribute("href"))
    yield "home", site
    yield "list", f"{site}/surveys"
    yield "new", f"{site}/new"
    yield "results", f"{home}?period=90"
    yield "responses", f"{site}/responses"
    yield "response", response
    yield "editor", f"{home}/edit/appearance"
    for tab in ("question", "follow-up", "thank-you", "appearance", "translations", "audience"):
        yield f"edit-{tab}", f"{home}/edit/{tab}"
    yield "review", f"{home}/review"
    yield "settings", f"{site}/settings"
    for part in ("frequency", "webhooks", "identify"):
        yield f"settings-{part}", f"{site}/settings/{part}"
    yield "images", f"{site}/images"
    for part in ("sites", "users", "teams", "tokens", "log", "account", "search?q=home"):
        yield part.partition("?")[0], f"{url}/admin/{part}"
    yield "not-found", f"{site}/nothing"


# ---- the widget


def widget(browser: Browser, site: Site) -> None:
    """Each state of each metric in each placement, on a light and a dark page."""
    for placement in PLACEMENTS:
        for metric, question in QUESTIONS.items():
            survey = site.publish(metric=metric, question=question, appearance={"position": placement})
            for name, (width, height) in MEASURES.items():
                for scheme, style in PAGES.items():
                    window = browser.new_context(
                        viewport={"width": width, "height": height}, device_scale_factor=1, is_mobile=name == "phone"
                    )
                    page = window.new_page()
                    _serve(page, site, style)
                    for state in _states(page, placement):
                        page.screenshot(path=ALL / f"{placement}-{metric}-{state}-{name}-{scheme}.png")
                    window.close()
            site.call("POST", f"/surveys/{survey['id']}/archive")


def _serve(page: Page, site: Site, style: str) -> None:
    body = f"""<!doctype html><html lang="en"><head><meta name="viewport" content="width=device-width">{site.tag}</head>
      <body style="font: 16px/1.5 sans-serif; margin: 24px; {style}"><h1>Thank you for your order</h1>
      <p>We send it tomorrow. You will hear from us when it is on its way.</p></body></html>"""
    page.route("http://shop.example/**", lambda route: route.fulfill(body=body, content_type="text/html"))
    page.goto("http://shop.example/")


def _states(page: Page, placement: str) -> Iterator[str]:
    """From one state to the next, as a visitor goes."""
    survey: Any = page.locator("tevreden-survey")
    if placement.startswith("callout"):
        opener = survey.get_by_role("button", name="Feedback")
        expect(opener).to_be_visible()
        still(survey)
        yield "closed"
        opener.click()
    card, scores = survey.get_by_role("dialog"), survey.get_by_role("radio")
    expect(card).to_be_visible()
    still(card)
    yield "question"
    scores.last.hover()
    yield "hover"
    scores.last.check()
    text, send = survey.get_by_role("textbox"), survey.get_by_role("button", name="Send")
    expect(send).to_be_enabled()
    text.fill("It came a day early.")
    still(card)
    yield "comment"
    send.click()
    expect(survey.get_by_role("textbox", name="e-mail")).to_be_visible()
    still(card)
    yield "email"
    expect(send).to_be_enabled()
    send.click()
    expect(survey.get_by_text("Thank you!")).to_be_visible()
    still(card)
    yield "thanks"


@contextmanager
def running(*arguments: str) -> Iterator[Process]:
    """A collector of its own, not started yet."""
    with tempfile.TemporaryDirectory() as folder:
        process = Process(Path(folder), *arguments)
        try:
            yield process
        finally:
            process.close()


def main() -> None:
    shutil.rmtree(ALL, ignore_errors=True)
    ALL.mkdir()
    path = find_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM)
        with running("demo") as demo:
            demo.arguments = ("demo", "--port", str(demo.port))
            demo.start()
            password = re.findall(r"password\s+(\S+)", demo.output.read_text())[0]
            for name, (width, height) in MEASURES.items():
                page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=1.5)
                shop(page, demo.url)
                page.screenshot(path=ALL / f"widget-{name}.png")
                page.close()
            admin(browser, demo.url, password)
        with running("serve") as collector:
            token = collector.command("token", "add", "pictures")
            collector.start()
            widget(browser, add_site(collector.http, collector.url, token))
    for name in SHOWN:
        shutil.copy(ALL / f"{name}.png", HERE)


if __name__ == "__main__":
    main()
