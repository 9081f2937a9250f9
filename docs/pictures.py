"""Takes pictures of a fresh demo with its sample results, every page of it: `make pictures`."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from collector.run.demo import USER
from tests.browser.install import find_browser
from tests.conftest import Process

HERE = Path(__file__).parent
MEASURES = {"desktop": (1280, 800), "phone": (375, 720)}
TALL = 1560
"""Pixels of the results that are shown."""
SURVEY = "Home: how did we do?"


def shop(page: Page, url: str) -> None:
    """The widget on the sample shop, with a score given."""
    page.goto(url + "/demo/")
    survey = page.locator("tevreden-survey")
    survey.get_by_role("radio", name="Very satisfied").check()
    survey.get_by_role("textbox").first.fill("The monstera arrived in perfect shape!")
    page.mouse.move(5, 5)
    card = survey.get_by_role("dialog")
    card.evaluate("(element) => Promise.all(element.getAnimations().map((motion) => motion.finished))")


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
            page.get_by_label("E-mail address").fill(USER)
            page.get_by_label("Password").fill(password)
            page.get_by_role("button").click()
            page.get_by_role("heading", name="Home", exact=True).wait_for()
            site = page.url
            page.goto(f"{site}/surveys")
            home = url + str(page.get_by_role("link", name=SURVEY).get_attribute("href"))
            for part, address in {
                "home": site,
                "list": f"{site}/surveys",
                "new": f"{site}/new",
                "results": f"{home}?period=90",
                "responses": f"{site}/responses",
                "editor": f"{home}/edit/appearance",
                "audience": f"{home}/edit/audience",
                "review": f"{home}/review",
                "settings": f"{site}/settings",
                "users": f"{url}/admin/users",
            }.items():
                page.set_viewport_size({"width": width, "height": TALL if part == "results" else height})
                page.goto(address)
                if part in ("editor", "audience"):
                    page.frame_locator("#preview").locator("tevreden-survey").wait_for()
                page.screenshot(path=HERE / f"{part}-{name}-{scheme}.png")
            window.close()


def main() -> None:
    browser_path = find_browser()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        process = Process(Path(folder))
        process.arguments = ("demo", "--port", str(process.port))
        process.start()
        try:
            password = re.findall(r"password\s+(\S+)", process.output.read_text())[0]
            browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
            for name, (width, height) in MEASURES.items():
                page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=1.5)
                shop(page, process.url)
                page.screenshot(path=HERE / f"widget-{name}.png")
            admin(browser, process.url, password)
        finally:
            process.close()


if __name__ == "__main__":
    main()
