"""What a page can ask of the widget and hear from it, and how it follows a single-page application."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from collector.web.visitors.addresses import frozen_tag
from tests.browser.conftest import Visit


def test_events_bubble_to_the_page_and_to_handlers(visit: Visit) -> None:
    survey = visit.site.publish()
    visit.head = """<script>
      window.heard = [];
      for (const name of ['shown', 'answered', 'dismissed']) {
        document.addEventListener('tevreden:' + name, (e) => heard.push([name, e.target.localName, e.detail]));
        (window.tevreden ||= []).push(['on', name, (detail) => heard.push([name, 'handler', detail])]);
      }
    </script>"""
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.survey.get_by_role("textbox").first.fill("Good")
    visit.send()
    heard = visit.page.evaluate("heard")
    about = {"survey": survey["key"], "revision": 1}
    score = {**about, "score": 4, "group": "positive"}
    said = {**score, "comment": "Good"}
    answers = [{**score, "complete": False}, {**said, "complete": False}, {**said, "complete": True}]
    assert [one for one in heard if one[1] == "tevreden-survey"] == [
        ["shown", "tevreden-survey", about],
        *(["answered", "tevreden-survey", detail] for detail in answers),
    ]
    assert [one[2] for one in heard if one[1] == "handler"] == [about, *answers]


def test_show_asks_whatever_the_targeting_says(visit: Visit) -> None:
    survey = visit.site.publish(where={"include": ["/elsewhere"]})
    visit.open()
    visit.page.evaluate("(key) => tevreden.push(['show', key])", survey["key"])
    visit.expect_shown()


def test_survey_shown_by_who_hears_an_answer_stays_theirs_to_close(visit: Visit) -> None:
    visit.page.clock.install()
    visit.site.publish()
    second = visit.site.publish(question="And this?", where={"include": ["/elsewhere"]})
    visit.head = f"""<script>(window.tevreden ||= []).push(['on', 'answered', (answer) => {{
      if (answer.complete) {{ tevreden.dismiss(); tevreden.show('{second["key"]}') }} }}])</script>"""
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.send_unheard()
    expect(visit.survey.get_by_role("dialog")).to_have_accessible_name("And this?")
    visit.page.clock.run_for(20_000)
    expect(visit.survey).to_have_count(1)
    visit.page.evaluate("tevreden.dismiss()")
    expect(visit.survey).to_have_count(0)


def test_show_mounts_in_an_element(visit: Visit) -> None:
    survey = visit.site.publish(where={"include": ["/elsewhere"]})
    visit.body = "<main id=here></main>"
    visit.open()
    visit.page.evaluate("(key) => tevreden.show(key, {mount: document.getElementById('here')})", survey["key"])
    expect(visit.page.locator("#here > tevreden-survey")).to_have_attribute("data-position", "inline")
    visit.answer("Satisfied")
    visit.send()
    assert len(visit.site.responses()) == 1


def test_mounted_survey_stays_when_the_route_or_escape_would_close_it(visit: Visit) -> None:
    survey = visit.site.publish(where={"include": ["/elsewhere"]})
    visit.body = "<main id=here></main>"
    visit.open("https://shop.example/")
    visit.page.evaluate("(key) => tevreden.show(key, {mount: document.getElementById('here')})", survey["key"])
    visit.survey.get_by_role("radio").first.focus()
    visit.page.keyboard.press("Escape")
    visit.page.evaluate("history.pushState({}, '', '/other')")
    expect(visit.page.locator("#here > tevreden-survey")).to_be_visible()


def test_what_was_asked_for_wins_over_what_is_due(visit: Visit) -> None:
    asked = visit.site.publish(question="Asked for?", where={"include": ["/elsewhere"]})
    due = visit.site.publish(question="Due?", frequency={"unanswered": "always"})
    visit.head = f"<script>(window.tevreden ||= []).push(['show', '{asked['key']}'])</script>"
    visit.open()
    expect(visit.survey.get_by_role("dialog")).to_have_accessible_name("Asked for?")
    visit.settle()
    assert visit.site.results(due)["counts"]["impressions"] == 0


def test_page_that_replaces_its_body_gets_its_next_survey(visit: Visit) -> None:
    visit.site.publish(frequency={"unanswered": "always"})
    visit.open("https://shop.example/").expect_shown()
    visit.page.evaluate("document.body.replaceWith(document.createElement('body'))")
    visit.page.evaluate("history.pushState({}, '', '/next')")
    visit.expect_shown()


def test_call_that_is_not_there_does_nothing(visit: Visit) -> None:
    visit.site.publish(when={"event": "never"})
    visit.open()
    visit.page.evaluate("tevreden.push(['nosuch'])")
    visit.expect_not_shown()
    assert visit.errors == []


def test_dismiss_is_as_if_the_visitor_closed_it(visit: Visit) -> None:
    survey = visit.site.publish()
    visit.open().expect_shown()
    visit.page.evaluate("tevreden.dismiss()")
    expect(visit.survey).to_have_count(0)
    visit.settle()
    assert visit.site.results(survey)["counts"]["dismissals"] == 1


def test_explain_gives_each_survey_its_reason(visit: Visit) -> None:
    here = visit.site.publish(when={"event": "never"})
    elsewhere = visit.site.publish(where={"include": ["/elsewhere"]})
    visit.open()
    reasons = visit.page.evaluate("tevreden.explain().then((all) => all.map((one) => [one.survey, one.reason]))")
    assert reasons == [[here["key"], "waiting"], [elsewhere["key"], "page"]]


def test_route_change_is_a_page_view(visit: Visit) -> None:
    visit.site.publish(where={"include": ["/thanks"]})
    visit.open("https://shop.example/cart").expect_not_shown()
    visit.page.evaluate("history.pushState({}, '', '/thanks')")
    visit.expect_shown()
    visit.answer("Satisfied")
    visit.send()
    assert visit.site.responses()[0]["page"] == "https://shop.example/thanks"


def test_route_change_is_followed_without_the_navigation_api(visit: Visit) -> None:
    visit.site.publish(where={"include": ["/app#/done"]})
    visit.head = "<script>Object.defineProperty(window, 'navigation', {value: undefined})</script>"
    visit.open("https://shop.example/").expect_not_shown()
    visit.page.evaluate("history.replaceState({}, '', '/app')")
    visit.expect_not_shown()
    visit.page.evaluate("location.hash = '/done'")
    visit.expect_shown()


def test_survey_whose_page_is_gone_does_not_show(visit: Visit) -> None:
    visit.site.publish(where={"include": ["/cart"]}, when={"delay_seconds": 5})
    visit.stand_still()
    visit.open("https://shop.example/cart")
    visit.page.clock.run_for(3_000)
    visit.page.evaluate("history.pushState({}, '', '/other')")
    visit.page.clock.run_for(10_000)
    visit.expect_not_shown()
    visit.page.evaluate("history.pushState({}, '', '/cart')")
    visit.page.clock.run_for(4_000)
    visit.expect_not_shown()
    visit.page.clock.run_for(1_100)
    visit.expect_shown()


def test_shown_survey_leaves_with_its_page_unless_it_is_being_answered(visit: Visit) -> None:
    visit.site.publish(where={"include": ["/cart"]}, frequency={"unanswered": "always"})
    visit.open("https://shop.example/cart").expect_shown()
    visit.page.evaluate("history.pushState({}, '', '/other')")
    expect(visit.survey).to_have_count(0)
    visit.page.evaluate("history.pushState({}, '', '/cart')")
    visit.expect_shown()
    visit.answer("Satisfied")
    visit.page.evaluate("history.pushState({}, '', '/other')")
    visit.send()
    expect(visit.survey).to_have_attribute("data-state", "thanks")


def test_frozen_loader_with_integrity_shows_and_takes_answers(visit: Visit) -> None:
    visit.site.publish()
    visit.site.tag = frozen_tag(visit.site.url, visit.site.key)
    visit.open("https://shop.example/").expect_shown()
    visit.answer("Satisfied")
    visit.send()
    assert len(visit.site.responses()) == 1
    assert visit.errors == []


def test_show_fetches_a_survey_that_no_page_carries(visit: Visit) -> None:
    question = "Was the driver friendly?"
    survey = visit.site.publish(delivery="link", question=question)
    visit.open().expect_not_shown()
    assert question not in visit.page.evaluate(
        "(src) => fetch(src).then((reply) => reply.text())", f"{visit.site.url}/w/{visit.site.key}.js"
    )
    shows = "(key) => tevreden.show(key)"
    visit.page.evaluate(shows, survey["key"])
    expect(visit.expect_shown().get_by_role("dialog")).to_have_accessible_name(question)
    visit.answer("Satisfied")
    visit.send()
    visit.page.evaluate("tevreden.dismiss()")
    visit.page.evaluate(shows, survey["key"])
    visit.expect_shown()
    asked = [one for one in visit.to_collector() if one.url.split("?")[0].endswith(f"/{survey['key']}.json")]
    assert len(asked) == 1, "asked for once a page"
    assert [one["survey"] for one in visit.page.evaluate("tevreden.explain()")] == [survey["key"]]
    assert visit.site.responses()[0]["score"] == 4


def test_show_says_which_survey_it_cannot_find(visit: Visit) -> None:
    with visit.open().page.expect_console_message(lambda message: "abcd2345 cannot be shown" in message.text):
        visit.page.evaluate("tevreden.show('abcd2345')")
    assert visit.survey.count() == 0


@pytest.mark.parametrize("delivery", ["link", "web"])
def test_survey_page_of_its_own(visit: Visit, delivery: str) -> None:
    survey = visit.site.publish(
        delivery=delivery, language="nl", question="Hoe tevreden ben je?", frequency={"unanswered": "always"}
    )
    if delivery == "link":
        visit.open("https://shop.example/").expect_not_shown()
    own = survey["url"].replace(survey["url"].split("/s/")[0], visit.site.url)
    visit.page.goto(own)
    expect(visit.survey.get_by_role("dialog")).to_have_accessible_name("Hoe tevreden ben je?")
    visit.answer("Tevreden")
    visit.send()
    expect(visit.survey.get_by_role("heading")).to_have_text("Bedankt!")
    assert len(visit.site.responses()) == 1
    assert visit.site.results(survey)["counts"]["impressions"] == 1
    visit.site.call("POST", f"/surveys/{survey['id']}/pause")
    reply = visit.page.goto(own)
    assert reply
    assert reply.status == 410
    expect(visit.page.get_by_text("Deze vragenlijst is gesloten")).to_be_visible()
    assert [error for error in visit.errors if "410" not in error] == []


def test_survey_that_a_page_shows_in_its_own_shadow_root_counts_as_seen(visit: Visit) -> None:
    survey = visit.site.publish(delivery="link")
    visit.open()
    visit.page.evaluate(
        """(key) => {
          const panel = document.body.appendChild(document.createElement("div")).attachShadow({ mode: "open" });
          const mount = panel.appendChild(document.createElement("div"));
          mount.addEventListener("tevreden:shown", () => { window.told = true });
          tevreden.show(key, { mount });
        }""",
        survey["key"],
    )
    visit.page.wait_for_function("window.told")
