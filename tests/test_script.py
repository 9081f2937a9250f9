"""The tag's one request: what is in it, how it is cached and compressed, and how many bytes it takes."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from base64 import b64encode
from typing import Any

import brotli
import pytest
from starlette.testclient import TestClient

from collector.run.serving import host_that_lists_know
from collector.web.visitors.addresses import frozen_tag
from collector.web.visitors.routes import SENT_TO
from collector.web.visitors.script import FORMATS, UI_HASH
from tests.conftest import ROOT, App
from tests.documents import CONTRACT_EXAMPLE

SCRIPT_BUDGET, ALL_BUDGET = 3_645, 11_025
"""Bytes in brotli 11 of the script with one survey's texts, and of that with the file that draws. Wanted are 3,300 and
9,400: hearing of every scroller, element and window, and of what hides a survey, takes some of the rest; seven faces,
contrast in every state, a step at a time and surveys that are fetched take 1,100; one
a session and a quiet period 130."""
DRAWN = 12
"""Bytes that keys drawn at random make up or down; a call-out with seven faces, the largest here, is that near."""


def served(client: TestClient, path: str, encoding: str) -> tuple[bytes, dict[str, str]]:
    """The bytes as they travel."""
    with client.stream("GET", path, headers={"Accept-Encoding": encoding}) as reply:
        return b"".join(reply.iter_raw()), dict(reply.headers)


def one_language(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "translations"}


@pytest.mark.parametrize(
    "document",
    [
        one_language(CONTRACT_EXAMPLE),
        {"name": "N", "metric": "nps", "question": "How likely are you to recommend us to a friend or colleague?"},
        {**one_language(CONTRACT_EXAMPLE), "appearance": {"position": "callout-left"}, "scale": 7},
    ],
    ids=["contract", "nps", "call-out"],
)
def test_bytes_are_within_their_budget(app: App, document: dict[str, Any]) -> None:
    app.site.publish(**document)
    script, _ = served(app.client, f"/w/{app.site.key}.js", "br")
    ui, _ = served(app.client, f"/w/ui-{UI_HASH}.js", "br")
    assert 0 < len(script) <= SCRIPT_BUDGET + DRAWN
    assert 0 < len(ui) <= ALL_BUDGET + DRAWN - len(script)


def test_what_is_committed_weighs_what_the_manifest_says() -> None:
    folder = ROOT / "collector" / "web" / "static" / "widget"
    manifest = json.loads((folder / "manifest.json").read_text())
    for name, size in manifest["bytes"].items():
        assert abs(len(brotli.compress((folder / name).read_bytes(), quality=11)) - size) <= 8


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("", None),
        ("identity", None),
        ("*", None),
        ("br;q=x", None),
    ],
)
def test_script_is_compressed_as_the_browser_can_read_it(app: App, accepted: str, encoding: str | None) -> None:
    body, headers = served(app.client, f"/w/{app.site.key}.js", accepted)
    assert headers.get("content-encoding") == encoding
    assert headers["vary"] == "Accept-Encoding"
    text = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[encoding](body).decode()
    assert app.site.key in text
    assert "__TEVREDEN__" not in text


def test_script_is_fresh_for_a_minute_and_then_compared(app: App) -> None:
    app.site.publish()
    path = f"/w/{app.site.key}.js"
    first = app.client.get(path)
    assert first.headers["cache-control"] == "public, max-age=60, stale-while-revalidate=600"
    assert first.headers["content-type"].startswith("text/javascript")
    assert first.headers["access-control-allow-origin"] == "*"
    for tag in (first.headers["etag"], "*", f'"x", {first.headers["etag"]}'):
        same = app.client.get(path, headers={"If-None-Match": tag})
        assert (same.status_code, same.content) == (304, b"")
        assert same.headers["etag"] == first.headers["etag"]
    app.site.publish()
    assert app.client.get(path, headers={"If-None-Match": first.headers["etag"]}).status_code == 200


def test_file_that_draws_never_changes_under_its_name(app: App) -> None:
    reply = app.client.get(f"/w/ui-{UI_HASH}.js")
    assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert reply.headers["access-control-allow-origin"] == "*"


def test_frozen_loader_has_the_bytes_that_its_tag_pins(app: App) -> None:
    pinned = frozen_tag("", app.site.key)
    path, integrity = re.findall(r'(?:src|integrity)="([^"]+)"', pinned)
    reply = app.client.get(path)
    assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert integrity == "sha384-" + b64encode(hashlib.sha384(reply.content).digest()).decode()
    survey = app.site.publish()
    config = app.client.get(f"/w/{app.site.key}.json?format=1")
    assert survey["key"] in config.text
    assert config.headers["access-control-allow-origin"] == "*"
    assert app.client.get("/w/nosuch.json").status_code == 404
    unknown = app.client.get("/w/loader-000000.js")
    assert (unknown.status_code, unknown.headers["cache-control"]) == (404, "no-store")


def test_script_holds_no_draft_no_name_and_no_secret(app: App) -> None:
    app.site.publish(name="Internal name", question="Shown?")
    app.site.call("POST", "/surveys", {"name": "Draft name", "metric": "nps", "question": "Not yet?"})
    text = app.client.get(f"/w/{app.site.key}.js").text
    assert "Shown?" in text
    for hidden in ("Internal name", "Draft name", "Not yet?", app.site.identify_secret):
        assert hidden not in text


def test_script_carries_only_surveys_that_show_on_pages(app: App) -> None:
    """What is asked by a link alone would else be read on every page."""
    shown, sent = app.site.publish(question="Shown?"), app.site.publish(question="By link?", delivery="link")
    text = app.client.get(f"/w/{app.site.key}.js").text + app.client.get(f"/w/{app.site.key}.json").text
    assert "Shown?" in text
    assert "By link?" not in text
    names = FORMATS[2]
    for survey, question in ((shown, "Shown?"), (sent, "By link?")):
        reply = app.client.get(f"/w/{app.site.key}/{survey['key']}.json?format=2")
        [alone] = reply.json()[names["surveys"]]
        assert alone[names["texts"]]["en"][names["question"]] == question
        assert (reply.headers["access-control-allow-origin"], "max-age" in reply.headers["cache-control"]) == (
            "*",
            True,
        )
    app.site.call("POST", f"/surveys/{sent['id']}/pause")
    assert app.client.get(f"/w/{app.site.key}/{sent['key']}.json?format=2").status_code == 404
    assert app.client.get(f"/w/{app.site.key}/nosuch22.json").status_code == 404


def test_blocking_lists_have_nothing_to_hold_on_to(app: App) -> None:
    """Common lists match these words in paths, names and classes."""
    words = re.compile(
        r"survey[-_]?(popup|widget|modal)|feedback[-_]|collect|metrics|analytics|track|beacon|pixel", re.I
    )
    app.site.publish()
    script = app.client.get(f"/w/{app.site.key}.js").text
    for path in (f"/w/{app.site.key}.js", f"/w/ui-{UI_HASH}.js", f"/w/{app.site.key}/events"):
        assert not words.search(path)
    classes = re.findall(r'class:"([^"]*)"', app.client.get(f"/w/ui-{UI_HASH}.js").text)
    assert classes
    assert not [name for name in classes if words.search(name)]
    assert "sendBeacon" not in script


def test_names_of_format_1_never_change() -> None:
    """Loaders that were pinned read them for ever. Something new is a format of its own."""
    names = json.dumps(FORMATS[1], sort_keys=True)
    assert (
        hashlib.sha256(names.encode()).hexdigest() == "08ae7451f12bdbc3c042232d419787b696a56d1b3264b3146b3e1f1286a96ad0"
    )


@pytest.mark.parametrize("number", sorted(FORMATS))
def test_names_of_a_format_are_two_letters_each_and_all_different(number: int) -> None:
    names = FORMATS[number]
    assert [short for short in names.values() if not re.fullmatch("[a-z]{2}", short)] == []
    assert len(set(names.values())) == len(names)


def test_every_format_stays_served_and_an_unknown_one_is_refused_by_name(app: App) -> None:
    survey = app.site.publish(where={"include": ["shop.example/cart?a=1"]})
    for number, names in FORMATS.items():
        config = app.client.get(f"/w/{app.site.key}.json?format={number}").json()
        assert config[names["site"]] == app.site.key
        [published] = config[names["surveys"]]
        assert published[names["key"]] == survey["key"]
        assert published[names["include"]][0][names["path"]] == "/cart/"
        assert set(published) <= set(names.values())
    first = app.client.get(f"/w/{app.site.key}.json?format=1")
    assert app.client.get(f"/w/{app.site.key}.json").json() == first.json()
    for asked in ("?format=99", "?format=0", "?format=01", "?format=%D9%A1", "?format="):
        reply = app.client.get(f"/w/{app.site.key}.json{asked}")
        assert reply.status_code == 404
        assert "Available: 1" in reply.json()["detail"]


@pytest.mark.parametrize("name", SENT_TO)
def test_page_whose_tracing_adds_headers_may_send_all_the_same(app: App, name: str) -> None:
    """Sentry and Application Insights add theirs to every request, so that browsers ask first."""
    path = f"/w/{app.site.key}/{name}"
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    reply = app.client.options(path, headers={**asked, "Access-Control-Request-Headers": "sentry-trace,traceparent"})
    assert (reply.status_code, reply.content) == (204, b"")
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.headers["access-control-allow-headers"] == "sentry-trace,traceparent"
    assert reply.headers["access-control-max-age"] == "86400"
    for names in ("x" * 2_000, "a, b;c", "a\u00e9"):
        headers = {**asked, "Access-Control-Request-Headers": names.encode()}
        reply = app.client.options(path, headers=headers)  # type: ignore[arg-type]
        assert reply.headers["access-control-allow-headers"] == "content-type"


def test_parameters_of_the_script_make_no_other_script(app: App) -> None:
    app.site.publish()
    plain = app.client.get(f"/w/{app.site.key}.js")
    asked = app.client.get(f"/w/{app.site.key}.js?consent=required&lang=nl")
    assert (asked.content, asked.headers["etag"]) == (plain.content, plain.headers["etag"])


@pytest.mark.parametrize(
    ("url", "warns"),
    [
        ("https://collector.shop.example", True),
        ("https://stats.shop.example:8443", True),
        ("https://Tracking.shop.example", True),
        ("https://surveys.shop.example", False),
        ("https://statsig.shop.example", False),
        ("http://127.0.0.1:8000", False),
    ],
)
def test_start_warns_of_a_host_that_blocking_lists_know(url: str, warns: bool) -> None:
    assert bool(host_that_lists_know(url)) is warns
