"""How the script gets onto a page: through markup that takes its name, copied, joined, rewritten, pinned."""

from __future__ import annotations

import json

import pytest

from collector.web.visitors.addresses import frozen_tag
from tests.behaviour.stage import COLLECTOR, Reply, answer, delay
from tests.behaviour.visit import Visit
from tests.conftest import ROOT

NAMES = (
    *("currentScript", "scripts", "cookie", "hidden", "readyState", "prerendering", "visibilityState", "defaultView"),
    *("body", "head", "documentElement", "activeElement", "fullscreenElement", "addEventListener", "querySelector"),
    *("querySelectorAll", "createElement", "getElementById", "URL", "baseURI", "location", "domain", "title", "forms"),
    *("navigation", "requestIdleCallback", "tevreden", "localStorage", "history", "innerWidth", "CSS", "crypto"),
)
MARKUP = {
    "images": "".join(f'<img name="{name}" src="https://evil.example/w/x.png">' for name in NAMES),
    "images with an id": "".join(f'<img name="{name}" id="{name}" src="/w/x.png">' for name in NAMES),
    "forms": "".join(f'<form name="{name}"><input name="call"><input name="push"></form>' for name in NAMES),
    "twice each": "".join(f'<form name="{name}"></form><img name="{name}" src="/w/x.png">' for name in NAMES),
    "links": "".join(f'<a id="{name}" href="https://evil.example/w/">x</a>' for name in NAMES),
    "frames": "".join(f'<iframe name="{name}" hidden></iframe>' for name in NAMES),
}
EVIL = "window.evil = 1; export const create = () => { window.evil = 2 }; export const explain = create;"


def script_of(visit: Visit) -> str:
    return visit.site.http.get(f"{visit.site.url}/w/{visit.site.key}.js").text


def file(body: str) -> Reply:
    return Reply(headers={"Content-Type": "text/javascript", "Access-Control-Allow-Origin": "*"}, body=body)


@pytest.mark.parametrize("markup", MARKUP, ids=lambda name: name.replace(" ", "-"))
def test_markup_that_takes_the_names_of_what_a_page_has_stands_in_for_nothing(visit: Visit, markup: str) -> None:
    visit.site.publish(when={"delay_seconds": 0, "element": "h1", "match": "all"})
    visit.tag = f"</head><body><div hidden>{MARKUP[markup]}</div>{visit.tag}"
    visit.window.open("http://shop.example/")
    visit.window.until("Document.prototype.querySelectorAll.call(document, 'tevreden-survey').length == 1")
    assert not visit.stage.matching("*evil.example/w/*.js")
    assert visit.window.errors == []


def test_image_called_currentScript_brings_no_file_of_its_own(visit: Visit) -> None:  # noqa: N802
    visit.site.publish()
    visit.tag = f'</head><body><img name="currentScript" src="http://evil.example/w/x.png">{visit.tag}'
    visit.stage.on("http://evil.example/*.js", answer(200, EVIL, Content_Type="text/javascript"))
    visit.open().expect_shown()
    assert visit.window.run("window.evil") is None
    assert not visit.stage.matching("http://evil.example/*.js")


WAYS = {
    "copied": '<script async src="/wp-content/cache/min/1/a1b2.js?ver=17"></script>',
    "copied with its path": '<script src="/wp-content/cache/min/1/w/KEY.js?ver=1"></script>',
    "joined": '<script src="/all.js"></script>',
    "inline": "<script>SCRIPT</script>",
    "a module": '<script type="module" src="COLLECTOR/w/KEY.js"></script>',
    "evaluated": "<script>fetch('/all.js').then((got) => got.text()).then((text) => (0, eval)(text))</script>",
    "a blob": """<script>fetch('/all.js').then((got) => got.blob()).then((blob) => document.head.append(
      Object.assign(document.createElement('script'), {src: URL.createObjectURL(blob)})))</script>""",
    "in a shadow root": """<script>addEventListener('load', () => {
      const box = document.createElement('div'), script = document.createElement('script')
      script.src = 'COLLECTOR/w/KEY.js'
      document.body.append(box)
      box.attachShadow({mode: 'open'}).append(script) })</script>""",
}


@pytest.mark.parametrize("way", WAYS, ids=lambda name: name.replace(" ", "-"))
def test_script_that_a_plugin_copied_joined_or_rewrote_shows_and_takes_answers(visit: Visit, way: str) -> None:
    visit.site.publish()
    text = script_of(visit).replace(visit.site.url, COLLECTOR)  # where browsers here reach it
    visit.stage.on(f"{COLLECTOR}/w/{visit.site.key}.js*", answer(200, text, Content_Type="text/javascript"))
    for path in (f"wp-content/cache/min/1/w/{visit.site.key}.js?ver=1", "wp-content/cache/min/1/a1b2.js?ver=17"):
        visit.pages[f"http://shop.example/{path}"] = file(text)
    visit.pages["http://shop.example/all.js"] = file(f"var one = 1\n;{text}\n;var two = 2")
    visit.tag = WAYS[way].replace("KEY", visit.site.key).replace("COLLECTOR", COLLECTOR).replace("SCRIPT", text)
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.settle()
    assert [event["score"] for event in visit.arrived("response")] == [4]


CONSENT = {
    "a parameter": ("?consent=required", "", ""),
    "an attribute": ("", 'data-consent="required"', ""),
    "an attribute of a module": ("", 'type="module" data-consent="required"', ""),
    "a parameter of a module": ("?v=1&consent=required", 'type="module"', ""),
    "a call before it": ("", "", "<script>(window.tevreden ||= []).push(['consent', false])</script>"),
}


@pytest.mark.parametrize("way", CONSENT, ids=lambda name: name.replace(" ", "-"))
def test_consent_that_is_required_in_any_way_is_waited_for(visit: Visit, way: str) -> None:
    query, attributes, before = CONSENT[way]
    visit.site.publish()
    visit.tag = f'{before}<script {attributes} src="{COLLECTOR}/w/{visit.site.key}.js{query}"></script>'
    visit.open().expect_not_shown("consent")
    assert visit.window.run("document.cookie") == ""
    visit.window.run("tevreden.consent(true)")
    visit.expect_shown()


def test_second_site_on_a_page_is_told_of_in_one_line(visit: Visit) -> None:
    visit.site.publish(where={"include": ["/elsewhere"]})
    text = script_of(visit).replace(visit.site.key, "othersite123")
    visit.stage.on(f"{COLLECTOR}/w/othersite123.js", answer(200, text, Content_Type="text/javascript"))
    visit.head = """<script>window.lines = []
      for (const name of ['log', 'info', 'warn', 'error']) console[name] = (...all) => void lines.push(all.join(' '))
      </script>"""
    visit.tag = visit.tag.replace('async=""', "") + visit.tag
    visit.tag += f'<script src="{COLLECTOR}/w/othersite123.js"></script>'
    visit.open()
    visit.window.until("lines.length")
    assert visit.window.run("lines") == [f"Tevreden: one site a page: {visit.site.key}"]


def pinned(visit: Visit) -> str:
    return frozen_tag(COLLECTOR, visit.site.key)


@pytest.mark.parametrize("altered", ["the file that draws", "every file on the second request", "the configuration"])
def test_pinned_loader_runs_nothing_but_what_was_pinned(visit: Visit, altered: str) -> None:
    visit.site.publish()
    visit.tag = pinned(visit)
    evil = answer(200, EVIL, Content_Type="text/javascript")
    visit.stage.on("http://evil.example/*", evil)
    if altered == "the file that draws":
        visit.stage.on("*/w/ui-*", evil)
    elif altered == "every file on the second request":
        visit.stage.on("*/w/ui-*", evil)
        visit.stage.on("*/w/ui-*", delay(0), times=1)
    else:
        config = visit.site.http.get(f"{visit.site.url}/w/{visit.site.key}.json?format=1").json()
        config |= {"ba": "http://evil.example/w/", "base": "http://evil.example/w/", "hash": "evil", "ha": "evil"}
        reply = answer(200, json.dumps(config), Content_Type="application/json")
        visit.stage.on(f"*/w/{visit.site.key}.json*", reply)
    visit.open()
    visit.stage.wait_for("*/w/ui-*")
    if altered != "the file that draws":
        visit.expect_shown()
    assert visit.window.run("window.evil") is None
    assert not visit.stage.matching("http://evil.example/*")


def test_pinned_loader_without_its_site_says_so_and_asks_for_nothing(visit: Visit) -> None:
    visit.head = "<script>window.lines = []; console.info = (...all) => void lines.push(all.join(' '))</script>"
    visit.tag = pinned(visit).replace(f'data-site="{visit.site.key}"', "")
    visit.window.open("http://shop.example/")
    visit.window.until("lines.length")
    assert "data-site" in visit.window.run("lines")[0]
    assert not visit.stage.matching("*.json*")


def test_pinned_loader_works_under_a_policy_of_nonces(visit: Visit) -> None:
    visit.site.publish()
    policy = f"script-src 'nonce-abc'; connect-src {COLLECTOR} 'self'"
    visit.headers = {"Content-Security-Policy": policy}
    visit.tag = pinned(visit).replace("<script ", '<script nonce="abc" ')
    visit.open().expect_shown()


def test_nothing_of_the_widget_asks_the_document_for_what_markup_can_stand_in_for() -> None:
    for name in ("loader", "tag", "visit", "calls", "navigation", "showing", "pinned", "embed", "frozen"):
        source = (ROOT / "widget" / "src" / f"{name}.ts").read_text()
        assert "document." not in source, name


@pytest.mark.parametrize("changes", ["'#section-' + (++n % 6)", "'?t=' + ++n", "'?q=shoes' + ++n + '#top'"])
def test_address_that_never_rests_is_one_page_view(visit: Visit, changes: str) -> None:
    visit.site.publish(when={"delay_seconds": 2, "event": "ready", "match": "all"}, frequency={"unanswered": "always"})
    visit.head = f"""<script>let n = 0
      setInterval(() => history.replaceState(history.state, '', {changes}), 200)</script>"""
    visit.open()
    visit.window.run("tevreden.event('ready')")
    visit.expect_shown()
    visit.window.click("button", "Close")
    before = visit.window.run("n")
    visit.window.until(f"n > {before + 10}")
    assert visit.count() == 0
    visit.window.run("void history.pushState(0, '', '/other')")
    visit.window.run("tevreden.event('ready')")
    visit.expect_shown()
