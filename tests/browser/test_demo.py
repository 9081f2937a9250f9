"""The demo, as someone who just ran `make demo` meets it."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import Process


@pytest.fixture
def shop(alone: Process) -> Iterator[Process]:
    alone.arguments = ("demo", "--without-samples", "--port", str(alone.port))
    alone.environment = {}
    alone.start()
    yield alone
    alone.stop()


def responses(shop: Process) -> list[dict[str, object]]:
    token = re.search(r"tvr_[\w-]+", shop.output.read_text())
    assert token
    reply = shop.http.get(shop.url + "/api/v1/responses", headers={"Authorization": f"Bearer {token.group()}"})
    items: list[dict[str, object]] = reply.json()["items"]
    return items


def test_answer_in_the_shop_outlives_the_collector(page: Page, shop: Process) -> None:
    page.goto(shop.url + "/demo/")
    survey = page.locator("tevreden-survey")
    survey.get_by_role("radio", name="Very satisfied").check()
    survey.get_by_role("textbox", name="What did you like most?").fill("The monstera")
    survey.get_by_role("button", name="Send").click()
    survey.get_by_role("textbox", name="Your e-mail address (optional)").fill("jo@example.com")
    with page.expect_response(lambda reply: '"complete":true' in (reply.request.post_data or "")):
        survey.get_by_role("button", name="Send").click()
    expect(survey.get_by_role("heading", name="Thank you!")).to_be_visible()
    shop.stop(signal.SIGKILL)
    shop.start()
    (response,) = responses(shop)
    wanted = {
        "survey_name": "Home: how did we do?",
        "revision": 1,
        "score": 5,
        "group": "positive",
        "comment": "The monstera",
        "email": "jo@example.com",
        "page": shop.url + "/demo/",
        "complete": True,
    }
    assert {key: response[key] for key in wanted} == wanted


@pytest.mark.parametrize("width", [1280, 375])
def test_every_page_of_the_shop_has_its_survey(page: Page, shop: Process, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 740})
    page.clock.install()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    for path, position, language in (
        ("demo/", "slide-in-right", "en"),
        ("demo/plants", "slide-in-left", "en"),
        ("demo/monstera", "callout-right", "en"),
        ("demo/cart", "callout-left", "en"),
        ("demo/order", "banner", "en"),
        ("demo/dutch", "slide-in-right", "nl"),
        ("demo/arabic", "slide-in-left", "ar"),
        ("plain/", "slide-in-right", "en"),
    ):
        page.goto(f"{shop.url}/{path}")
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        page.wait_for_function("window.tevreden && !Array.isArray(window.tevreden)")
        page.clock.run_for(4_000)
        survey = page.locator("tevreden-survey")
        expect(survey).to_be_visible()
        expect(survey).to_have_attribute("data-position", position)
        expect(survey).to_have_attribute("lang", language)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    assert errors == []
