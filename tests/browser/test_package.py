"""The npm package in a page's own bundle, without a tag."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Visit
from tests.packing import WIDGET, installed, node

CONSUMER = """
import { load } from "tevreden-widget";
const options = JSON.parse(document.documentElement.dataset.options);
const tevreden = (window.bundled = load(options));
window.stop = tevreden.on("answered", (answer) => (window.heard ||= []).push(answer));
window.explained = tevreden.explain();
window.again = () => load(options);
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a page's bundle, with what is imported later in files of their own."""
    folder = tmp_path_factory.mktemp("bundle")
    installed(folder)
    (folder / "app.js").write_text(CONSUMER, "utf-8")
    options = ("--bundle", "--splitting", "--format=esm", "--log-level=warning", "--outdir=out")
    done = node(str(WIDGET / "node_modules" / ".bin" / "esbuild"), "app.js", *options, folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "out"


@pytest.fixture
def bundled(visit: Visit, bundle: Path) -> Visit:
    """A visit to pages without a tag that load the widget from their own bundle."""

    def serve(route: Route) -> None:
        route.fulfill(path=bundle / route.request.url.rsplit("/", 1)[-1], content_type="text/javascript")

    visit.context.route("**/bundle/*.js", serve)
    visit.head = f"""<script>document.documentElement.dataset.options = JSON.stringify(
      {{collector: "{visit.site.url}/", site: "{visit.site.key}"}})</script>
      <script type="module" src="/bundle/app.js"></script>"""
    visit.site.tag = ""
    return visit


def test_bundled_survey_shows_and_is_answered_and_heard(bundled: Visit) -> None:
    survey = bundled.site.publish()
    bundled.open("https://shop.example/order/7").expect_shown()
    bundled.answer("Satisfied")
    bundled.survey.get_by_role("textbox").first.fill("Good")
    bundled.send()
    (answer,) = bundled.site.responses()
    assert (answer["score"], answer["comment"], answer["page"]) == (4, "Good", "https://shop.example/order/7")
    heard = bundled.page.evaluate("heard")
    assert heard[-1] == {
        "survey": survey["key"],
        "revision": 1,
        "score": 4,
        "group": "positive",
        "complete": True,
        "comment": "Good",
    }
    assert [one["complete"] for one in heard] == [False, False, True]
    assert [request.method for request in bundled.to_collector()][:2] == ["GET", "POST"]
    assert not [request for request in bundled.to_collector() if "/w/ui-" in request.url]
    assert bundled.errors == []


def test_loading_again_changes_nothing(bundled: Visit) -> None:
    bundled.site.publish()
    bundled.open().expect_shown()
    bundled.settle()
    asked = len(bundled.to_collector())
    bundled.page.evaluate("again().explain()")
    expect(bundled.survey).to_have_count(1)
    assert len(bundled.to_collector()) == asked
    bundled.answer("Satisfied")
    assert len(bundled.page.evaluate("heard")) == 1


def test_bundle_beside_a_tag_shows_one_survey(bundled: Visit) -> None:
    bundled.site.publish()
    bundled.head += f'<script async src="{bundled.site.url}/w/{bundled.site.key}.js"></script>'
    bundled.open().expect_shown()
    bundled.answer("Satisfied")
    bundled.settle()
    expect(bundled.survey).to_have_count(1)
    assert len(bundled.page.evaluate("heard")) == 1


def test_what_is_called_before_the_surveys_have_come_waits_for_them(bundled: Visit) -> None:
    survey = bundled.site.publish(where={"include": ["/elsewhere"]})
    bundled.body = "<main id=here></main>"
    held: list[Route] = []
    bundled.context.route("**/w/*.json?*", lambda route: held.append(route))  # noqa: PLW0108  a builtin cannot carry what Playwright ties to it
    with bundled.page.expect_request("**/w/*.json?*"):
        bundled.page.goto("https://shop.example/")
    bundled.page.evaluate("(key) => bundled.show(key, {mount: document.getElementById('here')})", survey["key"])
    assert bundled.page.evaluate("Array.isArray(tevreden)")
    held[0].continue_()
    expect(bundled.page.locator("#here > tevreden-survey")).to_be_visible()
    (explanation,) = bundled.page.evaluate("explained")
    assert explanation["survey"] == survey["key"]


def test_who_has_stopped_hearing_hears_nothing(bundled: Visit) -> None:
    bundled.site.publish()
    bundled.open().expect_shown()
    bundled.page.evaluate("stop()")
    bundled.answer("Satisfied")
    bundled.settle()
    assert bundled.page.evaluate("window.heard") is None


def test_page_goes_on_without_a_collector_and_may_load_again(bundled: Visit) -> None:
    bundled.site.publish()
    bundled.context.route("**/w/*.json?*", lambda route: route.abort())
    bundled.page.goto("https://shop.example/")
    assert bundled.page.evaluate("explained") == []
    assert bundled.page.evaluate("bundled.explain()") == []
    bundled.context.unroute("**/w/*.json?*")
    bundled.page.evaluate("again()")
    bundled.expect_shown()
    assert [error for error in bundled.errors if "Failed to load resource" not in error] == []


def test_consent_is_waited_for(bundled: Visit) -> None:
    bundled.site.publish()
    bundled.head = bundled.head.replace("site:", 'consent: "required", site:')
    bundled.open()
    assert bundled.page.evaluate("explained.then(([one]) => one.reason)") == "consent"
    expect(bundled.survey).to_have_count(0)
    bundled.page.evaluate("bundled.consent(true)")
    bundled.expect_shown()
