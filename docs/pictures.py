"""Takes the README's pictures of a fresh demo: `make pictures`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.install import find_browser
from tests.conftest import Process

HERE = Path(__file__).parent
MEASURES = {"desktop": (1200, 720), "phone": (375, 720)}


def shop(page: Page, url: str) -> None:
    """The widget on the sample shop, with a score given."""
    page.goto(url + "/demo/")
    survey = page.locator("tevreden-survey")
    survey.get_by_role("radio", name="Very satisfied").check()
    survey.get_by_role("textbox").first.fill("The monstera arrived in perfect shape!")
    page.mouse.move(5, 5)
    card = survey.get_by_role("dialog")
    card.evaluate("(element) => Promise.all(element.getAnimations().map((motion) => motion.finished))")


def main() -> None:
    browser_path = find_browser()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        process = Process(Path(folder))
        process.arguments = ("demo", "--port", str(process.port))
        process.start()
        try:
            browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
            for name, (width, height) in MEASURES.items():
                page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=1.5)
                shop(page, process.url)
                page.screenshot(path=HERE / f"widget-{name}.png")
        finally:
            process.close()


if __name__ == "__main__":
    main()
