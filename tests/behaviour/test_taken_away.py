"""Pages that take things away or bring them late: a survey counts once it is seen, and comes back when it was lost."""

from __future__ import annotations

import pytest

from tests.behaviour.visit import BLANK, Visit, due, go

SWAPS = {
    "turbo": "document.documentElement.replaceChild(document.createElement('body'), document.body)",
    "htmx": "document.body.innerHTML = '<h1>The next page</h1>'",
    "unpoly": "document.body.replaceWith(Object.assign(document.createElement('body'), {innerHTML: '<p>Next</p>'}))",
    "morph": "document.querySelector('tevreden-survey').remove()",
}
ADDRESS = "history.pushState({}, '', '/next')"
COMMENT = "(root) => root.querySelector('textarea').value"


@pytest.mark.parametrize("swap", SWAPS)
@pytest.mark.parametrize("first", ["address", "body"])
def test_half_typed_comment_outlives_the_body_that_it_was_typed_in(visit: Visit, swap: str, first: str) -> None:
    visit.site.publish()
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.write("Half a sen")
    steps = [ADDRESS, SWAPS[swap]] if first == "address" else [SWAPS[swap], ADDRESS]
    for step in steps:
        visit.window.run(f"void ({step})")
    visit.expect_shown()
    visit.window.until("document.activeElement.localName == 'tevreden-survey'")
    visit.window.type("tence")
    assert visit.inside(COMMENT) == "Half a sentence"
    visit.send()
    visit.settle()
    assert visit.arrived("response")[-1]["comment"] == "Half a sentence"
    assert len(visit.arrived("impression")) == 1
    assert visit.count() == 1


def test_survey_of_the_next_page_shows_there(visit: Visit) -> None:
    visit.site.change(frequency={"once_per_session": False})
    visit.site.publish(where={"include": ["/"]}, question="Here?")
    visit.site.publish(where={"include": ["/next"]}, question="There?")
    visit.open().expect_shown()
    visit.window.run(f"void ({ADDRESS}, {SWAPS['turbo']})")
    visit.window.until(
        "document.querySelector('tevreden-survey')?.shadowRoot.querySelector('h2').textContent == 'There?'"
    )
    visit.expect_shown()


def test_thanks_that_went_with_its_page_make_way_for_the_next_survey(visit: Visit) -> None:
    visit.site.change(frequency={"once_per_session": False})
    visit.site.publish(where={"include": ["/"]}, question="Here?")
    visit.site.publish(where={"include": ["/next"]}, question="There?")
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.send()
    visit.window.run(f"void ({ADDRESS}, {SWAPS['turbo']})")
    visit.window.until(
        "document.querySelector('tevreden-survey')?.shadowRoot.querySelector('h2').textContent == 'There?'"
    )


def test_page_that_will_not_have_it_is_not_fought(visit: Visit) -> None:
    visit.site.publish()
    visit.head = """<script>window.removed = 0; new MutationObserver(() => {
        for (const one of document.querySelectorAll('tevreden-survey')) { one.remove(); removed++ }
      }).observe(document, {childList: true, subtree: true})</script>"""
    visit.open()
    visit.window.until("removed > 10")
    visit.window.run("new Promise((done) => setTimeout(done, 3000))")  # nothing may come of it in this time
    assert visit.window.run("removed") == 11
    assert visit.events() == []


def test_copy_that_a_page_kept_of_its_body_is_cleared_away(visit: Visit) -> None:
    visit.site.publish()
    visit.open().expect_shown()
    visit.window.run("() => { const copy = document.body.cloneNode(true); document.body.replaceWith(copy) }")
    visit.window.until("document.querySelectorAll('tevreden-survey').length == 1")
    visit.expect_shown()


UNSEEN = {
    "inert": ("inert = true", "inert = false"),
    "aria-hidden": ("setAttribute('aria-hidden', 'true')", "removeAttribute('aria-hidden')"),
    "not displayed": ("style.display = 'none'", "style.display = ''"),
    "content-visibility": ("style.contentVisibility = 'hidden'", "style.contentVisibility = ''"),
    "transparent": ("style.opacity = '0'", "style.opacity = ''"),
    "invisible": ("style.visibility = 'hidden'", "style.visibility = ''"),
}


@pytest.mark.parametrize("way", UNSEEN, ids=lambda name: name.replace(" ", "-"))
@pytest.mark.parametrize("place", ["body", "documentElement"])
def test_survey_that_nobody_can_see_is_not_counted_until_someone_can(visit: Visit, way: str, place: str) -> None:
    hide, show = UNSEEN[way]
    if place == "documentElement" and way == "content-visibility":
        pytest.skip("does not apply to the root")
    due(visit, BLANK)
    visit.window.run("void addEventListener('tevreden:shown', () => { window.told = true }, true)")
    visit.window.run(f"void (document.{place}.{hide})")
    go(visit)
    visit.wait_until("unseen")
    assert visit.window.run("window.told") is None
    assert visit.events() == []
    visit.window.run(f"void (document.{place}.{show})")
    visit.expect_shown()
    visit.window.until("window.told")
    visit.stage.until(lambda: len(visit.arrived("impression")) == 1)


def test_anti_flicker_style_is_waited_for(visit: Visit) -> None:
    visit.site.publish()
    visit.head = "<style id='flicker'>html { opacity: 0 !important }</style>"
    visit.open()
    visit.wait_until("unseen")
    visit.window.run("void document.getElementById('flicker').sheet.deleteRule(0)")  # which no observer hears
    visit.expect_shown()


def test_library_that_hides_what_is_added_is_waited_for(visit: Visit) -> None:
    """As react-aria does while one of its dialogs is open."""
    due(visit, "<main><p>Text</p></main>")
    visit.window.run(
        """() => { window.kept = []; window.hider = new MutationObserver((all) => { for (const {addedNodes} of all)
        for (const one of addedNodes) { one.setAttribute?.('aria-hidden', 'true'); kept.push(one) } });
        hider.observe(document.body, {childList: true}) }"""
    )
    go(visit)
    visit.window.run("new Promise((done) => setTimeout(done, 1500))")  # nothing may come of it in this time
    assert visit.events() == []
    visit.window.run("void (hider.disconnect(), kept.map((one) => one.removeAttribute?.('aria-hidden')))")
    visit.expect_shown()
    visit.stage.until(lambda: len(visit.arrived("impression")) == 1)


def test_place_further_down_is_counted_when_it_is_scrolled_to(visit: Visit) -> None:
    survey = visit.site.publish(where={"include": ["/elsewhere"]})
    visit.body = '<div style="height: 3000px"></div><div id="place"></div>'
    visit.open()
    visit.window.run("(key) => tevreden.show(key, {mount: document.getElementById('place')})", survey["key"])
    visit.window.until("document.querySelector('tevreden-survey')")
    visit.window.run("new Promise((done) => setTimeout(done, 500))")
    assert visit.events() == []
    visit.window.run("void document.getElementById('place').scrollIntoView()")
    visit.stage.until(lambda: len(visit.arrived("impression")) == 1)
