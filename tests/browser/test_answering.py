"""A visitor answers: by mouse, touch and keyboard, in part and in full."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit, Visitor
from tests.conftest import CONTRACT

SCORES = json.loads((CONTRACT / "scores.json").read_text("utf-8"))
TEXTS: dict[str, dict[str, Any]] = {
    "follow_up": {"negative": "What went wrong?", "neutral": "What is missing?", "positive": "What was good?"},
    "thank_you": {
        "negative": {"heading": "We will do better"},
        "neutral": {"heading": "Noted", "image": False, "body": ""},
        "positive": {"heading": "Glad to hear", "link": "https://shop.example/reviews", "link_text": "Tell others"},
    },
}


def stored(visit: Visit) -> dict[str, Any]:
    (response,) = visit.site.responses()
    return response


def test_answer_with_comment_and_email_is_on_disk(visit: Visit) -> None:
    survey = visit.site.publish(email_capture={"consent_text": "We may write back."}, **TEXTS)
    visit.open("http://shop.example/order?id=7").expect_shown()
    visit.answer("Very satisfied")
    visit.survey.get_by_role("textbox", name="What was good?").fill("Quick, and wrapped well 🎁")
    expect(visit.survey.get_by_text("We may write back.")).to_be_hidden()
    visit.survey.get_by_role("button", name="Send").click()
    expect(visit.survey.get_by_role("textbox", name="Your e-mail address (optional)")).to_be_focused()
    expect(visit.survey.get_by_text("We may write back.")).to_be_visible()
    expect(visit.survey.get_by_role("textbox")).to_have_count(1)
    visit.send(" Jo@Example.com ")
    expect(visit.survey.get_by_role("dialog", name="Glad to hear")).to_be_visible()
    expect(visit.survey).to_have_attribute("data-state", "thanks")
    link = visit.survey.get_by_role("link", name="Tell others")
    expect(link).to_have_attribute("href", "https://shop.example/reviews")
    response = stored(visit)
    wanted = {
        "survey": survey["id"],
        "revision": 1,
        "score": 5,
        "group": "positive",
        "comment": "Quick, and wrapped well 🎁",
        "email": "Jo@Example.com",
        "email_verified": False,
        "consent_text": "We may write back.",
        "complete": True,
        "page": "http://shop.example/order",
        "language": "en",
        "device": "desktop",
        "system": "Linux",
    }
    assert {key: response[key] for key in wanted} == wanted
    assert response["visitor"]


@pytest.mark.parametrize("case", SCORES, ids=lambda case: f"{case['metric']} {case['scale']}")
def test_each_group_has_its_own_question_and_thanks(visitor: Visitor, case: dict[str, Any]) -> None:
    visit = visitor()
    visit.site.publish(metric=case["metric"], scale=case["scale"], **TEXTS)
    survey = visit.open().expect_shown()
    radios = survey.get_by_role("radio")
    scores = case["negative"] + case["neutral"] + case["positive"]
    assert [int(value) for value in radios.evaluate_all("(all) => all.map((one) => one.value)")] == scores
    for group, asked in TEXTS["follow_up"].items():
        for score in (case[group][0], case[group][-1]):
            survey.locator(f'input[value="{score}"]').check()
            expect(survey.get_by_role("textbox", name=asked)).to_be_visible()
    visit.send()
    expect(survey.get_by_role("heading", name="Glad to hear")).to_be_visible()
    response = stored(visit)
    assert (response["score"], response["group"]) == (case["positive"][-1], "positive")


def test_score_alone_counts_when_the_visitor_leaves(visit: Visit) -> None:
    visit.site.publish()
    visit.open().expect_shown()
    with visit.page.expect_response(lambda reply: '"response"' in (reply.request.post_data or "")):
        visit.answer("Dissatisfied")
    visit.page.goto("about:blank")
    response = stored(visit)
    assert (response["score"], response["complete"], response["comment"]) == (2, False, None)


def test_what_was_typed_and_not_sent_stays_with_the_visitor(visit: Visit) -> None:
    visit.site.publish()
    visit.open().expect_shown()
    with visit.page.expect_response(lambda reply: '"response"' in (reply.request.post_data or "")):
        visit.answer("Dissatisfied")
    visit.survey.get_by_role("textbox").first.fill("Something private")
    visit.page.goto("about:blank")
    assert stored(visit)["comment"] is None


def test_changed_mind_edits_the_same_response(visit: Visit) -> None:
    visit.site.publish()
    visit.open().expect_shown()
    visit.answer("Dissatisfied")
    visit.survey.get_by_role("textbox").first.fill("Late")
    visit.answer("Satisfied")
    expect(visit.survey.get_by_role("textbox").first).to_have_value("Late")
    visit.send()
    response = stored(visit)
    assert (response["score"], response["comment"]) == (4, "Late")


def test_by_keyboard_alone(visit: Visit) -> None:
    visit.site.publish(metric="nps", **TEXTS)
    visit.open().expect_shown()
    keys = visit.page.keyboard
    keys.press("Tab")
    expect(visit.survey.get_by_role("button", name="Close")).to_be_focused()
    keys.press("Tab")
    assert visit.site.responses() == []
    for _ in range(9):
        keys.press("ArrowRight")
    expect(visit.survey.get_by_role("radio", name="9")).to_be_checked()
    keys.press("Tab")
    keys.type("Everything")
    button = visit.survey.get_by_role("button", name="Send")
    expect(button).to_be_enabled()
    keys.press("Tab")
    expect(button).to_be_focused()
    keys.press("Enter")
    expect(visit.survey.get_by_role("textbox", name="Your e-mail address (optional)")).to_be_focused()
    expect(button).to_be_enabled()
    with visit.page.expect_response(lambda reply: '"complete":true' in (reply.request.post_data or "")):
        keys.press("Enter")
    expect(visit.survey.get_by_role("dialog", name="Glad to hear")).to_be_focused()
    response = stored(visit)
    assert (response["score"], response["comment"]) == (9, "Everything")


def test_by_touch_in_three_taps(visitor: Visitor) -> None:
    phone = visitor(viewport={"width": 375, "height": 667}, has_touch=True, is_mobile=True)
    phone.site.publish()
    survey = phone.open().expect_shown()
    survey.get_by_role("radio", name="Neutral").tap()
    survey.get_by_role("button", name="Send").tap()
    with phone.page.expect_response(lambda reply: '"complete":true' in (reply.request.post_data or "")):
        survey.get_by_role("button", name="Send").tap()
    expect(survey).to_have_attribute("data-state", "thanks")
    assert stored(phone)["score"] == 3


def test_one_tap_is_enough_where_nothing_else_is_asked(visit: Visit) -> None:
    nothing = {"negative": "", "neutral": "", "positive": ""}
    visit.site.publish(follow_up=nothing, email_capture={"ask": "never"})
    visit.open().expect_shown()
    with visit.page.expect_response(lambda reply: '"complete":true' in (reply.request.post_data or "")):
        visit.survey.get_by_role("radio", name="Very satisfied").click()
    expect(visit.survey).to_have_attribute("data-state", "thanks")


def test_address_that_is_none_is_told_before_anything_is_sent(visit: Visit) -> None:
    visit.site.publish()
    survey = visit.open().expect_shown()
    visit.answer("Satisfied")
    survey.get_by_role("button", name="Send").click()
    field = survey.get_by_role("textbox", name="Your e-mail address (optional)")
    field.fill("jo at example")
    survey.get_by_role("button", name="Send").click()
    expect(survey.get_by_role("alert")).to_have_text("Please check the e-mail address")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    visit.send("jo@example.com")
    assert stored(visit)["email"] == "jo@example.com"


def test_closing_records_a_dismissal_once(visit: Visit) -> None:
    survey = visit.site.publish()
    visit.open().expect_shown()
    with visit.page.expect_response(lambda reply: '"dismissal"' in (reply.request.post_data or "")):
        visit.survey.get_by_role("button", name="Close").click()
    expect(visit.survey).to_have_count(0)
    counts = visit.site.results(survey)["counts"]
    assert (counts["impressions"], counts["dismissals"], counts["scores"]) == (1, 1, 0)


def test_thanks_without_a_heading_still_have_a_name(visit: Visit) -> None:
    visit.site.publish(thank_you={"positive": {"heading": "", "body": "We read every answer."}})
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.send()
    expect(visit.survey.get_by_role("dialog")).to_have_accessible_name("We read every answer.")


def test_comment_full_of_brackets_arrives(visit: Visit) -> None:
    visit.site.publish()
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.survey.get_by_role("textbox").first.fill(':[ "' * 40)
    visit.send()
    assert stored(visit)["comment"] == (':[ "' * 40).strip()


def test_escape_closes_only_with_the_focus_inside(visit: Visit) -> None:
    visit.site.publish()
    visit.body = "<input id=search autofocus>"
    survey = visit.open().expect_shown()
    visit.page.locator("#search").focus()
    visit.page.keyboard.press("Escape")
    expect(survey).to_be_visible()
    survey.get_by_role("radio").first.focus()
    visit.page.keyboard.press("Escape")
    expect(survey).to_have_count(0)


def test_opening_takes_no_focus_and_no_key(visit: Visit) -> None:
    visit.site.publish(when={"event": "go"})
    visit.body = "<textarea id=note></textarea>"
    visit.open()
    note = visit.page.locator("#note")
    note.focus()
    visit.page.evaluate("tevreden.event('go')")
    visit.expect_shown()
    visit.page.keyboard.type("after")
    expect(note).to_have_value("after")
    expect(note).to_be_focused()


def test_thanks_leave_by_themselves(visit: Visit) -> None:
    visit.site.publish()
    visit.page.clock.install()
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.send()
    visit.page.mouse.move(10, 10)
    visit.page.evaluate("document.activeElement.blur()")
    visit.page.clock.run_for(9_000)
    expect(visit.survey).to_have_count(0)


def test_results_count_people_and_not_robots(visitor: Visitor) -> None:
    person, robot = visitor(), visitor()
    survey = person.site.publish()
    robot.page.add_init_script("Object.defineProperty(navigator, 'webdriver', {get: () => true})")
    for visit, score in ((person, "Very satisfied"), (robot, "Very dissatisfied")):
        visit.context.set_extra_http_headers(
            {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/150.0 Safari/537.36"}
        )
        visit.open().expect_shown()
        visit.answer(score)
        visit.send()
    results = person.site.results(survey)
    headline = results["headline"]
    assert (headline["value"], headline["total"]) == (100.0, 1)
    assert headline["groups"] == {"negative": 0, "neutral": 0, "positive": 1}
    assert results["counts"] == {
        "impressions": 1,
        "dismissals": 0,
        "scores": 1,
        "comments": 0,
        "emails": 0,
        "robots": 1,
    }
    assert [response["bot"] for response in person.site.responses()] == [True, False]


def test_page_script_cannot_answer_in_markup(visit: Visit) -> None:
    evil = '<img src=x onerror="document.title=1"><script>document.title=1</script>'
    visit.site.publish(question=evil, thank_you={"positive": {"heading": evil, "body": evil}})
    visit.open().expect_shown()
    expect(visit.survey.get_by_role("heading")).to_have_text(evil)
    visit.answer("Satisfied")
    visit.send()
    expect(visit.survey.get_by_role("heading")).to_have_text(evil)
    assert visit.page.title() == ""


@pytest.mark.parametrize(
    ("lang", "data_lang", "locale", "asked"),
    [
        ("NL", "", "en-US", "Hoe tevreden ben je?"),
        ("constructor", "", "en-US", "How satisfied are you?"),
        ("nl", "", "en-US", "Hoe tevreden ben je?"),
        ("nl-BE", "", "en-US", "Hoe tevreden ben je?"),
        ("", "", "ar-EG", "ما مدى رضاك؟"),
        ("fi", "nl", "ar-EG", "Hoe tevreden ben je?"),
        ("fi", "", "fi-FI", "How satisfied are you?"),
    ],
)
def test_language_of_the_page_or_browser_chooses_the_translation(
    visitor: Visitor, lang: str, data_lang: str, locale: str, asked: str
) -> None:
    visit = visitor(locale=locale)
    visit.lang = lang
    visit.tag_options = f'data-lang="{data_lang}"' if data_lang else ""
    visit.site.publish(translations={"nl": {"question": "Hoe tevreden ben je?"}, "ar": {"question": "ما مدى رضاك؟"}})
    survey = visit.open().expect_shown()
    expect(survey.get_by_role("heading")).to_have_text(asked)
    visit.survey.get_by_role("radio").last.check()
    visit.send()
    assert stored(visit)["language"] == survey.get_attribute("lang")
