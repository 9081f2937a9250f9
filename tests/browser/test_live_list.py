"""The open list of responses in a browser: what htmx makes of what it is told."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Windows
from tests.browser.owner import PASSWORD, first_link
from tests.conftest import PERSON, USER, Process, add_site
from tests.events import response


def test_open_list_follows_deletes_comments_and_new_responses(alone: Process, windows: Windows) -> None:
    page = windows().new_page()
    page.clock.install()
    page.goto(first_link(alone))
    page.get_by_label("E-mail address").fill(USER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button").click()
    site = add_site(alone.http, alone.url, alone.command("token", "add", "tests"))
    survey = site.publish()

    def send(*events: object) -> None:
        sent = alone.http.post(
            f"{alone.url}/w/{site.key}/events", json={"events": events}, headers={"User-Agent": PERSON}
        )
        assert sent.status_code == 200

    def poll() -> None:
        with page.expect_response("**/news?*"):
            page.clock.run_for(10_000)

    home = f"{alone.url}/admin/{site.key}/{survey['id']}"
    page.goto(f"{home}/responses")
    expect(page.get_by_text("No responses in this period")).to_be_visible()
    first, second = ({**response(survey), "secret": "of the browser that sends it"} for _ in range(2))
    send(first)
    poll()
    expect(page.locator("#responses li")).to_have_count(1)
    expect(page.get_by_text("No responses in this period")).to_have_count(0)
    send({**first, "state": 2, "comment": "Twelve seconds later", "complete": True})
    poll()
    expect(page.locator("#responses .comment")).to_have_text(["Twelve seconds later"])
    send({**second, "comment": "Another"})
    poll()
    expect(page.locator("#responses .comment")).to_have_text(["Another", "Twelve seconds later"])
    assert site.call("DELETE", f"/responses/{second['id']}").status_code == 204
    poll()
    expect(page.locator("#responses .comment")).to_have_text(["Twelve seconds later"])
    expect(page.locator("#news")).to_have_count(1)


def test_open_figures_follow_new_responses(alone: Process, windows: Windows) -> None:
    page = windows().new_page()
    page.clock.install()
    page.goto(first_link(alone))
    page.get_by_label("E-mail address").fill(USER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button").click()
    site = add_site(alone.http, alone.url, alone.command("token", "add", "tests"))
    survey = site.publish()
    page.goto(f"{alone.url}/admin/{site.key}/{survey['id']}")
    expect(page.get_by_text("No responses in these days")).to_be_visible()
    for count in (1, 2):
        sent = alone.http.post(
            f"{alone.url}/w/{site.key}/events", json={"events": [response(survey)]}, headers={"User-Agent": PERSON}
        )
        assert sent.status_code == 200
        with page.expect_response("**/news?*"):
            page.clock.run_for(10_000)
        expect(page.get_by_text(f"{count} of 0 impressions")).to_be_visible()
        expect(page.locator("#news")).to_have_count(1)
        expect(page.locator("#figures")).to_have_count(1)
        expect(page.get_by_role("heading", name="CSAT over time")).to_have_count(1)
