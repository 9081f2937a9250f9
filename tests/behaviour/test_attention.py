"""A survey waits for the visitor, takes nothing from them, and steps aside."""

from __future__ import annotations

from tests.behaviour.visit import Visit, due, go

FIELDS = '<input id="first"><textarea id="second"></textarea><button id="other">Other</button>'
DIALOG = '<dialog id="dialog"><button>In the dialog</button></dialog>'


def test_open_dialog_is_waited_for(visit: Visit) -> None:
    due(visit, DIALOG)
    visit.window.run("void document.getElementById('dialog').showModal()")
    go(visit)
    visit.wait_until("modal")
    assert visit.count() == 0
    visit.window.run("void document.getElementById('dialog').close()")
    visit.expect_shown()


def test_dialog_made_by_hand_is_waited_for(visit: Visit) -> None:
    due(visit, '<div id="own" role="dialog" aria-modal="true">Cookies?</div>')
    go(visit)
    visit.wait_until("modal")
    visit.window.run("void document.getElementById('own').remove()")
    visit.expect_shown()


def test_drawer_that_is_kept_out_of_sight_holds_nothing_up(visit: Visit) -> None:
    due(visit, '<div style="visibility: hidden"><div role="dialog" aria-modal="true">Cart</div></div>')
    go(visit)
    visit.expect_shown()


def test_full_screen_is_waited_for(visit: Visit) -> None:
    due(visit, "<main>Text</main>")
    visit.window.run(
        """() => { window.own = Object.getOwnPropertyDescriptor(Document.prototype, 'fullscreenElement');
        const now = {get: () => document.body, configurable: true};
        Object.defineProperty(Document.prototype, 'fullscreenElement', now) }"""
    )
    go(visit)
    visit.wait_until("fullscreen")
    visit.window.run(
        """void (Object.defineProperty(Document.prototype, 'fullscreenElement', own),
        document.body.classList.add('back'))"""
    )
    visit.expect_shown()


def test_dialog_that_opens_later_is_never_covered_and_the_survey_comes_back(visit: Visit) -> None:
    due(visit, DIALOG)
    go(visit)
    visit.expect_shown()
    visit.window.run("void document.getElementById('dialog').showModal()")
    visit.window.until("!document.querySelector('tevreden-survey')?.getClientRects().length")
    visit.window.run("void document.getElementById('dialog').close()")
    visit.expect_shown()
    visit.settle()
    assert len(visit.arrived("impression")) == 1


def test_page_that_makes_everything_inert_hides_the_survey(visit: Visit) -> None:
    due(visit, "<main>Text</main>")
    go(visit)
    visit.expect_shown()
    visit.window.run("void ((window.survey = document.querySelector('tevreden-survey')).inert = true)")
    visit.window.until("!document.querySelector('tevreden-survey')?.getClientRects().length")
    visit.window.run("void (window.survey.inert = false)")  # it may be off the page by now
    visit.expect_shown()


def test_survey_asked_for_in_a_dialog_shows_in_it(visit: Visit) -> None:
    survey = visit.site.publish(where={"include": ["/elsewhere"]})
    visit.body = '<dialog id="dialog"><div id="place"></div></dialog>'
    visit.open()
    visit.window.run(
        """(key) => { document.getElementById('dialog').showModal();
        tevreden.show(key, {mount: document.getElementById('place')}) }""",
        survey["key"],
    )
    visit.expect_shown()
    visit.answer("Satisfied")
    visit.send()


def test_visitor_who_types_is_not_interrupted_between_two_fields(visit: Visit) -> None:
    due(visit, FIELDS)
    visit.window.run("void document.getElementById('first').focus()")
    visit.window.type("Jo")
    go(visit)
    visit.wait_until("typing")
    visit.window.press("Tab")
    visit.window.type("More")
    visit.wait_until("typing")
    assert visit.count() == 0
    values = "[document.getElementById('first').value, document.getElementById('second').value]"
    assert visit.window.run(values) == ["Jo", "More"]
    visit.window.press("Tab")
    visit.expect_shown()
    assert visit.window.run("document.activeElement.id") == "other"


def test_survey_that_opens_takes_no_key_and_no_selection(visit: Visit) -> None:
    due(visit, FIELDS)
    visit.window.run("void document.getElementById('first').focus()")
    go(visit)
    visit.expect_shown()
    visit.window.type("Typed on")
    assert visit.window.run("document.getElementById('first').value") == "Typed on"
    assert visit.window.run("document.activeElement.id") == "first"


def test_waiting_survey_goes_with_its_page(visit: Visit) -> None:
    visit.site.publish(where={"include": ["/cart"]}, when={"event": "go"})
    visit.body = DIALOG
    visit.open("http://shop.example/cart")
    visit.wait_until("waiting")
    visit.window.run("void document.getElementById('dialog').showModal()")
    go(visit)
    visit.wait_until("modal")
    visit.window.run("void (history.pushState({}, '', '/other'), document.getElementById('dialog').close())")
    visit.expect_not_shown_any_more()
    assert visit.arrived("impression") == []


def test_shortcuts_of_the_page_do_not_hear_what_is_typed_in_the_survey(visit: Visit) -> None:
    visit.head = """<script>window.heard = [];
      for (const name of ['keydown', 'keyup', 'keypress']) {
        document.addEventListener(name, (e) => { heard.push(e.key); e.preventDefault() });
        document.addEventListener(name, (e) => { heard.push(e.key); e.preventDefault() }, true);
      }</script>"""
    visit.site.publish()
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.write("quick")
    assert visit.inside("(root) => root.querySelector('textarea').value") == "quick"
    assert visit.window.run("heard") == []


def test_escape_closes_only_with_the_focus_inside(visit: Visit) -> None:
    due(visit, FIELDS)
    go(visit)
    visit.expect_shown()
    visit.window.run("void document.getElementById('other').focus()")
    visit.window.press("Escape")
    assert visit.count() == 1
    visit.answer("Satisfied")
    visit.window.press("Escape")
    visit.window.until("!document.querySelector('tevreden-survey')")


def test_survey_is_announced_politely_and_once(visit: Visit) -> None:
    visit.head = """<script>window.said = [];
      document.addEventListener('tevreden:shown', (e) => new MutationObserver(() => {
        said.push(e.target.shadowRoot.querySelector('.news').textContent)
      }).observe(e.target.shadowRoot.querySelector('.news'), {childList: true, characterData: true, subtree: true}))
      </script>"""
    visit.site.publish(question="How was it?")
    visit.open().expect_shown()
    visit.window.until("said.length")
    assert visit.window.run("said[0]") == "How was it?"
    assert visit.inside("(root) => root.querySelector('.news').getAttribute('role')") == "status"


def test_keyboard_of_a_phone_leaves_the_survey_in_sight(visit: Visit) -> None:
    visit.site.publish(appearance={"position": "banner"})
    visit.site.publish(question="And in the corner?", frequency={"priority": 5})
    visit.window.resize(500, 760)
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.window.run(
        """() => { for (const [name, value] of [['height', 320], ['offsetTop', 40]])
        Object.defineProperty(visualViewport, name, {value, configurable: true});
        visualViewport.dispatchEvent(new Event('resize')) }"""
    )
    top, bottom = visit.inside(
        "(root) => { const box = root.querySelector('section').getBoundingClientRect(); return [box.top, box.bottom] }"
    )
    assert bottom <= 40 + 320
    assert top >= 40
