"""Moments that come late, or elsewhere than in the window."""

from __future__ import annotations

import pytest

from tests.behaviour.visit import TALL, Visit

SCROLLERS = {
    "window": (TALL, "document.documentElement"),
    "body": (
        "<style>html, body { margin: 0; height: 100%; overflow-x: hidden } main { height: 6000px }</style>"
        "<main>Text</main>",
        "document.body",
    ),
    "app shell": (
        "<style>body { margin: 0 } main { overflow: auto; height: 100vh }</style>"
        "<main><p style='height: 6000px'>Text</p></main>",
        "document.querySelector('main')",
    ),
    "snapped sections": (
        """<style>body { margin: 0 } #all { overflow-y: scroll; height: 100vh; scroll-snap-type: y mandatory }
        section { height: 100vh; scroll-snap-align: start }</style>
        <div id="all"><section>1</section><section>2</section><section>3</section><section>4</section></div>""",
        "document.getElementById('all')",
    ),
}


def rest(visit: Visit, seconds: float) -> None:
    visit.window.run("(seconds) => new Promise((done) => setTimeout(done, seconds * 1000))", seconds)


@pytest.mark.parametrize("place", SCROLLERS, ids=lambda name: name.replace(" ", "-"))
def test_half_of_what_scrolls_is_scrolled(visit: Visit, place: str) -> None:
    body, scroller = SCROLLERS[place]
    visit.site.publish(when={"scroll_percent": 50})
    visit.body = body
    visit.open()
    rest(visit, 6)
    visit.expect_not_shown(because="waiting")
    visit.window.run(f"void {scroller}.scrollTo(0, ({scroller}.scrollHeight - {scroller}.clientHeight) * 0.3)")
    rest(visit, 0.5)
    visit.expect_not_shown(because="waiting")
    visit.window.run(f"void {scroller}.scrollTo(0, {scroller}.scrollHeight * 0.8)")
    visit.expect_shown()


def test_article_that_comes_late_has_to_be_scrolled(visit: Visit) -> None:
    visit.site.publish(when={"scroll_percent": 50})
    visit.body = """<p id="late">Loading</p><script>setTimeout(() => { late.style.height = '6000px' }, 3000)</script>"""
    visit.open()
    rest(visit, 6)
    visit.expect_not_shown(because="waiting")
    visit.window.run("scrollTo(0, 5000)")
    visit.expect_shown()


def test_page_too_short_to_scroll_counts_as_scrolled(visit: Visit) -> None:
    visit.site.publish(when={"scroll_percent": 50})
    visit.open().expect_shown()


CHANGES = {
    "class": "order.classList.add('done')",
    "attribute": "order.dataset.state = 'done'",
    "contents": "order.classList.add('done'); order.style.display = 'contents'",
}


@pytest.mark.parametrize("change", CHANGES)
def test_element_that_comes_to_match_shows(visit: Visit, change: str) -> None:
    visit.site.publish(when={"element": ".order.done, .order[data-state=done]"})
    visit.body = '<p id="order" class="order"><b>Being placed</b></p>'
    visit.open()
    visit.expect_not_shown(because="waiting")
    visit.window.run(f"void ({CHANGES[change].replace('; ', ', ')})")
    visit.expect_shown()


def test_element_in_details_that_open_shows(visit: Visit) -> None:
    visit.site.publish(when={"element": "#more"})
    visit.body = '<details><summary>More</summary><p id="more">Text</p></details>'
    visit.open()
    visit.expect_not_shown(because="waiting")
    visit.window.run("void (document.querySelector('details').open = true)")
    visit.expect_shown()


def test_element_that_no_longer_matches_does_not_count(visit: Visit) -> None:
    visit.site.publish(when={"element": ".done", "event": "go", "match": "all"})
    visit.body = '<p id="order" class="done">Placed</p>'
    visit.open()
    visit.window.until("tevreden.explain().then(([one]) => one.rules.some((r) => r.rule == 'element' && r.holds))")
    visit.window.run("void order.classList.remove('done')")
    visit.window.until("tevreden.explain().then(([one]) => one.rules.some((r) => r.rule == 'element' && !r.holds))")
    visit.window.run("void tevreden.event('go')")
    visit.expect_not_shown(because="waiting")
    visit.window.run("void order.classList.add('done')")
    visit.expect_shown()


@pytest.mark.parametrize("style", ["display: none", "width: 0; height: 0", "width: 150px; height: 300px"])
def test_frame_that_gets_its_size_later_shows(visit: Visit, style: str) -> None:
    visit.site.publish()
    visit.pages["http://outer.example/"] = visit.page(
        f'<iframe src="http://shop.example/" style="{style}"></iframe>', tag=""
    )
    visit.window.open("http://outer.example/")
    inner = visit.window.frame("iframe")
    inner.until("window.tevreden && !Array.isArray(window.tevreden)")
    rest(visit, 1)
    visit.window.run("void (document.querySelector('iframe').style = 'display: block; width: 900px; height: 700px')")
    inner.until("document.querySelector('tevreden-survey')")
    visit.stage.until(lambda: len(visit.arrived("impression")) == 1)


def test_window_made_wider_is_no_small_screen_any_more(visit: Visit) -> None:
    visit.site.publish(where={"small_screens": False})
    visit.window.resize(700, 760)
    visit.open()
    visit.expect_not_shown(because="screen")
    visit.window.resize(1200, 760)
    visit.expect_shown()
