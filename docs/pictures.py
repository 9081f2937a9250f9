"""Takes the README's pictures of a fresh demo, whose shop has had visitors for a season: `make pictures`."""

from __future__ import annotations

import random
import re
import signal
import sqlite3
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from collector.db.ids import new_id
from collector.run.demo import USER
from collector.surveys.metrics import group_of
from tests.browser.install import find_browser
from tests.conftest import Process

HERE = Path(__file__).parent
MEASURES = {"desktop": (1200, 720), "phone": (375, 720)}
TALL = 1400
"""Pixels of the results that are shown."""
SURVEY = "Home: how did we do?"
DAYS = 90
COMMENTS = {
    "negative": ("The parcel came a week late.", "Two of the pots were broken.", "I could not pay by card."),
    "neutral": ("Nice plants, but the site is slow on my phone.", "Delivery could be quicker."),
    "positive": ("The monstera arrived in perfect shape!", "Friendly people on the phone.", "Lovely, thank you."),
}


def lived_in(file: Path) -> None:
    """Put a season's visitors into the store of a demo that is not running; the sums are made by check-data."""
    chance = random.Random(7)  # noqa: S311  the same season each time
    store = sqlite3.connect(file)
    found = store.execute("SELECT site_id, id FROM surveys WHERE name = ?", (SURVEY,)).fetchone()
    now = datetime.now(UTC)
    for day in range(DAYS):
        happy = 0.55 + 0.25 * day / DAYS
        for _ in range(chance.randint(20, 60)):
            shown = now - timedelta(days=DAYS - 1 - day, minutes=chance.randint(0, 300))
            at = shown.strftime("%Y-%m-%d %H:%M:%S.000000")
            page, language = chance.choice((("", "en"), ("", "en"), ("sale", "en"), ("new", "nl")))
            device = chance.choice(("desktop", "phone", "phone", "tablet"))
            impression = new_id().hex
            both = (*found, at, f"https://shop.example/{page}", f"shop.example/{page}", language, device)
            store.execute(
                "INSERT INTO impressions (site_id, survey_id, shown_at, page, page_label, language, device, id,"
                " revision, bot) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, 0)",
                (*both, impression),
            )
            if chance.random() > 0.4:
                continue
            score = chance.choice((4, 5, 5)) if chance.random() < happy else chance.choice((1, 2, 3, 3))
            group = group_of("csat", 5, score)
            comment = chance.choice(COMMENTS[group]) if chance.random() < 0.3 else None
            store.execute(
                "INSERT INTO responses (site_id, survey_id, created_at, page, page_label, language, device, id,"
                ' "group", score, comment, updated_at, impression_id, revision, state, complete, email_verified, bot)'
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 2, 1, 0, 0)",
                (*both, new_id().hex, group, score, comment, at, impression),
            )
    store.commit()
    store.close()


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
    """The list, the editor, the review and the results, on each measure, in light and dark."""
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
            survey = page.get_by_role("link", name=SURVEY)
            survey.wait_for()
            page.screenshot(path=HERE / f"list-{name}-{scheme}.png")
            home = url + str(survey.get_attribute("href"))
            page.goto(f"{home}?period=90")
            page.set_viewport_size({"width": width, "height": TALL})
            page.screenshot(path=HERE / f"results-{name}-{scheme}.png")
            page.set_viewport_size({"width": width, "height": height})
            page.goto(f"{home}/edit/survey")
            page.frame_locator("#preview").locator("tevreden-survey").wait_for()
            page.screenshot(path=HERE / f"editor-{name}-{scheme}.png")
            page.goto(f"{home}/review")
            page.screenshot(path=HERE / f"review-{name}-{scheme}.png")
            window.close()


def main() -> None:
    browser_path = find_browser()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        process = Process(Path(folder))
        process.arguments = ("demo", "--port", str(process.port))
        process.start()
        try:
            process.stop(signal.SIGTERM)
            file = Path(folder) / ".demo" / "demo.db"
            lived_in(file)
            process.environment["TEVREDEN_DATABASE_URL"] = f"sqlite:///{file}"
            process.command("check-data", "--repair")
            del process.environment["TEVREDEN_DATABASE_URL"]
            process.start()
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
