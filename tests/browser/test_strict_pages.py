"""Pages with the strictest content security policy, with odd globals, and collectors that are not there."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Response, Route, expect

from tests.browser.conftest import Visit
from tests.conftest import Process, add_site, free_port


def test_strict_policy_completes_a_survey_with_no_violation(visit: Visit) -> None:
    policy = (
        f"default-src 'none'; script-src 'nonce-abc' {visit.site.url}; connect-src {visit.site.url}; "
        "require-trusted-types-for 'script'"
    )
    visit.headers = {"Content-Security-Policy": policy}
    visit.tag_options = 'nonce="abc"'
    visit.head = """<script nonce="abc">
      window.violations = [];
      document.addEventListener("securitypolicyviolation", (e) => {
        violations.push(e.violatedDirective + " " + e.blockedURI);
      });
    </script>"""
    visit.site.publish(thank_you={"positive": {"link": "https://shop.example/more"}})
    survey = visit.open("https://shop.example/").expect_shown()
    visit.answer("Satisfied")
    survey.get_by_role("textbox").first.fill("Fine")
    visit.send()
    expect(survey).to_have_attribute("data-state", "thanks")
    # the empty icon of the test page is the page's own affair
    own = [one for one in visit.page.evaluate("violations") if not one.startswith("img-src data")]
    assert own == []
    assert [error for error in visit.errors if "img-src" not in error] == []
    assert survey.get_by_role("dialog").evaluate("(e) => getComputedStyle(e).position") == "relative", "styled"


def test_no_survey_means_one_request_and_nothing_kept(visit: Visit) -> None:
    visit.site.publish(where={"include": ["/elsewhere"]})
    visit.open("http://www.shop.example/")
    visit.expect_not_shown()
    assert [request.url for request in visit.to_collector()] == [f"{visit.site.url}/w/{visit.site.key}.js"]
    assert visit.context.cookies() == []
    assert visit.page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
    assert visit.page.evaluate("indexedDB.databases()") == []


def test_nothing_is_kept_while_a_survey_waits_for_its_moment(visit: Visit) -> None:
    visit.site.publish(when={"event": "never"})
    visit.open()
    visit.expect_not_shown()
    assert visit.context.cookies() == []
    assert visit.page.evaluate("localStorage.length") == 0


def test_no_global_but_ours(visit: Visit) -> None:
    visit.head = "<script>window.before = new Set(Object.getOwnPropertyNames(window))</script>"
    visit.site.publish()
    visit.open().expect_shown()
    added = visit.page.evaluate(
        "Object.getOwnPropertyNames(window).filter((name) => !before.has(name) && name != 'before')"
    )
    assert added == ["tevreden"]


@pytest.mark.parametrize("way", ["async", "", "defer"])
def test_tag_that_is_there_twice_shows_one_survey(visit: Visit, way: str) -> None:
    visit.site.tag = visit.site.tag.replace("async", way)
    visit.head = visit.site.tag
    visit.site.publish(frequency={"unanswered": "always"})
    visit.open().expect_shown()
    visit.settle()
    expect(visit.survey).to_have_count(1)
    assert visit.errors == []


@contextmanager
def _server(answer: bytes | None) -> Iterator[str]:
    """A server in the collector's place: one that says ``answer`` to everything, or one that never answers."""
    release = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if answer is None:
                release.wait(30)
                return
            self.wfile.write(answer)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        release.set()
        server.shutdown()
        thread.join()
        server.server_close()


HTML = b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<!doctype html><title>Please sign in</title>"
BROKEN = b"HTTP/1.0 500 Oops\r\nContent-Type: text/plain\r\n\r\noops"


@pytest.mark.parametrize("answer", [HTML, BROKEN, None], ids=["HTML", "500", "silence"])
def test_collector_that_is_not_itself_harms_nothing(visit: Visit, answer: bytes | None) -> None:
    with _server(answer) as url:
        visit.site.tag = f'<script async src="{url}/w/abc.js"></script>'
        visit.page.goto("http://shop.example/", wait_until="domcontentloaded")
        expect(visit.page.get_by_role("heading")).to_be_visible()
        if answer is not None:
            visit.page.wait_for_load_state("load")
        assert len(visit.errors) <= 1
        assert visit.survey.count() == 0


def test_collector_that_is_down_harms_nothing(visit: Visit) -> None:
    visit.site.tag = f'<script async src="http://127.0.0.1:{free_port()}/w/abc.js"></script>'
    visit.page.goto("http://shop.example/")
    expect(visit.page.get_by_role("heading")).to_be_visible()
    assert len(visit.errors) <= 1


def test_survey_shows_when_a_second_try_finds_the_collector_back(visit: Visit) -> None:
    visit.site.publish(when={"event": "go"})
    visit.context.route("**/w/ui-*.js", lambda route: route.abort())
    visit.open()
    with visit.page.expect_event("requestfailed"):
        visit.page.evaluate("tevreden.event('go')")
    visit.context.unroute("**/w/ui-*.js")
    visit.page.evaluate("new Promise((done) => setTimeout(done))")
    visit.page.evaluate("tevreden.event('go')")
    visit.expect_shown()


def test_collector_that_goes_away_before_the_survey_shows_harms_nothing(visit: Visit) -> None:
    visit.site.publish(when={"event": "go"})
    visit.context.route("**/w/ui-*.js", lambda route: route.abort())
    visit.open()
    with visit.page.expect_event("requestfailed"):
        visit.page.evaluate("tevreden.event('go')")
    visit.page.evaluate("new Promise((done) => setTimeout(done))")
    assert visit.survey.count() == 0
    assert len(visit.errors) <= 1
    visit.context.unroute("**/w/ui-*.js")


@pytest.mark.parametrize("reply", ["refused", "HTML", "429", "503"])
def test_answer_waits_for_a_collector_that_is_away_and_arrives_once(visit: Visit, reply: str) -> None:
    visit.site.publish(frequency={"unanswered": "always"})

    def away(route: Route) -> None:
        if reply == "refused":
            route.abort()
        elif reply == "HTML":
            route.fulfill(status=200, content_type="text/html", body="<title>Sign in</title>")
        else:
            route.fulfill(status=int(reply), body="{}")

    visit.context.route("**/answers", away)
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.survey.get_by_role("textbox").first.fill("Kept")
    visit.send_unheard()
    expect(visit.survey).to_have_attribute("data-state", "thanks")
    assert visit.site.responses() == []
    visit.context.unroute("**/answers")
    visit.open("http://shop.example/next")
    visit.settle()
    (response,) = visit.site.responses()
    assert (response["score"], response["comment"], response["complete"]) == (4, "Kept", True)


def test_reply_that_is_lost_doubles_nothing(visit: Visit) -> None:
    survey = visit.site.publish()

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    visit.context.route("**/answers", lose)
    visit.open().expect_shown()
    with visit.page.expect_event("requestfailed"):
        visit.answer("Satisfied")
    visit.send_unheard()
    expect(visit.survey).to_have_attribute("data-state", "thanks")
    visit.context.unroute("**/answers")
    visit.open("http://shop.example/next")
    visit.settle()
    assert len(visit.site.responses()) == 1
    counts = visit.site.results(survey)["counts"]
    assert (counts["impressions"], counts["scores"]) == (1, 1)


def test_many_waiting_events_all_arrive(visit: Visit) -> None:
    survey = visit.site.publish(frequency={"unanswered": "always"})
    visit.context.route("**/answers", lambda route: route.abort())
    visit.open().expect_shown()
    for _ in range(27):
        visit.page.evaluate("(key) => tevreden.show(key)", survey["key"])
        visit.page.wait_for_function("document.querySelector('tevreden-survey')")
        visit.page.evaluate("tevreden.dismiss()")
        visit.page.wait_for_function("!document.querySelector('tevreden-survey')")
    assert visit.page.evaluate("Object.keys(localStorage).length") > 50
    visit.context.unroute("**/answers")
    visit.open("http://shop.example/next").expect_shown()
    visit.settle()
    counts = visit.site.results(survey)["counts"]
    assert (counts["impressions"], counts["dismissals"]) == (29, 27)


def test_one_refused_event_costs_its_neighbours_nothing(visit: Visit) -> None:
    survey = visit.site.publish(frequency={"unanswered": "always"})
    visit.context.route("**/answers", lambda route: route.abort())
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.page.evaluate(
        """([site, survey]) => { for (const [type, id] of [['response', 'not-an-id'], ['nonsense', '1'], ['x', '2']])
          localStorage[`tv_${site}.${type}.${id}`] = type == 'x' ? 'null' : JSON.stringify({type, id, survey}) }""",
        [visit.site.key, survey["key"]],
    )
    visit.context.unroute("**/answers")
    visit.open("http://shop.example/next")
    visit.settle()
    assert len(visit.site.responses()) == 1


def is_of_an_answer(reply: Response) -> bool:
    return reply.url.endswith("/answers") and '"response"' in (reply.request.post_data or "")


def test_storage_that_keeps_everything_is_not_sent_twice(visit: Visit) -> None:
    visit.site.publish()
    visit.head = "<script>Storage.prototype.removeItem = () => {}</script>"
    visit.open().expect_shown()
    with visit.page.expect_response(is_of_an_answer):  # else what follows takes its place before it is sent
        visit.answer("Satisfied")
    visit.send()
    visit.page.evaluate("new Promise((done) => setTimeout(done, 300))")
    batches = [json.loads(request.post_data or "") for request in visit.requests if request.url.endswith("/answers")]
    sent = [json.dumps(event, sort_keys=True) for batch in batches for event in batch["events"]]
    assert len(sent) == 3  # it was seen, it has a score, it is complete
    assert len(set(sent)) == 3


def test_refused_answer_is_dropped_for_good(visit: Visit) -> None:
    survey = visit.site.publish()
    visit.open().expect_shown()
    visit.settle()
    assert visit.site.call("POST", f"/surveys/{survey['id']}/archive").status_code == 200
    with visit.page.expect_response(is_of_an_answer) as reply:
        visit.answer("Satisfied")
    assert reply.value.status == 409
    visit.settle()
    assert visit.site.responses() == []


def test_answer_to_a_survey_that_was_just_paused_still_arrives(visit: Visit) -> None:
    survey = visit.site.publish()
    visit.open().expect_shown()
    assert visit.site.call("POST", f"/surveys/{survey['id']}/pause").status_code == 200
    visit.answer("Satisfied")
    visit.send()
    assert len(visit.site.responses()) == 1


ODD = {
    "storage that throws": """for (const name of ['localStorage', 'sessionStorage'])
        Object.defineProperty(window, name, {get() { throw new Error('no') }});""",
    "cookies that throw": """Object.defineProperty(document, 'cookie', {
        get() { throw new Error('no') }, set() { throw new Error('no') }});""",
    "no storage and no cookies": """for (const name of ['localStorage', 'sessionStorage'])
        Object.defineProperty(window, name, {get() { throw new Error('no') }});
        Object.defineProperty(document, 'cookie', {get() { return '' }, set() {}});""",
    "storage that is full": "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError') };",
    "Prototype.js": """Array.prototype.toJSON = function () { return '[' + this.map(Object.toJSON).join() + ']' };
        Object.toJSON = JSON.stringify; Array.from = (all) => [].slice.call(all);""",
    "toJSON everywhere": "Object.prototype.toJSON = String.prototype.toJSON = () => 'spoilt';",
    "an element by our name": "document.write('<i id=tevreden></i>')",
    "a queue filled with nonsense": "window.tevreden = [['toString'], ['no such call'], [], null, 7, ['on']];",
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_pages_take_an_answer_and_no_harm(visit: Visit, odd: str) -> None:
    visit.site.publish()
    visit.head = f"<script>{ODD[odd]}</script>"
    visit.open("http://shop.example/?__proto__[x]=1&constructor[prototype][x]=1").expect_shown()
    visit.answer("Satisfied")
    visit.send()
    assert len(visit.site.responses()) == 1
    assert visit.errors == []
    assert visit.page.evaluate("({}).x") is None


def test_answer_is_there_after_the_collector_was_killed(visit: Visit, alone: Process) -> None:
    token = alone.command("token", "add", "kill")
    alone.start()
    visit.site = add_site(alone.http, alone.url, token)
    survey = visit.site.publish()
    visit.open().expect_shown()
    visit.answer("Very satisfied")
    visit.survey.get_by_role("textbox").first.fill("Before the power went")
    visit.send()
    alone.stop(signal.SIGKILL)
    alone.start()
    (response,) = visit.site.responses()
    assert (response["survey"], response["comment"]) == (survey["id"], "Before the power went")
    alone.stop()
