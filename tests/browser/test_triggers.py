"""When a survey shows: each trigger alone, and any or all of them together."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import BLANK, TALL, Visit, Visitor


def leave_by_the_top(visit: Visit) -> None:
    visit.page.mouse.move(300, 300)
    visit.page.evaluate(
        "document.documentElement.dispatchEvent(new MouseEvent('mouseleave', {clientX: 300, clientY: -1}))"
    )


def test_nothing_set_shows_at_once(visit: Visit) -> None:
    visit.site.publish()
    visit.open().expect_shown()


def test_delay_shows_after_its_seconds_and_not_before(visit: Visit) -> None:
    visit.site.publish(when={"delay_seconds": 5})
    visit.stand_still()
    visit.open()
    visit.page.clock.run_for(4_900)
    visit.expect_not_shown()
    visit.page.clock.run_for(200)
    visit.expect_shown()


def test_half_of_the_page_scrolled_shows(visit: Visit) -> None:
    visit.site.publish(when={"scroll_percent": 50})
    visit.body = TALL
    visit.stand_still()
    visit.open()
    visit.page.clock.run_for(10_000)
    room = visit.page.evaluate("document.documentElement.scrollHeight - innerHeight")
    visit.page.evaluate(f"scrollTo(0, {room * 0.45})")
    visit.page.clock.run_for(1_000)
    visit.expect_not_shown()
    visit.page.evaluate(f"scrollTo(0, {room * 0.51})")
    visit.expect_shown()


def test_page_too_short_to_scroll_counts_as_scrolled(visit: Visit) -> None:
    visit.site.publish(when={"scroll_percent": 50})
    visit.open().expect_shown()


def test_page_that_grows_after_loading_has_to_be_scrolled(visit: Visit) -> None:
    visit.site.publish(when={"scroll_percent": 50})
    visit.stand_still()
    visit.open()
    visit.page.evaluate("document.body.append(Object.assign(document.createElement('div'), {id: 'late'}))")
    visit.page.evaluate("document.getElementById('late').style.height = '4000px'")
    visit.page.clock.run_for(10_000)
    visit.expect_not_shown()
    visit.page.evaluate("scrollTo(0, 4000)")
    visit.expect_shown()


def test_leaving_by_the_top_shows(visit: Visit) -> None:
    visit.site.publish(when={"exit_intent": True})
    visit.open()
    visit.expect_not_shown()
    visit.page.evaluate(
        "document.documentElement.dispatchEvent(new MouseEvent('mouseleave', {clientX: 0, clientY: 300}))"
    )
    visit.expect_not_shown()
    leave_by_the_top(visit)
    visit.expect_shown()


def test_named_event_shows(visit: Visit) -> None:
    visit.site.publish(when={"event": "order placed"})
    visit.open()
    visit.page.evaluate("tevreden.event('cart opened')")
    visit.expect_not_shown()
    visit.page.evaluate("tevreden.push(['event', 'order placed'])")
    visit.expect_shown()


def test_event_pushed_before_the_script_has_loaded_counts(visit: Visit) -> None:
    visit.site.publish(when={"event": "order placed"})
    visit.head = "<script>(window.tevreden ||= []).push(['event', 'order placed'])</script>"
    visit.open().expect_shown()


def test_element_that_comes_into_view_shows(visit: Visit) -> None:
    visit.site.publish(when={"element": "#reviews"})
    visit.body = TALL + '<div id="reviews">Reviews</div>'
    visit.open()
    visit.page.evaluate("new Promise(requestAnimationFrame)")
    visit.expect_not_shown()
    visit.page.locator("#reviews").scroll_into_view_if_needed()
    visit.expect_shown()


def test_element_that_is_added_later_shows(visit: Visit) -> None:
    visit.site.publish(when={"element": ".done"})
    visit.open()
    visit.expect_not_shown()
    visit.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p class=done>Done</p>')")
    visit.expect_shown()


def test_selector_that_is_none_harms_nothing(visit: Visit) -> None:
    visit.site.publish(when={"element": "p:has("}, frequency={"priority": 1})
    visit.site.publish(question="The other one?", when={"event": "go"})
    visit.open()
    visit.page.evaluate("tevreden.event('go')")
    expect(visit.expect_shown().get_by_role("dialog")).to_have_accessible_name("The other one?")
    assert visit.errors == []


def test_any_shows_at_the_first(visit: Visit) -> None:
    visit.site.publish(when={"delay_seconds": 60, "event": "go", "match": "any"})
    visit.stand_still()
    visit.open()
    visit.page.evaluate("tevreden.event('go')")
    visit.expect_shown()


def test_all_waits_for_the_last(visit: Visit) -> None:
    visit.site.publish(when={"delay_seconds": 10, "scroll_percent": 50, "event": "go", "match": "all"})
    visit.body = TALL
    visit.stand_still()
    visit.open()
    visit.page.evaluate("tevreden.event('go')")
    visit.page.evaluate("scrollTo(0, 4000)")
    visit.page.clock.run_for(9_900)
    visit.expect_not_shown()
    visit.page.clock.run_for(200)
    visit.expect_shown()


def test_leaving_too_early_is_forgotten_when_all_must_hold(visit: Visit) -> None:
    visit.site.publish(when={"delay_seconds": 10, "exit_intent": True, "match": "all"})
    visit.stand_still()
    visit.open()
    leave_by_the_top(visit)
    visit.page.clock.run_for(11_000)
    visit.expect_not_shown()
    leave_by_the_top(visit)
    visit.expect_shown()


def test_of_two_due_at_once_the_higher_priority_shows_and_no_other(visit: Visit) -> None:
    visit.site.publish(question="Low?", frequency={"priority": 1})
    visit.site.publish(question="High?", frequency={"priority": 5})
    visit.open()
    dialog = visit.expect_shown().get_by_role("dialog")
    expect(dialog).to_have_accessible_name("High?")
    visit.page.evaluate("tevreden.dismiss()")
    expect(visit.survey).to_have_count(0)


def test_small_screens_are_left_alone_when_the_survey_says_so(visitor: Visitor) -> None:
    phone = visitor(viewport={"width": 375, "height": 740})
    phone.site.publish(where={"small_screens": False})
    phone.open().expect_not_shown(because="screen")
    tablet = visitor(viewport={"width": 768, "height": 1024})
    tablet.open().expect_shown()


def test_page_in_the_background_waits_until_it_is_looked_at(visit: Visit) -> None:
    visit.site.publish()
    visit.head = """<script>
      let hidden = true;
      Object.defineProperty(document, 'hidden', {get: () => hidden});
      window.look = () => { hidden = false; document.dispatchEvent(new Event('visibilitychange', {bubbles: true})); };
    </script>"""
    visit.body = BLANK
    visit.open()
    visit.expect_not_shown()
    visit.page.evaluate("look()")
    visit.expect_shown()
