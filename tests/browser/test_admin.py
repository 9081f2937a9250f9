"""The admin in a browser: the way of a new owner, and what axe finds on every page: nothing."""

from __future__ import annotations

import json
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Page, Route, expect

from collector.web.http.rendering import templates
from tests.browser.conftest import Windows
from tests.browser.owner import AXE, PASSWORD, drawn, first_link
from tests.conftest import PERSON, USER, Process, add_site
from tests.events import response
from tests.pictures import picture

QUESTION = "How satisfied are you with your order?"
SHOP = """<!doctype html><html lang="en"><head><link rel="icon" href="data:,">{tag}</head>
<body><h1>Thank you for your order</h1></body></html>"""
PHONE: dict[str, Any] = {"viewport": {"width": 375, "height": 667}, "is_mobile": True, "has_touch": True}
FIND = """() => axe.run().then(({violations}) =>
  violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => node.html).join(" | ")}`))"""


def press_through(page: Page, *labels: str) -> None:
    """Press Tab until the field or button of each name has the focus, and there type or press what follows its name."""
    for label in labels:
        name, _, typed = label.partition("=")
        for _ in range(80):
            page.keyboard.press("Tab")
            focused = page.evaluate(
                """() => { const one = document.activeElement;
                return (one.labels?.[0] || one).textContent.replace(/\\s+/g, ' ').trim() }"""
            )
            if focused.startswith(name):
                break
        else:
            pytest.fail(f"Tab comes by nothing called {name}")
        page.keyboard.type(typed)


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_new_owner_gets_from_the_first_start_to_the_first_answer_by_keyboard(
    alone: Process, windows: Windows, phone: bool
) -> None:
    page = windows(**(PHONE if phone else {})).new_page()
    page.goto(first_link(alone))
    press_through(page, f"E-mail address={USER}", f"Password={PASSWORD}", "Make the account")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Sites", exact=True)).to_be_visible()
    press_through(page, "Site name=My shop", "Add site")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Set up My shop")).to_be_visible()
    tag = page.locator("pre").first.inner_text()
    press_through(page, "Create survey")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Create survey")).to_be_visible()
    press_through(page, "After checkout")
    page.keyboard.press("Space")
    press_through(page, "Create survey")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="After checkout")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing runs off to the side"
    press_through(page, "Audience")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Include pages")).to_be_visible()
    press_through(page, "Include pages=shop.example/order")
    expect(page.get_by_text("Saved.", exact=True)).to_be_visible()
    press_through(page, "Review")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What goes live")).to_be_visible()
    press_through(page, "Publish")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Published.")).to_be_visible()
    expect(page.locator("pre").first).to_have_text(tag)  # what comes next
    press_through(page, "See the results")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Direct link")).to_be_visible()

    shop = windows().new_page()
    shop.route(
        "http://shop.example/**", lambda route: route.fulfill(body=SHOP.format(tag=tag), content_type="text/html")
    )
    shop.goto("http://shop.example/order")
    survey = shop.locator("tevreden-survey")
    with shop.expect_response(
        lambda reply: reply.url.endswith("/answers") and '"response"' in (reply.request.post_data or "")
    ):
        survey.get_by_role("radio", name="Satisfied", exact=True).check(force=True)
    assert survey.get_by_role("heading").inner_text() == QUESTION
    if phone:
        page.reload()
    expect(page.locator(".figure")).to_have_text("100 %", timeout=20_000)  # the open page asks now and then
    assert "1 of 1 impression" in page.locator(".kpis").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(alone: Process, windows: Windows, scheme: str) -> None:
    looked: set[str] = set()
    window = windows(color_scheme=scheme, bypass_csp=True)
    page = window.new_page()

    def look(template: str) -> None:
        page.evaluate(f"{AXE}; undefined")
        found = page.evaluate(FIND)
        assert found == [], f"{template}: {json.dumps(found, indent=2)}"
        looked.add(template)

    page.goto(first_link(alone))
    look("welcome.html")
    page.get_by_label("E-mail address").fill(USER)
    page.get_by_label("Password").fill("            ")
    page.get_by_label("E-mail address").evaluate("(one) => (one.form.noValidate = true)")
    page.get_by_label("E-mail address").fill("nobody")
    page.get_by_role("button").click()
    expect(page.get_by_role("alert")).to_be_visible()
    look("welcome.html")
    page.get_by_label("E-mail address").fill(USER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button").click()
    expect(page.get_by_role("heading", name="Sites", exact=True)).to_be_visible()
    look("site_list.html")
    page.get_by_label("Site name").fill("My shop")
    page.get_by_role("button", name="Add site").click()
    expect(page.get_by_role("heading", name="Set up My shop")).to_be_visible()
    look("home.html")
    page.get_by_role("link", name="Create survey").first.click()
    look("new.html")
    page.get_by_label("After checkout").check(force=True)
    page.get_by_role("button", name="Create survey").click()
    expect(drawn(page)).to_be_visible()
    home = page.url.removesuffix("/edit/question")
    for tab in ("question", "follow-up", "thank-you", "appearance", "audience"):
        page.goto(f"{home}/edit/{tab}")
        look("edit.html")
    page.get_by_label("Include pages").fill("http://")
    expect(page.get_by_text("Not saved yet")).to_be_visible()
    look("edit.html")
    page.goto(f"{home}/edit/translations")
    look("edit.html")
    page.get_by_label("Question in this language").fill("?")
    page.get_by_role("button", name="Add language").click()
    expect(page.get_by_role("button", name="Remove")).to_be_visible()
    look("edit.html")
    page.goto(f"{home}/preview")
    look("preview.html")
    page.goto(f"{home}/review")
    look("review.html")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Published.")).to_be_visible()
    look("review.html")
    page.goto(home)
    look("summary.html")
    site, key = home.split("/")[-2], page.locator(".card__head code").last.inner_text()
    given = response({"key": key, "revision": 1}, score=5, comment="Lovely", email="jo@example.com")
    assert (
        alone.http.post(
            f"{alone.url}/w/{site}/events", json={"events": [given]}, headers={"User-Agent": PERSON}
        ).status_code
        == 200
    )
    page.reload()
    page.get_by_text("Show data table").click()
    look("summary.html")
    page.get_by_role("link", name="All time").click()
    page.goto(f"{alone.url}/admin/{site}")
    look("home.html")
    page.goto(f"{home}/responses")
    page.get_by_text("Add filter").click()
    look("responses.html")
    page.keyboard.press("Escape")
    page.locator("#responses a").click()
    expect(page.get_by_role("heading", name="Response", exact=True)).to_be_visible()
    look("responses.html")
    page.goto(home)
    for act in ("Pause", "Delete"):
        page.get_by_label("More actions").click()
        look("summary.html")
        page.get_by_role("button", name=act).click()
    expect(page.get_by_text("is deleted.")).to_be_visible()
    page.get_by_text("Deleted (1)").click()
    look("surveys.html")
    page.goto(f"{alone.url}/admin/account")
    look("account.html")
    page.goto(f"{alone.url}/admin/log")
    look("log.html")
    page.goto(f"{alone.url}/admin/tokens")
    page.get_by_label("What it is for").fill("Dashboard")
    page.get_by_role("button", name="Create token").click()
    expect(page.get_by_text("Copy the token now")).to_be_visible()
    look("tokens.html")
    page.goto(f"{alone.url}/admin/{site}/settings")
    page.get_by_label("Parameters kept in page addresses").fill("a=b")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_be_visible()
    look("site.html")
    page.goto(f"{alone.url}/admin/{site}/settings/frequency")
    page.get_by_label("Quiet period").fill("x")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_be_visible()
    look("frequency.html")
    page.goto(f"{alone.url}/admin/{site}/settings/identify")
    page.get_by_text("Show secret").click()
    look("identify.html")
    page.goto(f"{alone.url}/admin/{site}/settings/webhooks")
    look("webhooks.html")
    page.get_by_label("Address").fill("https://receiver.invalid/hook")
    page.get_by_role("button", name="Add webhook").click()
    expect(page.get_by_text("Webhook added")).to_be_visible()
    page.get_by_text("Show signing secret").click()
    look("webhook.html")
    page.goto(f"{alone.url}/admin/{site}/images")
    page.get_by_label("Image", exact=True).set_input_files(
        {"name": "logo.png", "mimeType": "image/png", "buffer": picture(60, 30)}
    )
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("not used")).to_be_visible()
    look("images.html")
    page.get_by_label("Search everything").fill("survey")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Search:")).to_be_visible()
    look("search.html")
    page.goto(f"{alone.url}/admin/users")
    page.get_by_label("E-mail address").fill("jo@example.com")
    page.get_by_role("button", name="Create invitation link").click()
    expect(page.get_by_text("Send this link")).to_be_visible()
    look("users.html")
    invitation = page.locator("pre").inner_text()
    page.get_by_role("link", name="Teams").click()
    page.get_by_label("Name").fill("Support")
    page.get_by_role("button", name="Add team").click()
    expect(page.get_by_role("heading", name="Support")).to_be_visible()
    look("teams.html")
    page.goto(f"{alone.url}/admin/account")
    page.get_by_role("link", name="Turn it on").click()
    look("second_step.html")
    secret = page.locator("form code").inner_text().replace(" ", "")
    page.get_by_label("Code in the app now").fill(pyotp.TOTP(secret).now())
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Turn it on").click()
    expect(page.get_by_role("heading", name="Keep these recovery codes")).to_be_visible()
    look("second_step.html")
    recovery = page.locator("li code").first.inner_text()
    page.goto(f"{alone.url}/admin/account")
    page.get_by_text("Turn it off", exact=True).first.click()
    look("account.html")
    page.goto(f"{alone.url}/admin/nosuchsite12/new")
    look("problem.html")
    page.goto(f"{alone.url}/admin/account")
    page.locator(".nav__end summary").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    look("sign_in.html")
    page.goto(invitation)
    look("join.html")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button").click()
    expect(page.get_by_role("heading", name="Home", exact=True)).to_be_visible()
    page.locator(".nav__end summary").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.get_by_label("E-mail address").fill(USER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button").click()
    expect(page.get_by_role("heading", name="Two-factor authentication")).to_be_visible()
    look("sign_in_code.html")
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button").click()
    expect(page.get_by_role("alert")).to_be_visible()
    look("sign_in_code.html")
    page.get_by_label("Code").fill(recovery)
    page.get_by_role("button").click()
    page.goto(f"{alone.url}/admin/users")
    page.get_by_label("More about jo@example.com").click()
    look("users.html")
    page.get_by_role("button", name="Password reset link for jo@example.com").click()
    expect(page.get_by_text("Send this link")).to_be_visible()
    look("users.html")
    reset = page.locator("pre").inner_text()
    roles = page.locator("form[action$='/role']").all()
    for action in {str(one.get_attribute("action")) for one in roles}:  # one made a token, and one made none
        page.goto(alone.url + action.replace("/role", "/tokens"))
        look("user_tokens.html")
    page.goto(reset)
    look("reset.html")
    parts = {f"{name}.html" for name in ("base", "parts", "survey_head", "settings_nav", "token_lines", "period")}
    parts |= {"field.html", "edit_state.html", "edit_signed_out.html", "edit_drawn.html", "exporting.html"}
    parts |= {"summary_parts.html", "summary_figures.html", "summary_news.html"}
    parts |= {"responses_parts.html", "responses_news.html"}
    others = parts | {"survey.html", "reference.html"}
    assert looked == set(templates().list_templates()) - others


def test_file_is_fetched_with_how_far_it_is_and_saved(alone: Process, windows: Windows) -> None:
    page = windows().new_page()
    page.goto(first_link(alone))
    page.get_by_label("E-mail address").fill(USER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button").click()
    site = add_site(alone.http, alone.url, alone.command("token", "add", "tests"))
    survey = site.publish()
    events = [response(survey, comment=f"Number {number}") for number in range(40)]
    sent = alone.http.post(f"{alone.url}/w/{site.key}/events", json={"events": events}, headers={"User-Agent": PERSON})
    assert sent.status_code == 200
    home = f"{alone.url}/admin/{site.key}/{survey['id']}"
    page.goto(home)
    page.get_by_text("Export", exact=True).click()
    with page.expect_download() as fetched:
        page.get_by_role("link", name="Everything as CSV").click()
    assert fetched.value.suggested_filename.endswith(".csv")
    assert fetched.value.path().read_bytes() == page.request.get(f"{home}/responses.csv").body()
    expect(page.locator(".export")).to_be_hidden()

    frame = (45).to_bytes(4, "big") + (3).to_bytes(4, "big") + b"abc"
    page.route("**/*framed*", lambda route: route.fulfill(body=frame, headers={"X-Rows": "90"}))
    page.get_by_text("Export", exact=True).click()
    page.get_by_role("link", name="Everything as JSON").click()
    expect(page.get_by_role("alert")).to_contain_text("nothing was saved")
    expect(page.locator(".export")).to_be_hidden()

    page.unroute("**/*framed*")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/*framed*", hold)
    page.get_by_text("Export", exact=True).click()
    page.get_by_role("link", name="Everything as Excel").click()
    expect(page.get_by_role("progressbar", name="Preparing the file")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".export")).to_be_hidden()
    expect(page.get_by_role("alert")).to_be_hidden()
