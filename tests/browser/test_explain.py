"""Why is it not showing? What a developer is told on the live page."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import TALL, Visit, Visitor

RULES: list[tuple[dict[str, Any], str, str, str]] = [
    ({"where": {"include": ["/order/*", "a.example/b?c=d#/e"]}}, "page", "/order/* or a.example/b?c=d#/e", "/here"),
    ({"where": {"exclude": ["/here"]}}, "excluded", "not /here", "excluded by /here"),
    ({"when": {"delay_seconds": 60}}, "delay", "60 s", "counted"),
    ({"when": {"scroll_percent": 50}}, "scroll", "50 %", "0 %"),
    ({"when": {"exit_intent": True}}, "exit", "top", "not now"),
    ({"when": {"event": "order placed"}}, "event", "order placed", "none yet"),
    ({"when": {"element": "#form"}}, "element", "#form in view", "0 on the page"),
]


def explained(visit: Visit) -> dict[str, Any]:
    found: dict[str, Any] = visit.page.evaluate("tevreden.explain().then(([one]) => one)")
    return found


@pytest.mark.parametrize(("document", "rule", "wanted", "here"), RULES, ids=lambda one: str(one)[:12])
def test_rule_says_what_it_wants_and_what_is_here(
    visit: Visit, document: dict[str, Any], rule: str, wanted: str, here: str
) -> None:
    visit.body = TALL
    visit.site.publish(**document)
    visit.open("https://shop.example/here")
    visit.page.wait_for_function("tevreden.explain().then(([one]) => one.reason != 'loading')")
    one = explained(visit)
    (found,) = [line for line in one["rules"] if line["rule"] == rule]
    assert found["wanted"] == wanted or wanted in found["wanted"]
    assert here in found["here"]
    assert found["holds"] is False
    assert one["reason"] in (rule, "waiting")
    assert one["shown"] is False


def test_reasons_follow_the_visitor(visitor: Visitor) -> None:
    visit = visitor()
    visit.site.change(frequency={"once_per_session": False})
    visit.site.publish(question="First?", frequency={"priority": 9})
    visit.site.publish(question="Second?")
    visit.open().expect_shown()
    reasons = "tevreden.explain().then((all) => all.map((one) => one.reason))"
    assert visit.page.evaluate(reasons) == ["shown", "turn"]
    visit.answer("Satisfied")
    visit.page.reload()
    visit.page.wait_for_function("window.tevreden?.explain")
    visit.expect_shown()
    assert visit.page.evaluate(reasons) == ["answered", "shown"]


def test_panel_lists_every_survey_for_whoever_adds_it_to_the_address(visit: Visit) -> None:
    visit.site.publish(question="Not here?", where={"include": ["/elsewhere"]})
    visit.site.publish(question="Waits?", when={"event": "never"})
    visit.site.publish(question="Shown?")
    visit.open("https://shop.example/?tevreden=explain").expect_shown()
    panel = visit.page.locator("tevreden-explain")
    expect(panel.get_by_role("region", name="Surveys on this page")).to_be_visible()
    panel.get_by_role("button", name="Look again").click()
    expect(panel.get_by_text("Shown? is on this page")).to_be_visible()
    expect(panel.get_by_text("Not here? is not for this page")).to_be_visible()
    lines = panel.locator("summary b")
    expect(lines).to_have_text(["Shown?", "Waits?", "Not here?"])  # those of this page come first
    expect(panel.locator("details[open] summary b")).to_have_text(["Waits?"])
    lines.last.click()
    expect(panel.get_by_role("row").filter(has_text="/elsewhere")).to_contain_text(
        "https://shop.example/?tevreden=explain"
    )
    panel.get_by_role("button", name="Close").click()
    expect(panel).to_have_count(0)
    assert visit.errors == []


def test_visitors_never_load_what_explains(visit: Visit) -> None:
    visit.site.publish()
    visit.open().expect_shown()
    assert not [one.url for one in visit.requests if "/w/explain-" in one.url]


def test_page_hears_nothing_of_an_explanation_that_is_blocked(visit: Visit) -> None:
    visit.site.publish()
    visit.page.route("**/w/explain-*", lambda route: route.abort())
    visit.page.add_init_script("addEventListener('unhandledrejection', (event) => (window.heard = event.reason + ''))")
    visit.open("https://shop.example/?tevreden=explain").expect_shown()
    assert visit.page.evaluate("window.heard ?? ''") == ""


def test_tag_added_after_load_holds_nothing_up(visit: Visit) -> None:
    visit.site.publish()
    address = visit.site.tag.split('"')[1]
    visit.site.tag = ""
    visit.head = f"""<script>addEventListener("load", () => document.head.append(
      Object.assign(document.createElement("script"), {{src: "{address}"}})))</script>"""
    visit.open().expect_shown()
    timing = "performance.getEntriesByType('navigation')[0].loadEventStart"
    asked = f"performance.getEntriesByName('{address}')[0].startTime"
    assert visit.page.evaluate(f"{asked} >= {timing}")
