"""The kit, as its users have it: a test project that knows nothing but what the kit's documentation says."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from collector.testing.framing import allowing, with_tag
from collector.testing.kit import SurveyKit
from tests.conftest import ROOT, Process, tevreden
from tests.needs import do_without

pytestmark = pytest.mark.slow

EXAMPLES = ROOT / "examples" / "playwright"
TAG = '<script async src="https://tevreden.test/w/abc.js"></script>'
BROWSER = """
import pytest


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    return {**browser_type_launch_args, "executable_path": %r, "args": ["--disable-gpu", "--no-sandbox"]}
"""


@cache
def browser() -> str:
    """The path of the Chromium that there is; asked in a process of its own, as this one may be driving one already."""
    ask = "from tests.browser.install import find_browser; print(find_browser() or '')"
    done = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip() or do_without("no browser: run make browser")


@pytest.fixture
def strict_page() -> Iterator[str]:
    """The address of a page of someone's own, with a content security policy and a tag of another collector."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Security-Policy", "default-src 'none'; script-src 'self'")
            self.end_headers()
            self.wfile.write(STRICT)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/own"
        server.shutdown()
        thread.join()


def project(folder: Path, *tests: Path | str) -> subprocess.CompletedProcess[str]:
    """Run a test project of its own, by the installed package alone."""
    (folder / "conftest.py").write_text(BROWSER % browser())  # which browser there is, is this machine's affair
    for index, test in enumerate(tests):
        if isinstance(test, Path):
            shutil.copy(test, folder)
        else:
            (folder / f"test_own_{index}.py").write_text(test)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TEVREDEN_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(folder)]
    return subprocess.run(
        command,
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_examples_run_as_they_are(tmp_path: Path) -> None:
    done = project(tmp_path, EXAMPLES / "test_placement.py")
    assert done.returncode == 0, done.stdout + done.stderr
    written = len(re.findall("^def test_", (EXAMPLES / "test_placement.py").read_text(), re.MULTILINE))
    assert f"{written} passed" in done.stdout


def test_every_call_of_the_kit_is_documented() -> None:
    text = (EXAMPLES / "README.md").read_text("utf-8")
    source = (ROOT / "collector" / "testing" / "kit.py").read_text("utf-8").split("class SurveyKit")[1]
    calls = set(re.findall(r"^    def ([a-z]\w*)\(", source, re.MULTILINE)) - {"close"}
    assert len(calls) >= 15
    for call in calls:
        assert re.search(rf"`(?:[^`|]*, )?{call}\b", text), call


def test_calls_are_documented_with_the_arguments_that_they_take() -> None:
    text = (EXAMPLES / "README.md").read_text("utf-8")
    written = dict(re.findall(r"^\| `(\w+)\(([^`]*)\)`", text, re.MULTILINE))
    assert len(written) >= 14
    for name, arguments in written.items():
        taken = inspect.signature(getattr(SurveyKit, name)).parameters.values()
        bare = [one.replace(annotation=inspect.Parameter.empty) for one in taken if one.name != "self"]
        signature = str(inspect.Signature(bare)).strip("()")
        assert arguments == signature, name


FAILURES = """
import pytest


def failing(call, *words):
    with pytest.raises((AssertionError, ValueError)) as caught:
        call()
    for word in words:
        assert word in str(caught.value), caught.value


def test_assertions_fail_and_say_why(survey):
    failing(lambda: survey.to_be_shown(), "no survey was published")
    failing(lambda: survey.publish(where={"include": ["ftp://x"]}), "/where/include/0")
    survey.publish(where={"include": ["/order/*"]})
    failing(lambda: survey.open("https://shop.example/a", html="x") or survey.not_to_be_shown(because="seen"), "page")
    survey.open("https://shop.example/cart")
    failing(lambda: survey.to_be_shown(timeout=300), "page", "/order/*", "/cart")
    failing(lambda: survey.not_to_be_shown(because="seen"), "not shown because of page, not of seen")
    survey.open("https://shop.example/order/1")
    failing(lambda: survey.to_be_at("banner"), "placed slide-in-right, not banner")
    survey.to_be_at("slide-in-right")
    failing(lambda: survey.not_to_be_shown(), "is shown on https://shop.example/order/1")


def test_survey_that_the_page_pushes_away_is_not_at_its_place(survey):
    survey.publish()
    style = "<style>tevreden-survey { }</style>"
    survey.open("https://shop.example/", html=style)
    survey.to_be_shown().evaluate("(e) => e.shadowRoot.querySelector('section').style.left = '-300px'")
    failing(lambda: survey.to_be_at("slide-in-right"), "from the right")


def test_survey_on_its_way_is_not_absent(survey):
    survey.publish(when={"delay_seconds": 60})
    survey.open("https://shop.example")
    failing(survey.not_to_be_shown, "waits for its moment", 'because="waiting"')
    survey.not_to_be_shown(because="waiting")


CHAT = '<style>#chat { position: fixed; right: 20px; bottom: 20px; width: 64px; height: 64px }</style>'


@pytest.mark.parametrize(("offset", "covered"), [(0, ["Chat"]), (84, [])])
@pytest.mark.parametrize("placement", ["slide-in-right", "callout-right", "banner"])
def test_buttons_under_the_survey_are_named_and_an_offset_keeps_clear_of_them(survey, placement, offset, covered):
    side = "top" if placement == "banner" else "bottom"
    page = CHAT.replace("bottom", side) + '<button id="chat">Chat</button><button>Not fixed</button>'
    survey.publish(appearance={"position": placement, "offset": offset})
    survey.open("https://shop.example/", page)
    survey.to_be_at(placement)
    assert survey.covered() == covered


def test_call_out_is_opened_and_answered(survey, page):
    survey.publish(appearance={"position": "callout-left"}, follow_up={"negative": "", "neutral": "", "positive": ""},
                   email_capture={"ask": "never"})
    survey.open("https://shop.example/")
    survey.to_be_at("callout-left")
    assert survey.answer("Very satisfied")["score"] == 5
    assert len(survey.answers()) == 1


def test_real_page_with_a_strict_policy_and_a_tag_of_its_own(survey):
    survey.publish()
    survey.open("REAL")
    survey.to_be_at("slide-in-right")
    assert survey.answer(2, comment="As it is")["page"] == "REAL"
"""

STRICT = b"""<!doctype html><html><head><script async src="https://surveys.example.com/w/realkey12345.js"></script></head>
<body><h1>Ours</h1></body></html>"""


def test_assertions_of_the_kit_can_fail(tmp_path: Path, strict_page: str) -> None:
    done = project(tmp_path, FAILURES.replace("REAL", strict_page))
    assert done.returncode == 0, done.stdout + done.stderr


def test_check_says_what_shows_and_saves_pictures(alone: Process) -> None:
    assert browser()
    alone.arguments = ("demo",)
    alone.start()
    done = tevreden("check", f"{alone.url}/demo/", "--wait", "6", folder=alone.folder)
    assert done.returncode == 0, done.stderr
    assert "desktop, tablet, phone: shown" in done.stdout
    assert "not shown: page (page: expected /demo/order*, here" in done.stdout
    for size in ("desktop", "tablet", "phone"):
        picture = alone.folder / "tevreden-check" / f"{size}.png"
        assert picture.read_bytes().startswith(b"\x89PNG")
    for url, words in ((f"{alone.url}/admin/sign-in", "carries no tag"), ("http://127.0.0.1:9/", "cannot be opened")):
        done = tevreden("check", url, folder=alone.folder)
        assert done.returncode == 1
        assert words in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("html", "wanted"),
    [
        ("<html><head></head><body></body></html>", f"<html><head>{TAG}</head><body></body></html>"),
        ("<html><body>x</body></html>", f"<html>{TAG}<body>x</body></html>"),
        ("text", f"text{TAG}"),
        (
            '<script src="https://a.example/w/key.js"></script>',
            TAG,
        ),
        ('<b></b><script async integrity="sha384-x" src="/w/loader-12ab.js" data-site="k"></script>', f"<b></b>{TAG}"),
        (
            '<script src="/w/key.js" data-consent="required"></script>',
            TAG.replace("<script", '<script data-consent="required"'),
        ),
        ('<head><script nonce="n1">1</script></head>', f'<head><script nonce="n1">1</script>{TAG}</head>'),
    ],
)
def test_tag_goes_into_any_page(html: str, wanted: str) -> None:
    assert with_tag(html, TAG).replace('<script nonce="n1" async', "<script async") == wanted


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        ("script-src 'self'; connect-src 'none'", "script-src 'self' O; connect-src O"),
        ("default-src 'self'", "default-src 'self'; script-src 'self' O; connect-src 'self' O"),
        ("img-src *", "img-src *"),
    ],
)
def test_policy_allows_the_collector(policy: str, wanted: str) -> None:
    assert allowing(policy, "O") == wanted
