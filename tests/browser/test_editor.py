"""The editor in a browser: it saves by itself, and its preview is the real widget, counted by nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, expect

from tests.behaviour.windows import wait
from tests.browser.owner import drawn
from tests.conftest import PASSWORD, USER, Process, Site, add_site
from tests.pictures import picture

WORDS = {
    "question": "How satisfied are you with your order?",
    "negative": "What went wrong?",
    "neutral": "What could be better?",
    "positive": "What did you like most?",
    "email": "Your e-mail address (optional)",
    "thanks-negative": "Sorry!",
    "thanks-neutral": "Thank you!",
    "thanks-positive": "Hooray!",
}
FOLLOW = """async (text) => {
  const field = document.getElementById("question");
  const began = performance.now();
  field.value = text;
  field.dispatchEvent(new Event("input", {bubbles: true}));
  const shown = () => document.getElementById("preview").contentDocument.querySelector("tevreden-survey")
    ?.shadowRoot.querySelector("h2")?.textContent;
  while (shown() != text && performance.now() - began < 5000) await new Promise(requestAnimationFrame);
  return performance.now() - began;
}"""


class Editing:
    """Someone signed in, at the editor of a new survey."""

    def __init__(self, context: BrowserContext, process: Process, site: Site) -> None:
        self.site = site
        self.page = context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._hear)
        made = site.call(
            "POST",
            "/surveys",
            {
                "name": "After checkout",
                "metric": "csat",
                "question": WORDS["question"],
                "thank_you": {"negative": {"heading": "Sorry!"}, "positive": {"heading": "Hooray!"}},
            },
        ).json()
        self.id = made["id"]
        self.home = f"{process.url}/admin/{site.key}/{self.id}"
        self.page.goto(f"{process.url}/admin/sign-in")
        self.page.get_by_label("E-mail address").fill(USER)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button").click()
        expect(self.page.get_by_role("heading", name="Home", exact=True)).to_be_visible()

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not re.search(
            "ERR_FAILED|status of 422|^htmx:(sendError|afterRequest)", message.text
        ):
            self.errors.append(f"{message.text} {message.location['url']}")

    def open(self, tab: str) -> Page:
        self.page.goto(f"{self.home}/edit/{tab}")
        expect(drawn(self.page)).to_be_visible()
        return self.page

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = self.site.call("GET", f"/surveys/{self.id}").json()["document"]
        return found

    def saved(self) -> None:
        expect(self.page.get_by_text("Saved.", exact=True)).to_be_visible()


@pytest.fixture
def editing(browser: Browser, alone: Process) -> Iterator[Editing]:
    alone.command("user", "add", USER, "--password", PASSWORD)
    token = alone.command("token", "add", "tests")
    alone.start()
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    editing = Editing(context, alone, add_site(alone.http, alone.url, token))
    yield editing
    context.close()
    assert editing.errors == []


def test_what_is_typed_is_saved_and_drawn_at_once(editing: Editing) -> None:
    page = editing.open("question")
    took = [page.evaluate(FOLLOW, f"Question {number}?") for number in range(5)]
    assert min(took) < 300, took
    editing.saved()
    assert editing.document()["question"] == "Question 4?"
    question = page.get_by_role("textbox", name="Question")
    question.fill("")
    expect(page.get_by_text("This must not be empty.")).to_be_visible()
    expect(question).to_have_attribute("aria-invalid", "true")
    question.press_sequentially("Word by word?")
    editing.saved()
    expect(question).not_to_have_attribute("aria-invalid", "true")
    assert question.evaluate("(one) => one == document.activeElement"), "the preview never takes the focus"
    assert editing.document()["question"] == "Word by word?"
    page.get_by_label("Metric").select_option("nps")
    expect(page.get_by_label("Scale")).to_be_hidden()
    expect(drawn(page).get_by_role("radio")).to_have_count(11)
    assert editing.document()["scale"] == 11
    page = editing.open("appearance")
    page.get_by_role("button", name="#be185d").click()
    expect(page.get_by_label("Colour", exact=True)).to_have_value("#be185d")
    expect(drawn(page)).to_have_css("--color", "#be185d")
    editing.saved()


def test_draft_is_saved_at_rest_and_on_leaving_the_field(editing: Editing) -> None:
    page = editing.open("question")
    saves: list[float] = []
    page.on(
        "request",
        lambda request: saves.append(monotonic()) if request.method == "POST" and "/edit/" in request.url else None,
    )
    question = page.get_by_role("textbox", name="Question")
    question.fill("")
    expect(page.get_by_text("This must not be empty.")).to_be_visible()
    del saves[:]
    question.press_sequentially("How was it, all in all, to be here?", delay=60)
    last_key = monotonic()
    expect(page.get_by_text("Saving…", exact=True)).to_be_visible()
    editing.saved()
    assert len(saves) == 1, "once for all that was typed"
    assert 0.4 < saves[0] - last_key < 2
    assert editing.document()["question"] == "How was it, all in all, to be here?"
    del saves[:]
    question.press("End")
    question.press_sequentially(" Really?")
    typed = monotonic()
    question.press("Tab")
    wait(lambda: editing.document()["question"].endswith(" Really?"), "what was typed before the next field")
    assert saves[0] - typed < 0.5, "the field was left"


def test_preview_has_every_state_size_and_scheme_and_sends_nothing(editing: Editing) -> None:
    sent: list[str] = []
    page = editing.open("appearance")
    page.on("request", lambda request: sent.append(request.url))
    survey = drawn(page)
    for state, words in WORDS.items():
        page.get_by_label("State").select_option(state)
        expect(survey.get_by_text(words, exact=True)).to_be_visible()
    page.get_by_label("Call-out, right").check(force=True)
    page.get_by_label("State").select_option("closed")
    expect(survey.get_by_role("button", name="Feedback")).to_be_visible()
    editing.saved()
    page.get_by_label("Screen").select_option("Phone")
    frame = page.locator("#preview")
    expect(frame).to_have_attribute("width", "375")
    page.locator("#preview-scheme").select_option("dark")
    html = page.frame_locator("#preview").locator("html")
    expect(html).to_have_attribute("data-scheme", "dark")
    survey.get_by_role("button", name="Feedback").click()
    survey.get_by_role("radio", name="Satisfied", exact=True).check()
    survey.get_by_role("textbox").first.fill("Not counted")
    survey.get_by_role("button", name="Send").click()
    expect(survey.get_by_role("textbox", name="Your e-mail address (optional)")).to_be_visible()
    survey.get_by_role("button", name="Send").click()
    expect(survey.get_by_text("Hooray!")).to_be_visible()
    own = tuple(f"{editing.home}/{part}/" for part in ("edit", "draw"))
    assert [url for url in sent if not url.startswith(own)] == []
    assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    assert editing.site.results({"id": editing.id})["counts"]["impressions"] == 0


def test_address_is_tried_against_the_lines(editing: Editing) -> None:
    page = editing.open("audience")
    address, said = page.get_by_label("Address of a page"), page.locator("#tried")
    address.fill("shop.example/order/1")
    expect(said).to_have_text("Shown there: every page is included.")
    page.get_by_label("Include pages").fill("shop.example/order/*\n/thanks")
    expect(said).to_have_text("Shown there: “shop.example/order/*” matches.")
    page.get_by_label("Exclude pages").fill("*/order/1")
    expect(said).to_have_text("Not shown there: “*/order/1” excludes it.")
    address.fill("https://other.example/")
    expect(said).to_have_text("Not shown there: no line matches.")
    address.fill("http://")
    expect(said).to_have_text("This is not an address.")
    page.get_by_label("Include pages").fill("http://")
    expect(page.get_by_text("Not saved yet")).to_be_visible()
    address.fill("shop.example/order/1")
    expect(said).to_have_text("First put right what is wrong in the pages above.")


def test_what_was_typed_survives_a_collector_out_of_reach_and_a_page_left_at_once(editing: Editing) -> None:
    page = editing.open("follow-up")
    page.route("**/edit/follow-up", lambda route: route.abort())
    field = page.get_by_label("Negative", exact=True)
    field.fill("Kept?")
    expect(page.get_by_text("cannot be reached")).to_be_visible()
    page.unroute("**/edit/follow-up")
    editing.saved()
    assert editing.document()["follow_up"]["negative"] == "Kept?"
    field.fill("Before the next page?")
    page.get_by_role("link", name="Review & versions").click()
    expect(page.get_by_text("Before the next page?")).to_be_visible()
    editing.open("follow-up")
    page.get_by_label("Negative", exact=True).fill("Left at once?")
    page.goto("about:blank")
    wait(lambda: editing.document()["follow_up"]["negative"] == "Left at once?", "what was typed last")
    editing.open("follow-up")
    page.get_by_label("Negative", exact=True).press_sequentially(" And the tab closed?")
    page.close()
    wait(lambda: "the tab closed?" in editing.document()["follow_up"]["negative"], "what a closed tab had")


def test_image_is_uploaded_where_it_is_chosen_and_drawn_at_once(editing: Editing) -> None:
    page = editing.open("thank-you")
    chooser = page.get_by_label("Upload: Image").first
    chooser.set_input_files({"name": "no.txt", "mimeType": "text/plain", "buffer": b"no picture"})
    expect(page.get_by_role("alert").first).to_have_text("The image must be a PNG, JPEG, WebP or GIF file.")
    chooser.set_input_files({"name": "thanks.png", "mimeType": "image/png", "buffer": picture(120, 80, color="purple")})
    address = page.locator("input[name='thank_you/negative/image']")
    expect(address).to_have_value(re.compile(rf"/i/{editing.site.key}-[a-z2-7]{{26}}\.png$"))
    editing.saved()
    shown = drawn(page).locator("img")
    expect(shown).to_have_attribute("src", address.input_value())
    wait(lambda: shown.evaluate("(image) => image.naturalWidth") == 120, "the image is there")
    assert editing.document()["thank_you"]["negative"]["image"] == address.input_value()


def test_leaving_asks_while_something_could_not_be_saved_and_not_otherwise(editing: Editing) -> None:
    page = editing.open("question")
    asked: list[str] = []

    def hear(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", hear)
    page.get_by_label("Question", exact=True).fill("Another?")
    editing.saved()
    page.goto(editing.home)
    assert asked == []
    editing.open("question")
    page.get_by_label("Name", exact=True).fill("")
    expect(page.get_by_role("status").filter(has_text="Not saved yet")).to_be_visible()
    page.reload()
    assert asked == ["beforeunload"]
    page.get_by_label("Name", exact=True).fill("A name")
    editing.saved()
    page.reload()
    assert asked == ["beforeunload"]


def test_two_windows_do_not_write_over_each_other(editing: Editing) -> None:
    page = editing.open("question")
    other = page.context.new_page()
    other.goto(page.url)
    other.get_by_role("textbox", name="Question").fill("From the other window?")
    expect(other.get_by_text("Saved.", exact=True)).to_be_visible()
    page.get_by_role("textbox", name="Name").fill("From this window")
    expect(page.get_by_text("Someone else changed Question")).to_be_visible()
    page.get_by_role("textbox", name="Question").fill("From this window?")
    expect(page.get_by_text("was changed by someone else meanwhile, to “From the other window?”")).to_be_visible()
    document = editing.document()
    assert (document["name"], document["question"]) == ("From this window", "From the other window?")


def test_draft_is_tried_on_a_page_of_ones_own(editing: Editing) -> None:
    page = editing.open("audience")
    page.get_by_label("Include pages").fill("/never")
    editing.saved()
    page.goto(f"{editing.home}/review")
    page.get_by_label("Address of a page").fill("http://shop.example/order")
    page.get_by_role("button", name="Create test link").click()
    link = str(page.get_by_role("link", name="Open the page with the survey").get_attribute("href"))
    shop = page.context.new_page()
    body = f"""<!doctype html><html lang="en"><head>{editing.site.tag}</head><body><h1>Thank you</h1></body></html>"""
    shop.route("http://shop.example/**", lambda route: route.fulfill(body=body, content_type="text/html"))
    sent: list[str] = []
    shop.on("request", lambda request: sent.append(request.method))
    shop.goto(link)
    survey = shop.locator("tevreden-survey")
    expect(survey.get_by_role("heading", name=WORDS["question"])).to_be_visible()
    expect(shop.get_by_text("Test of the draft: nothing is counted")).to_be_visible()
    survey.get_by_role("radio", name="Very satisfied").check()
    for _ in ("the comment", "the e-mail address"):
        survey.get_by_role("button", name="Send").click()
    expect(survey.get_by_text("Hooray!")).to_be_visible()
    shop.get_by_role("button", name="Again").click()
    expect(survey.get_by_role("heading", name=WORDS["question"])).to_be_visible()
    assert set(sent) == {"GET"}
    assert shop.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    shop.goto(link[:-3] + "xxx")
    expect(shop.get_by_text("This test link has expired")).to_be_visible()
    assert editing.site.responses() == []
