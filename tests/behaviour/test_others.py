"""Others' dialogs, keys and pointers: a survey waits for them, and what happens in it is not the page's."""

from __future__ import annotations

import pytest

from tests.behaviour.visit import BLANK, TALL, Visit, due, go

SHADOW = """const element = (name, inside, mode = 'open') => customElements.define(name, class extends HTMLElement {
    connectedCallback() { const root = this.attachShadow({mode}); root.innerHTML = inside; this.inside = root } });"""

MODALS = {
    "radix": """<div id="app"><h1>Profile</h1></div><div id="edit" hidden role="dialog" data-state="open">
      <button id="save">Save</button></div><script>function openEdit() { edit.hidden = false;
      app.setAttribute('aria-hidden', 'true'); document.body.setAttribute('data-scroll-locked', 1); save.focus() }
      function closeEdit() { edit.hidden = true; app.removeAttribute('aria-hidden') }</script>""",
    "bootstrap 3": """<h1>Profile</h1><div id="edit" hidden role="dialog" tabindex="-1"
      style="position: fixed; inset: 0"><button id="save">Save</button></div><script>
      function openEdit() { edit.hidden = false; document.body.style.overflow = 'hidden' }
      function closeEdit() { edit.hidden = true; document.body.style.overflow = '' }</script>""",
    "react-aria": """<div id="app"><a href="#">Profile</a></div><div id="edit" hidden><section role="alertdialog">
      <button id="save">Save</button></section></div><script>
      function openEdit() { edit.hidden = false; app.inert = true; save.focus() }
      function closeEdit() { edit.hidden = true; app.inert = false }</script>""",
    "focus inside": """<h1>Profile</h1><div id="edit" hidden role="dialog"><button id="save">Save</button></div>
      <script>function openEdit() { edit.hidden = false; save.focus() }
      function closeEdit() { save.blur(); edit.hidden = true }</script>""",
    "material web": f"""<h1>Profile</h1><md-page id="page"></md-page><script>{SHADOW}
      element('md-modal', '<dialog><form method=dialog><button>Save</button></form></dialog>');
      element('md-page', '<md-modal></md-modal>');
      const dialog = () => page.inside.querySelector('md-modal').inside.querySelector('dialog');
      function openEdit() {{ dialog().showModal() }} function closeEdit() {{ dialog().close() }}</script>""",
    "shoelace": f"""<h1>Profile</h1><sl-modal id="edit"></sl-modal><script>{SHADOW}
      element('sl-modal', `<div hidden role=dialog aria-modal=true tabindex=-1
        style="position: fixed; inset: 99px">Edit</div>`);
      const panel = () => edit.inside.firstChild;
      function openEdit() {{ panel().hidden = false; panel().focus() }}
      function closeEdit() {{ panel().hidden = true }}</script>""",
}


@pytest.mark.parametrize("modal", MODALS, ids=lambda name: name.replace(" ", "-"))
def test_modal_that_does_not_say_so_is_waited_for(visit: Visit, modal: str) -> None:
    due(visit, MODALS[modal])
    visit.window.run("void openEdit()")
    go(visit)
    visit.wait_until("modal")
    visit.window.run("void closeEdit()")
    visit.expect_shown()
    visit.stage.until(lambda: len(visit.arrived("impression")) == 1)


@pytest.mark.parametrize(
    "modal", ["radix", "react-aria", "bootstrap 3", "material web", "shoelace"], ids=lambda n: n.replace(" ", "-")
)
def test_survey_steps_aside_for_a_modal_that_opens_later(visit: Visit, modal: str) -> None:
    due(visit, MODALS[modal])
    go(visit)
    visit.expect_shown()
    visit.window.run("void openEdit()")
    visit.window.until("!document.querySelector('tevreden-survey')?.getClientRects().length")
    visit.window.run("void closeEdit()")
    visit.expect_shown()


def test_modal_in_a_closed_shadow_root_is_waited_for(visit: Visit) -> None:
    body = f"""<h1>Profile</h1><my-modal id="edit"></my-modal><script>{SHADOW}
      element('my-modal', '<dialog>Edit</dialog>', 'closed')</script>"""
    due(visit, body)
    visit.window.run("void edit.inside.firstChild.showModal()")
    go(visit)
    visit.window.run("new Promise((done) => setTimeout(done, 1500))")  # nothing may come of it in this time
    assert visit.events() == []
    visit.window.run("void edit.inside.firstChild.close()")
    visit.expect_shown()


def test_dialog_that_leaves_the_page_alone_holds_nothing_up(visit: Visit) -> None:
    """A cookie notice by hand, with a hidden picture beside it."""
    due(
        visit,
        """<h1>Shop</h1><div aria-hidden="true"><svg width="9" height="9"></svg></div>
        <div role="dialog" style="position: fixed; bottom: 0; left: 0; width: 200px">Cookies
        <button>Yes</button></div>""",
    )
    go(visit)
    visit.expect_shown()


FIELDS = {
    "two shadow roots": f"""<my-form id="at"></my-form><script>{SHADOW} element('my-field', '<input>');
      element('my-form', '<my-field></my-field>');
      const field = () => at.inside.firstChild.inside.firstChild</script>""",
    "closed shadow root": f"""<my-field id="at"></my-field><script>{SHADOW} element('my-field', '<input>', 'closed');
      const field = () => at.inside.firstChild</script>""",
    "frame": """<iframe id="at" srcdoc="<textarea></textarea>"></iframe>
      <script>const field = () => at.contentDocument.querySelector('textarea')</script>""",
    "frame in a shadow root": f"""<my-editor id="at"></my-editor><script>{SHADOW}
      element('my-editor', '<iframe srcdoc="<body contenteditable>"></iframe>');
      const field = () => at.inside.firstChild.contentDocument.body</script>""",
    "design mode": """<iframe id="at" srcdoc="<p>Dear</p>"></iframe><script>const field = () => {
      at.contentDocument.designMode = 'on'; at.contentWindow.focus(); return at.contentDocument.body }</script>""",
}


@pytest.mark.parametrize("place", FIELDS, ids=lambda name: name.replace(" ", "-"))
def test_typing_out_of_sight_is_waited_for(visit: Visit, place: str) -> None:
    due(visit, FIELDS[place] + '<button id="other">Other</button>')
    visit.window.run("void field().focus()")
    visit.window.type("Dear")
    go(visit)
    visit.wait_until("typing")
    visit.window.type(" all")
    assert visit.count() == 0
    visit.window.run("void document.getElementById('other').focus()")
    visit.expect_shown()


def test_focus_in_a_frame_of_another_site_is_waited_for(visit: Visit) -> None:
    visit.pages["http://pay.example/"] = visit.page("<input autofocus>", tag="")
    due(visit, '<iframe id="at" src="http://pay.example/"></iframe><button id="other">Other</button>')
    visit.window.run("void document.getElementById('at').focus()")
    go(visit)
    visit.wait_until("typing")
    visit.window.run("void document.getElementById('other').focus()")
    visit.expect_shown()


CANCELLED = [
    "pointerdown",
    "mousedown",
    "mouseup",
    "touchstart",
    "touchend",
    "click",
    "focusin",
    "beforeinput",
    "keydown",
    "wheel",
]
OUTSIDE = """<script>window.cancelled = [];
  for (const name of %s) addEventListener(name, (event) => {
    if (event.target.matches?.('input, textarea')) return;
    cancelled.push(name);
    if (name == 'focusin') document.getElementById('own').focus(); else event.preventDefault()
  }, {passive: false, capture: %s})
  </script>"""


def answer_in_full(visit: Visit) -> None:
    visit.answer("Satisfied")
    visit.write("Fine")
    assert visit.inside("(root) => root.querySelector('textarea').value") == "Fine"
    visit.send()
    visit.expect_thanked()


def test_page_that_cancels_what_happens_outside_of_fields_cancels_nothing_here(visit: Visit) -> None:
    visit.site.publish()
    visit.head = OUTSIDE % (CANCELLED, "false")
    visit.body = '<button id="own">Own</button>' + BLANK
    visit.open().expect_shown()
    answer_in_full(visit)
    assert visit.window.run("cancelled") == []


@pytest.mark.parametrize("names", [["mousedown"], ["pointerdown"], ["pointerdown", "mousedown"]], ids="-".join)
def test_answer_can_be_given_where_the_page_cancels_before_anyone(visit: Visit, names: list[str]) -> None:
    visit.site.publish()
    visit.head = OUTSIDE % (names, "true")
    visit.open().expect_shown()
    answer_in_full(visit)
    assert visit.window.run("cancelled.length > 0")


WHEEL = """<script>for (const place of [window, document]) place.addEventListener('wheel',
  (e) => { e.preventDefault(); scrollBy({top: e.deltaY}) }, {passive: false})</script>"""


def test_wheel_scrolls_the_card_and_not_the_page(visit: Visit) -> None:
    visit.site.publish(
        email_capture={"ask": "unknown", "consent_text": "We use it to reply. " * 9},
        question="How satisfied are you with this shop? " * 8,
    )
    visit.head = WHEEL
    visit.body = TALL
    visit.window.resize(1280, 320)
    visit.open().expect_shown()
    visit.answer("Satisfied")
    room, cancelled, beyond = visit.inside(
        """(root) => { const card = root.querySelector('.card');
        const turn = new WheelEvent('wheel', {deltaY: 60, bubbles: true, composed: true, cancelable: true});
        card.dispatchEvent(turn);
        return [card.scrollHeight - card.clientHeight, turn.defaultPrevented,
          getComputedStyle(card).overscrollBehaviorY] }"""
    )
    assert room > 60
    assert not cancelled
    assert beyond == "contain"
    assert visit.window.run("scrollY") == 0


NAMES = "activeElement querySelectorAll fullscreenElement createElement body elementFromPoint contains children"


@pytest.mark.parametrize("tag", ["img", "form"])
def test_markup_of_visitors_stands_in_for_nothing(visit: Visit, tag: str) -> None:
    visit.site.publish(when={"event": "go"})
    visit.body = BLANK + "".join(f'<{tag} name="{name}"></{tag}>' for name in NAMES.split())
    visit.open()
    go(visit)
    visit.window.until(
        "[...Document.prototype.querySelectorAll.call(document, 'tevreden-survey')].some((one) => one.isConnected)"
    )
    visit.stage.until(lambda: visit.arrived("impression"))
