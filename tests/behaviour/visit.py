"""A visitor on pages that carry a site's tag, in any browser, with the stage between them and the collector."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

from tests.behaviour.stage import COLLECTOR, Call, Reply, Stage, drop
from tests.behaviour.windows import Window
from tests.conftest import Site

BLANK = "<h1>A page</h1><p>Some text.</p>"
TALL = BLANK + '<div style="height: 4000px"></div>'
HTML = "text/html; charset=utf-8"
XHTML = "application/xhtml+xml; charset=utf-8"

TAKEN = "window.tevreden && !Array.isArray(window.tevreden)"
SHOWN = """() => [...document.querySelectorAll("tevreden-survey")].some(
  (one) => [...one.shadowRoot.children].some((part) => part.getClientRects().length))"""
BARRIER = "/barrier"
"""Asked for by a page after all else, so that whatever it asked for before has come."""
OF_PAGES = ("body", "head", "lang", "direction", "tag", "tag_options", "headers", "media", "pages")
"""What visits of one test have in common."""


class Visit:
    """One profile on pages with the tag; what a page is made of may be set before it is opened."""

    def __init__(self, site: Site, stage: Stage, window: Window, earlier: Visit | None = None) -> None:
        """On pages as an ``earlier`` visit left them; from here on this one says what pages are."""
        self.site = site
        self.stage = stage
        self.window = window
        self.body = BLANK
        self.head = ""
        self.lang = "en"
        self.direction = "ltr"
        self.tag = f'<script async="" src="{COLLECTOR}/w/{site.key}.js"></script>'
        self.tag_options = ""
        self.headers: dict[str, str] = {}
        self.media = HTML
        self.pages: dict[str, str | Reply] = {}
        """Other pages by their address: a body to put in place of the usual one, or a whole reply."""
        for name in OF_PAGES if earlier else ():
            setattr(self, name, getattr(earlier, name))
        self._opened = 0
        stage.pages = self.serve

    # Pages

    def serve(self, call: Call) -> Reply | None:
        """The stage's page for a call; none for what is no page."""
        special = self.pages.get(call.url)
        if isinstance(special, Reply):
            return special
        if not call.is_page:
            return None
        return self.page(self.body if special is None else special)

    def page(self, body: str, tag: str | None = None) -> Reply:
        """A page with everything that was set, around a body; with this site's tag, or another."""
        tag = self.tag if tag is None else tag
        first = f"<script{self._nonce()}>{self.window.first}</script>" if self.window.first else ""
        tag = tag.replace("<script ", f"<script {self.tag_options} ") if self.tag_options else tag
        start = "<!doctype html><html" if self.media == HTML else '<html xmlns="http://www.w3.org/1999/xhtml"'
        return Reply(
            headers={"Content-Type": self.media, **self.headers},
            body=f"""{start} lang="{html.escape(self.lang)}" dir="{self.direction}"><head>
            <meta name="viewport" content="width=device-width, initial-scale=1"/><link rel="icon" href="data:,"/>
            <title>A page</title>{first if self._may_be_first() else ""}{self.head}{tag}</head>
            <body>{body}</body></html>""",
        )

    def _nonce(self) -> str:
        found = re.search("'(nonce)-([^']+)'", self.headers.get("Content-Security-Policy", ""))
        return f' {found[1]}="{found[2]}"' if found else ""

    def _may_be_first(self) -> bool:
        return bool(self._nonce()) or "Content-Security-Policy" not in self.headers

    # What a visitor does

    def open(self, url: str = "http://shop.example/") -> Visit:
        """Open a page and wait until the loader has begun."""
        return self._arrive(lambda: self.window.open(url))

    def reload(self) -> Visit:
        return self._arrive(self.window.reload)

    def back(self) -> Visit:
        """To the page before, as the browser kept it or anew."""
        return self._arrive(self.window.back)

    def forward(self) -> Visit:
        return self._arrive(self.window.forward)

    def _arrive(self, go: Callable[[], None]) -> Visit:
        self._opened = len(self.stage.calls)
        go()
        self.window.until(TAKEN)
        return self

    def answer(self, score: str) -> None:
        """Choose a score by its name."""
        self.window.click("radio", score)

    def write(self, text: str, name: str | None = None) -> None:
        """Write into a text box, the first if not named."""
        self.window.click("textbox", name)
        self.window.type(text)

    def send(self, email: str = "") -> None:
        """Send the comment and the e-mail address or none, and wait until the collector has acknowledged it."""

        def acknowledged() -> list[Call]:
            return [call for call in self.events() if call.over and b'"complete":true' in call.body]

        before = len(acknowledged())
        self.send_unheard(email)
        reply = self.stage.until(lambda: acknowledged()[before:], what="what was sent")[0]
        assert reply.status == 200, reply

    def send_unheard(self, email: str = "") -> None:
        """The same, though the collector may be away."""
        self.window.click("button", "Send")
        if self.inside("(root) => !!root.querySelector('#email')"):
            if email:
                self.write(email)
            self.window.click("button", "Send")

    def rest(self) -> None:
        """Wait until a step takes presses."""
        self.window.until("() => !document.querySelector('tevreden-survey').shadowRoot.querySelector('form :disabled')")

    def settle(self) -> None:
        """Wait until the collector has acknowledged everything, and first that a survey was shown if one is."""
        if self.window.run(SHOWN):
            self.stage.until(lambda: any(b'"impression"' in call.body for call in self.events() if call.over))
        self.window.until(
            "(start) => !Object.keys(localStorage).some((key) => key.startsWith(start))", f"tv_{self.site.key}."
        )

    def go_offline(self) -> None:
        """No request gets out any longer, and the browser says so."""
        self.stage.on("*", drop)
        self.window.set_offline(True)

    def go_online(self) -> None:
        self.stage.heal()
        self.window.set_offline(False)

    # What a visitor sees

    def expect_shown(self) -> Visit:
        self.window.until(SHOWN)
        return self

    def expect_thanked(self) -> None:
        self.window.until("document.querySelector('tevreden-survey')?.dataset.state == 'thanks'")

    def expect_not_shown(self, because: str | None = None) -> None:
        """Nothing on the page, and nothing on its way: to show, the loader would have asked for what draws by now."""
        reasons = [one["reason"] for one in self.window.run("tevreden.explain()")]
        if because:
            assert because in reasons, reasons
        self.window.run("(url) => fetch(url).catch(() => 0).then(() => 0)", BARRIER)
        assert not [call.url for call in self.stage.calls[self._opened :] if "/w/ui-" in call.url]
        assert self.count() == 0

    def expect_not_shown_any_more(self) -> None:
        """What waited has given up: nothing is on its way."""
        self.window.until(
            "tevreden.explain().then((all) => all.every((one) => !['loading', 'shown'].includes(one.reason)))"
        )
        assert self.count() == 0

    def reason(self) -> str:
        """Why the first survey of the site shows or not."""
        return str(self.window.run("tevreden.explain().then(([one]) => one.reason)"))

    def wait_until(self, reason: str) -> None:
        """Until that is why the first survey of the site shows or not."""
        self.window.until("(wanted) => tevreden.explain().then(([one]) => one.reason == wanted)", reason)

    def count(self) -> int:
        """How many surveys are on the page."""
        return int(self.window.run("document.querySelectorAll('tevreden-survey').length"))

    def inside(self, script: str, *arguments: Any) -> Any:
        """What a JavaScript function of the survey's shadow root gives, and of what else it is called with."""
        root = "document.querySelector('tevreden-survey').shadowRoot"
        return self.window.run(f"(...given) => ({script})({root}, ...given)", *arguments)

    # What was asked of the collector

    def to_collector(self) -> list[Call]:
        """What the widget asked for, other than to explain itself to a test."""
        return [call for call in self.stage.matching(COLLECTOR + "/*") if "/w/explain-" not in call.url]

    def events(self) -> list[Call]:
        """The requests that brought this site's events, whatever became of them."""
        return self.stage.matching(f"{COLLECTOR}/w/{self.site.key}/answers")

    def arrived(self, kind: str) -> list[dict[str, Any]]:
        """The ``impression``, ``response`` or ``dismissal`` events that the collector took, in each of their states."""
        taken = [call for call in self.events() if call.over and call.status == 200]
        return [event for call in taken for event in call.json["events"] if event["type"] == kind]


Visitor = Callable[..., Visit]


def due(visit: Visit, body: str) -> None:
    """A page on which a survey shows as soon as the page says "go"."""
    visit.site.publish(when={"event": "go"})
    visit.body = body
    visit.open()
    visit.wait_until("waiting")


def go(visit: Visit) -> None:
    visit.window.run("void tevreden.event('go')")
