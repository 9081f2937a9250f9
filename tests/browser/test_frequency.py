"""How often someone is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit, Visitor

START = datetime(2030, 1, 1, 12, tzinfo=UTC)


def days_later(visit: Visit, days: float) -> None:
    visit.page.clock.set_fixed_time(START + timedelta(days=days))


def test_unanswered_never_is_not_asked_again(visit: Visit) -> None:
    visit.site.publish(frequency={"unanswered": "never"})
    visit.open().expect_shown()
    visit.settle()
    visit.requests.clear()
    days_later(visit, 4000)
    visit.open().expect_not_shown(because="seen")


def test_unanswered_after_thirty_days_is_asked_again_and_not_before(visit: Visit) -> None:
    visit.site.publish(frequency={"unanswered": "after", "unanswered_days": 30})
    days_later(visit, 0)
    visit.open().expect_shown()
    visit.settle()
    visit.requests.clear()
    days_later(visit, 29.9)
    visit.open().expect_not_shown(because="seen")
    days_later(visit, 30.1)
    visit.open().expect_shown()


def test_dismissed_survey_stays_away_for_its_days(visit: Visit) -> None:
    visit.site.publish(frequency={"unanswered": "after", "unanswered_days": 2})
    days_later(visit, 0)
    visit.open().expect_shown().get_by_role("button", name="Close").click()
    visit.settle()
    visit.requests.clear()
    days_later(visit, 1)
    visit.open().expect_not_shown(because="seen")
    days_later(visit, 2.1)
    visit.open().expect_shown()


def test_unanswered_always_is_asked_on_the_next_page_view(visit: Visit) -> None:
    visit.site.publish(frequency={"unanswered": "always"})
    visit.open().expect_shown()
    visit.open("http://shop.example/next").expect_shown()


@pytest.mark.parametrize("unanswered", ["always", "after", "never"])
def test_answered_is_never_asked_again_by_default(visit: Visit, unanswered: str) -> None:
    visit.site.publish(frequency={"unanswered": unanswered})
    days_later(visit, 0)
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.settle()
    visit.requests.clear()
    days_later(visit, 4000)
    visit.open().expect_not_shown(because="answered")


def test_answered_is_asked_again_after_its_days(visit: Visit) -> None:
    visit.site.publish(frequency={"unanswered": "never", "answered_days": 90})
    days_later(visit, 0)
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.settle()
    visit.requests.clear()
    days_later(visit, 89)
    visit.open().expect_not_shown(because="answered")
    days_later(visit, 91)
    visit.open().expect_shown()
    visit.settle()
    visit.requests.clear()
    days_later(visit, 92)
    visit.open().expect_not_shown(because="seen")


def test_sample_sticks_to_the_visitor(visitor: Visitor) -> None:
    first = visitor()
    first.site.publish(frequency={"unanswered": "always", "sample_percent": 40})
    first.page.add_init_script("Math.random = () => 0.39")
    first.open().expect_shown()
    first.page.add_init_script("Math.random = () => 0.99")
    first.open("http://shop.example/2").expect_shown()

    second = visitor()
    second.page.add_init_script("Math.random = () => 0.4")
    second.open().expect_not_shown(because="sample")
    second.page.add_init_script("Math.random = () => 0")
    second.open("http://shop.example/2").expect_not_shown(because="sample")


def test_who_is_drawn_out_of_one_survey_may_see_the_next(visit: Visit) -> None:
    visit.site.publish(question="For a few?", frequency={"sample_percent": 1, "priority": 9})
    visit.site.publish(question="For all?")
    visit.page.add_init_script("Math.random = () => 0.5")
    visit.open()
    expect(visit.expect_shown().get_by_role("dialog")).to_have_accessible_name("For all?")


def test_clock_that_was_years_ahead_holds_nobody_off_for_years(visit: Visit) -> None:
    visit.site.publish(frequency={"unanswered": "after", "unanswered_days": 30})
    days_later(visit, 3650)
    visit.open().expect_shown()
    days_later(visit, 0)
    visit.open().expect_shown()


def test_one_survey_a_page_view(visit: Visit) -> None:
    visit.site.publish(question="First?", when={"event": "one"})
    visit.site.publish(question="Second?", when={"event": "two"})
    visit.open()
    visit.page.evaluate("tevreden.event('one')")
    visit.expect_shown().get_by_role("button", name="Close").click()
    expect(visit.survey).to_have_count(0)
    visit.page.evaluate("tevreden.event('two')")
    assert (
        visit.page.evaluate(
            "new Promise((done) => setTimeout(() => done(document.querySelector('tevreden-survey')), 50))"
        )
        is None
    )


def two_surveys(visit: Visit, **frequency: Any) -> dict[str, Any]:
    """Each on pages of its own, with a site's frequency; gives the second."""
    if frequency:
        visit.site.change(frequency=frequency)
    visit.site.publish(question="First?", where={"include": ["/first/*"]}, frequency={"unanswered": "always"})
    return visit.site.publish(question="Second?", where={"include": ["/second/*"]})


def on_page(visit: Visit, path: str, minutes: float) -> Visit:
    """Open a page so many minutes after the beginning, and forget what was asked for before."""
    days_later(visit, minutes / 1440)
    visit.requests.clear()
    return visit.open(f"http://shop.example/{path}")


def test_second_survey_of_a_session_stays_away(visit: Visit) -> None:
    two_surveys(visit)
    on_page(visit, "first", 0).expect_shown().get_by_role("button", name="Close").click()
    visit.settle()
    on_page(visit, "second", 29).expect_not_shown(because="session")
    on_page(visit, "second/again", 58).expect_not_shown(because="session")
    other = visit.context.new_page()
    other.clock.set_fixed_time(START + timedelta(minutes=60))
    other.goto("http://shop.example/second/tab")
    reasons = "tevreden.explain().then((all) => all.map((one) => one.reason))"
    other.wait_for_function("window.tevreden && !Array.isArray(window.tevreden)")
    assert "session" in other.evaluate(reasons), "tabs share it"


def test_next_session_may_show_another(visit: Visit) -> None:
    two_surveys(visit)
    on_page(visit, "first", 0).expect_shown()
    visit.settle()
    on_page(visit, "elsewhere", 20).expect_not_shown()
    on_page(visit, "second", 51).expect_shown()


def test_same_survey_shows_again_in_its_session(visit: Visit) -> None:
    two_surveys(visit)
    on_page(visit, "first", 0).expect_shown()
    visit.settle()
    on_page(visit, "second", 1).expect_not_shown(because="session")
    on_page(visit, "first", 2).expect_shown()


def test_site_may_show_several_surveys_a_session(visit: Visit) -> None:
    two_surveys(visit, once_per_session=False)
    on_page(visit, "first", 0).expect_shown()
    on_page(visit, "second", 1).expect_shown()
    assert "!_:" not in visit.page.evaluate("document.cookie"), "no session is kept where none counts"


def test_quiet_period_holds_over_all_surveys(visit: Visit) -> None:
    two_surveys(visit, quiet_days=7)
    day = 1440
    on_page(visit, "first", 0).expect_shown()
    visit.settle()
    on_page(visit, "second", 6.9 * day).expect_not_shown(because="quiet")
    on_page(visit, "first", 6.9 * day).expect_shown()
    visit.settle()
    on_page(visit, "second", 13.8 * day).expect_not_shown(because="quiet")
    on_page(visit, "second", 14 * day).expect_shown()


def test_survey_that_the_page_asks_for_shows_in_any_session(visit: Visit) -> None:
    second = two_surveys(visit, quiet_days=7)
    on_page(visit, "first", 0).expect_shown()
    visit.settle()
    on_page(visit, "second", 1).expect_not_shown(because="quiet")
    visit.page.evaluate("(key) => tevreden.show(key)", second["key"])
    expect(visit.expect_shown().get_by_role("dialog")).to_have_accessible_name("Second?")


def test_nothing_is_kept_of_a_session_before_a_survey_is_shown(visit: Visit) -> None:
    two_surveys(visit, quiet_days=7)
    on_page(visit, "elsewhere", 0).expect_not_shown()
    assert visit.page.evaluate("[document.cookie, localStorage.length]") == ["", 0]
