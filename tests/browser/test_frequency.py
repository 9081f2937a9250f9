"""How often someone is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

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
    visit.open().expect_not_shown(because="seen already")


def test_unanswered_after_thirty_days_is_asked_again_and_not_before(visit: Visit) -> None:
    visit.site.publish(frequency={"unanswered": "after", "unanswered_days": 30})
    days_later(visit, 0)
    visit.open().expect_shown()
    visit.settle()
    visit.requests.clear()
    days_later(visit, 29.9)
    visit.open().expect_not_shown(because="seen already")
    days_later(visit, 30.1)
    visit.open().expect_shown()


def test_dismissed_survey_stays_away_for_its_days(visit: Visit) -> None:
    visit.site.publish(frequency={"unanswered": "after", "unanswered_days": 2})
    days_later(visit, 0)
    visit.open().expect_shown().get_by_role("button", name="Close").click()
    visit.settle()
    visit.requests.clear()
    days_later(visit, 1)
    visit.open().expect_not_shown(because="seen already")
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
    visit.open().expect_not_shown(because="answered already")


def test_answered_is_asked_again_after_its_days(visit: Visit) -> None:
    visit.site.publish(frequency={"unanswered": "never", "answered_days": 90})
    days_later(visit, 0)
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.settle()
    visit.requests.clear()
    days_later(visit, 89)
    visit.open().expect_not_shown(because="answered already")
    days_later(visit, 91)
    visit.open().expect_shown()
    visit.settle()
    visit.requests.clear()
    days_later(visit, 92)
    visit.open().expect_not_shown(because="seen already")


def test_sample_sticks_to_the_visitor(visitor: Visitor) -> None:
    first = visitor()
    first.site.publish(frequency={"unanswered": "always", "sample_percent": 40})
    first.page.add_init_script("Math.random = () => 0.39")
    first.open().expect_shown()
    first.page.add_init_script("Math.random = () => 0.99")
    first.open("http://shop.example/2").expect_shown()

    second = visitor()
    second.page.add_init_script("Math.random = () => 0.4")
    with second.page.expect_response(lambda reply: "/w/ui-" in reply.url):
        second.open()
    expect(second.survey).to_have_count(0)
    second.requests.clear()
    second.page.add_init_script("Math.random = () => 0")
    second.open("http://shop.example/2").expect_not_shown(because="not in the sample")


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
