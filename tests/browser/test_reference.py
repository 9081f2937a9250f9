"""The API reference in a browser: Swagger UI under the policy of every page, with requests to this collector alone."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, expect

from collector.web.api.rest import PREFIX
from collector.web.api.routes import ALL
from tests.browser.conftest import Windows
from tests.browser.owner import AXE
from tests.conftest import Process, Site, add_site

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
BROKEN = "document.addEventListener('securitypolicyviolation', (e) => console.error(e.violatedDirective, e.blockedURI))"
FIND = """() => axe.run().then(({violations}) =>
  violations.map(({id, nodes}) => id + ": " + nodes.map((node) => node.target.join(" ")).join(", ")))"""
OF_THE_VIEWER = {"heading-order", "nested-interactive", "region"}
"""What axe finds in Swagger UI itself: tags are third-level headings, a call's line holds two buttons, and its
introduction is in no landmark."""


@pytest.fixture
def served(collector: tuple[Process, str]) -> tuple[Site, str]:
    process, token = collector
    return add_site(process.http, process.url, token), token


def open_reference(page: Page, site: Site) -> tuple[list[str], list[str]]:
    """Gives what goes wrong on it and what it asks for, both as they come."""
    wrong: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.add_init_script(BROKEN)
    reply = page.goto(site.url + "/api")
    assert reply
    policy = reply.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    expect(page.locator("html.ready")).to_be_attached()
    return wrong, asked


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_call_is_there_and_nothing_is_blocked(
    served: tuple[Site, str], windows: Windows, scheme: str, viewport: dict[str, int]
) -> None:
    site, _ = served
    page = windows(color_scheme=scheme, viewport=viewport).new_page()
    wrong, asked = open_reference(page, site)
    for endpoint in ALL:
        call = page.locator(f"#operations-{endpoint.path.split('/')[1]}-{endpoint.handler.__name__}")
        expect(call).to_be_visible()
        expect(call).to_contain_text(endpoint.method)
        path = call.locator("[data-path]").get_attribute("data-path")
        assert path == PREFIX + endpoint.path
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.documentElement.classList.contains('dark-mode')") is (scheme == "dark")
    assert wrong == []
    assert [url for url in asked if not url.startswith((site.url + "/", "data:"))] == []


def test_call_shows_fields_with_their_values_and_examples(served: tuple[Site, str], windows: Windows) -> None:
    site, _ = served
    page = windows(viewport=WIDE).new_page()
    wrong, _ = open_reference(page, site)
    call = page.locator("#operations-surveys-surveys_create")
    call.locator(".opblock-summary-control").click()
    body = json.loads(call.locator("textarea.body-param__text").input_value())
    assert body["when"]["event"] == "order placed"
    assert body["appearance"]["position"] == "slide-in-right"
    call.get_by_role("tab", name="Schema").first.click()
    expect(call).to_contain_text("frequency")
    for text in ("Unique on the site", "slide-in-left", "Feedback", "If several surveys are due at once"):
        expect(call.locator(".opblock-section-request-body")).to_contain_text(text)
    assert wrong == []


def test_request_is_sent_with_the_token_to_this_collector(served: tuple[Site, str], windows: Windows) -> None:
    site, token = served
    page = windows(viewport=WIDE).new_page()
    wrong, asked = open_reference(page, site)
    page.locator(".auth-wrapper .authorize").click()
    page.get_by_label("auth-bearer-value").fill(token)
    page.locator(".auth-btn-wrapper .authorize").click()
    page.locator(".btn-done").click()
    call = page.locator("#operations-sites-sites_get")
    call.locator(".opblock-summary-control").click()
    call.get_by_placeholder("key").fill(site.key)
    with page.expect_response(re.compile(r"/api/v1/")) as heard:
        call.get_by_role("button", name="Execute").click()
    assert heard.value.url == f"{site.url}/api/v1/sites/{site.key}"
    assert heard.value.request.headers["authorization"] == f"Bearer {token}"
    assert heard.value.json()["key"] == site.key
    expect(call.locator(".live-responses-table .response .response-col_status").first).to_contain_text("200")
    assert wrong == []
    assert [url for url in asked if not url.startswith((site.url + "/", "data:"))] == []
    assert page.evaluate("localStorage.length") == 0, "the token is forgotten with the page"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_beyond_the_viewer_itself(served: tuple[Site, str], windows: Windows, scheme: str) -> None:
    site, _ = served
    page = windows(viewport=WIDE, color_scheme=scheme, bypass_csp=True).new_page()
    open_reference(page, site)
    page.add_script_tag(content=AXE)
    found = page.evaluate(FIND)
    assert [one for one in found if one.partition(":")[0] not in OF_THE_VIEWER] == []


def test_without_javascript_every_call_is_listed(served: tuple[Site, str], windows: Windows) -> None:
    site, _ = served
    page = windows(java_script_enabled=False).new_page()
    page.goto(site.url + "/api")
    for endpoint in ALL:
        heading = page.get_by_role("heading", name=f"{endpoint.method} {PREFIX}{endpoint.path}", exact=True)
        expect(heading).to_be_visible()
