"""Pages that break scripts, and pages that scripts break: neither happens. The list is in `tests/README.md`."""

from __future__ import annotations

import pytest

from tests.behaviour.stage import COLLECTOR
from tests.behaviour.visit import XHTML, Visit

GLOBALS = {
    "fetch throws": "window.fetch = () => { throw new Error('no fetch here') }",
    "fetch rejects": "window.fetch = async () => { throw new Error('no fetch here') }",
    "toJSON on prototypes": """for (const one of [Object, Array, String, Number])
      one.prototype.toJSON = function () { return 'spoilt' }""",
    "enumerable additions to prototypes": """Object.prototype.extend = Array.prototype.last = function () {}""",
    "frozen prototypes": """for (const one of [Object, Array, String, Function, Promise, Map, Set, RegExp])
      Object.freeze(one.prototype)""",
    "frozen history": "Object.freeze(history); Object.defineProperty(window, 'navigation', {value: undefined})",
    "Array.from replaced": "Array.from = () => []",
    "Promise replaced": "window.Promise = class extends Promise { then(...all) { return super.then(...all) } }",
    "Event replaced": "window.Event = window.CustomEvent = function () { throw new Error('no events') }",
    "storage throws": """for (const name of ['localStorage', 'sessionStorage'])
      Object.defineProperty(window, name, {get() { throw new Error('no storage') }})""",
    "storage is full": "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }",
    "cookies throw": """Object.defineProperty(document, 'cookie',
      {get() { throw new Error('no') }, set() { throw new Error('no') }})""",
    "locks and idle callbacks are missing": "delete window.requestIdleCallback; delete Navigator.prototype.locks",
}


@pytest.mark.parametrize("spoil", GLOBALS, ids=lambda name: name.replace(" ", "-"))
def test_answer_arrives_from_a_page_whose_globals_are_spoilt(visit: Visit, spoil: str, browser_kind: str) -> None:
    if browser_kind == "webkit" and "additions" in spoil:
        pytest.skip("WebKitGTK's driver cannot hand anything over from such a page")
    visit.site.publish()
    visit.head = f"<script>{GLOBALS[spoil]}</script>"
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.write("Fine")
    visit.send_unheard()
    visit.stage.until(lambda: any(event.get("comment") == "Fine" for event in visit.arrived("response")))
    visit.expect_thanked()
    assert visit.window.errors == []


def test_address_that_would_pollute_pollutes_nothing(visit: Visit) -> None:
    visit.site.publish(where={"include": ["shop.example/?__proto__[x]=1"]})
    visit.open("http://shop.example/?__proto__[x]=1&constructor[prototype][y]=1").expect_shown()
    assert visit.window.run("[({}).x, ({}).y, Object.keys(Object.prototype).length]") == [None, None, 0]


STYLES = {
    "everything important": "* { all: unset !important; font-size: 3px !important; display: block !important }",
    "huge root font": "html { font-size: 72px } * { line-height: 4; letter-spacing: 8px; text-transform: uppercase }",
    "tiny root font": "html { font-size: 4px }",
    "right to left by force": "* { direction: rtl !important; writing-mode: vertical-rl !important }",
    "body zoomed": "body { zoom: 2 }",
    "body transformed": "body { transform: rotate(3deg) scale(0.5); transform-origin: 0 0 }",
    "body filtered, clipped and contained": "body { filter: blur(1px); contain: strict; overflow: clip; height: 9px }",
    "children of body hidden": "body > * { opacity: 0 !important; visibility: hidden !important }",
    "highest layer": "h1 { position: fixed; inset: 0; z-index: 2147483647; background: red }",
    "our own names": ":root { --color: red !important; --up: 500px; --zoom: 4; --scheme: dark; --from: 900px }",
}


@pytest.mark.parametrize("style", STYLES, ids=lambda name: name.replace(" ", "-"))
def test_survey_sits_where_it_should_whatever_the_style_sheet(visit: Visit, style: str) -> None:
    visit.site.publish()
    visit.head = f"<style>{STYLES[style]}</style>"
    visit.window.resize(1280, 800)
    visit.open().expect_shown()
    visit.window.until(AT_REST)
    box, width, height, size, on_top = visit.inside(
        """(root) => {
        const card = root.querySelector("section"), box = card.getBoundingClientRect();
        const x = box.left + box.width / 2, y = box.top + box.height / 2;
        return [box.toJSON(), document.documentElement.clientWidth, innerHeight,
          getComputedStyle(root.querySelector("h2")).fontSize, document.elementFromPoint(x, y) == root.host];
        }"""
    )
    assert abs(box["right"] - (width - 16)) <= 2, (box, width)
    assert abs(box["bottom"] - (height - 16)) <= 2, (box, height)
    assert 358 <= box["width"] <= 362
    assert size == "17px"
    assert on_top
    visit.answer("Satisfied")
    visit.stage.until(lambda: visit.arrived("response"))


AT_REST = """() => { const card = document.querySelector("tevreden-survey").shadowRoot.querySelector("section");
  return card.getAnimations().every((one) => one.playState == "finished") }"""


def test_page_served_as_xhtml(visit: Visit) -> None:
    visit.site.publish()
    visit.media = XHTML
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.send()
    visit.expect_thanked()


def test_element_that_is_called_tevreden_is_no_queue(visit: Visit) -> None:
    visit.site.publish()
    visit.body = '<form id="tevreden" name="tevreden"><input name="push"></form>'
    visit.open().expect_shown()


def test_two_versions_of_the_tag_are_one(visit: Visit) -> None:
    survey = visit.site.publish()
    visit.head = visit.tag.replace(".js", ".js?v=2") + visit.tag
    visit.open().expect_shown()
    visit.stage.until(lambda: len(visit.arrived("impression")) == 1)
    visit.settle()
    assert visit.count() == 1
    assert visit.site.results(survey)["counts"]["impressions"] == 1


def test_frame_that_nobody_sees_counts_nothing(visit: Visit) -> None:
    visit.site.publish()
    visit.pages["http://outer.example/"] = visit.page(
        '<iframe src="http://shop.example/" width="1" height="1"></iframe>', tag=""
    )
    visit.window.open("http://outer.example/")
    inner = visit.window.frame("iframe")
    inner.until("window.tevreden && !Array.isArray(window.tevreden)")
    assert inner.run("tevreden.explain().then(([one]) => one.reason)") == "screen"
    assert not visit.stage.matching(COLLECTOR + "/w/ui-*")


def test_page_that_is_prerendered_asks_for_nothing(visit: Visit) -> None:
    visit.site.publish()
    visit.head = """<script>Object.defineProperty(document, 'prerendering', {configurable: true, get: () => true})
      </script>"""
    visit.window.open("http://shop.example/")
    visit.window.until("Array.isArray(window.tevreden)")
    assert [call.path for call in visit.to_collector()] == [f"/w/{visit.site.key}.js"]
    visit.window.run("(delete document.prerendering, void document.dispatchEvent(new Event('prerenderingchange')))")
    visit.expect_shown()


def test_page_that_comes_back_from_the_browsers_memory_counts_a_survey_once(visit: Visit) -> None:
    survey = visit.site.publish(where={"include": ["/"]})
    visit.open().expect_shown()
    visit.settle()
    for _ in range(3):
        visit.open("http://shop.example/other")
        visit.window.back()
        visit.window.until("window.tevreden && !Array.isArray(window.tevreden)")
    visit.settle()
    assert visit.site.results(survey)["counts"]["impressions"] == 1


def test_single_page_application_that_empties_its_body_is_followed(visit: Visit) -> None:
    visit.site.publish(frequency={"unanswered": "always"})
    visit.open().expect_shown()
    visit.settle()
    visit.window.run("void (document.body.replaceChildren(), history.pushState({}, '', '/next'))")
    visit.expect_shown()
    visit.stage.until(lambda: len(visit.arrived("impression")) == 2)
    assert [event["page"] for event in visit.arrived("impression")][1] == "http://shop.example/next"
