"""What a stranger can cost: processor time of a request, memory of what is kept, other sites' waiting."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from anyio.from_thread import start_blocking_portal

from collector.responses.devices import read_user_agent
from collector.surveys.lifecycle import MOST_PUBLISHED_BYTES
from collector.web.http.packed import Packed, best_encoding
from collector.web.visitors import cache
from collector.web.visitors.cache import Cache
from tests.conftest import App, Process, add_site

pytestmark = pytest.mark.slow

TICK = os.sysconf("SC_CLK_TCK")
MOST_SECONDS = 0.005
"""Of processor for one public request."""


def processor(process: Process) -> float:
    """Seconds that a process has used, of user and system."""
    assert process._process
    fields = Path(f"/proc/{process._process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def long_text(number: int, letters: int) -> str:
    return (f"Text {number} " * (letters // 6))[:letters]


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A collector with a site that has a published survey."""
    process = Process(tmp_path_factory.mktemp("cost"))
    process.environment["TEVREDEN_RATE_PER_ADDRESS"] = "0"
    token = process.command("token", "add", "tests")
    process.start()
    site = add_site(process.http, process.url, token)
    yield process, site, site.publish()
    process.close()


def processor_of(process: Process, url: str, headers: dict[str, str], times: int = 40) -> float:
    """Seconds of processor for one request, on average."""
    before = processor(process)
    for _ in range(times):
        process.http.get(url, headers=headers)
    return (processor(process) - before) / times


PUBLIC = (
    *("/", "/admin/sign-in", "/admin", "/api", "/api/openapi.json", "/api/survey.schema.json", "/healthz", "/readyz"),
    *("/api/reference/swagger-ui.js", "/api/reference/swagger-ui.css", "/api/reference/nosuch"),
    *("/metrics", "/static/admin.css", "/favicon.ico", "/nosuch", "/admin/reset/nosuch", "/admin/welcome/nosuch"),
    *("/w/{site}.js", "/w/{site}.json", "/w/nosuch.js", "/w/nosuch.json", "/w/ui-000000.js", "/w/{site}/events"),
    *("/s/{site}-{survey}", "/s/{site}-{survey}.js", "/s/{site}-nosuch", "/s/nosuch-nosuch", "/w/{site}/test/x.json"),
    *("/api/v1/surveys", "/admin/join/nosuch", "/w/{site}/audience"),
)


@pytest.mark.parametrize("encoding", ["br", "gzip", "identity"])
@pytest.mark.parametrize("path", PUBLIC)
def test_public_request_takes_little_of_the_processor(busy: Any, path: str, encoding: str) -> None:
    process, site, survey = busy
    url = process.url + path.format(site=site.key, survey=survey["key"])
    headers = {"Accept-Encoding": encoding, "Accept": "text/html"}
    for _ in range(3):  # what a first request makes once for all
        reply = process.http.get(url, headers=headers)
    assert reply.status_code < 500 or path == "/readyz"
    spent = min(processor_of(process, url, headers) for _ in range(3))  # the process has other things to do as well
    assert spent <= MOST_SECONDS, f"{spent * 1000:.1f} ms"


@pytest.mark.parametrize("path", ["/api", "/api/openapi.json", "/api/survey.schema.json"])
def test_description_of_the_interface_is_made_once_and_known_by_its_tag(busy: Any, path: str) -> None:
    process, _, _ = busy
    first = process.http.get(process.url + path, headers={"Accept-Encoding": "br"})
    assert first.headers["content-encoding"] == "br"
    again = process.http.get(process.url + path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    url = process.url + path
    assert min(processor_of(process, url, {"Accept-Encoding": "br"}, times=100) for _ in range(3)) <= 0.002


def test_surveys_beyond_what_a_script_may_hold_are_refused_with_the_reason(app: App) -> None:
    texts = {"question": "How?", "follow_up": {"negative": "x" * 400}}
    refused: httpx.Response | None = None
    for number in range(300):
        translations = dict.fromkeys(("nl", "de", "fr", "es", "it", "pl", "pt", "sv", "da"), texts)
        document = {"name": f"Large {number}", "metric": "csat", **texts, "translations": translations}
        made = app.site.call("POST", "/surveys", document)
        assert made.status_code == 201, made.text
        refused = app.site.call("POST", f"/surveys/{made.json()['id']}/publish")
        if refused.status_code != 200:
            break
    assert refused
    assert refused.status_code == 409
    assert "256 KB together" in refused.json()["detail"]
    script = app.client.get(f"/w/{app.site.key}.js", headers={"Accept-Encoding": "identity"})
    assert len(script.content) < MOST_PUBLISHED_BYTES + 16 * 1024


def test_site_of_the_largest_size_keeps_no_other_waiting() -> None:
    """While a large script is packed on its thread, the loop goes on: it is asked how often it came round."""
    rounds = 0

    async def run() -> None:
        nonlocal rounds
        body = "".join(long_text(number, 400) for number in range(50_000))  # 20 MB, far beyond what may be published
        packed = Packed(body, "text/javascript", "x", {})
        packing = asyncio.create_task(asyncio.to_thread(packed.pack))
        while not packing.done():
            await asyncio.sleep(0)
            rounds += 1
        assert packed.answer(b"br", b"")[1] != body.encode()

    with start_blocking_portal() as portal:
        portal.call(run)
    assert rounds > 100


def test_what_is_not_packed_yet_goes_out_as_it_is() -> None:
    packed = Packed("text", "text/javascript", "x", {})
    assert packed.answer(b"br", b"")[1] == b"text"
    packed.pack()
    assert packed.answer(b"br", b"")[0].lines.count(b"br") == 1


def kept_after(fill: Any) -> int:
    """Bytes that are still held after so many fresh values."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        fill()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def test_fresh_headers_leave_little_behind() -> None:
    def encodings() -> None:
        for number in range(100_000):
            best_encoding(b"x%d;q=0.5, " % number + b"y" * 4_000)

    def agents() -> None:
        for number in range(100_000):
            read_user_agent(f"Agent/{number} " + "z" * 4_000)

    assert kept_after(encodings) < 1024 * 1024
    assert kept_after(agents) < 8 * 1024 * 1024


def test_unknown_sites_leave_nothing_and_known_ones_have_a_bound(monkeypatch: pytest.MonkeyPatch, app: App) -> None:
    kept = app.client.app.state.services.live  # type: ignore[attr-defined]
    for number in range(200):
        assert app.client.get(f"/w/nosuch{number}.js").status_code == 404
        assert app.client.post(f"/w/nosuch{number}/events", content=b'{"events": [{}]}').status_code in (404, 422)
    assert not kept.scripts._loading
    assert set(kept.scripts._entries) | set(kept.sites._entries) <= {app.site.key}

    monkeypatch.setattr(cache, "MOST_ENTRIES", 10)
    monkeypatch.setattr(cache, "MOST_BYTES", 500)

    async def run() -> None:
        async def load(name: str, _: str | None) -> str:
            return name * 50

        values = Cache(load, lambda: False, len)
        for number in range(100):
            assert await values.get(f"{number:02}") == f"{number:02}" * 50
        assert values._bytes == sum(len(entry.value) for entry in values._entries.values()) <= 500
        assert list(values._entries) == [f"{number:02}" for number in range(95, 100)]
        small = Cache(load, lambda: False)
        for number in range(100):
            await small.get(str(number))
        assert len(small._entries) == 10

    with start_blocking_portal() as portal:
        portal.call(run)
