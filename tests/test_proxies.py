"""Behind proxies: who asks, by which address the collector is reached, and whose forms are ours."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from anyio.from_thread import start_blocking_portal
from starlette.testclient import TestClient

from collector.errors import SettingsError
from collector.run.app import create_app, open_services
from collector.settings import Settings, load, networks_in, plain_address
from collector.web.http.proxies import TrustedProxies
from tests.conftest import PASSWORD, PERSON, SECRET, USER, App, Process, add_site, tevreden
from tests.events import response

FORM = {"email": USER, "password": PASSWORD}


# ---- the address


@pytest.mark.slow
@pytest.mark.parametrize(
    "address",
    [
        "https://example.com/surveys",
        "https://example.com/surveys/",
        "http://example.com:8000/a/b",
        "https://example.com//x",
        "HTTPS://EXAMPLE.COM/Surveys",
    ],
)
def test_base_url_with_a_path_stops_the_start_and_says_to_use_a_host_of_its_own(tmp_path: Path, address: str) -> None:
    done = tevreden("serve", folder=tmp_path, TEVREDEN_BASE_URL=address, TEVREDEN_SECRET=SECRET)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "TEVREDEN_BASE_URL must have no path: give the collector a host of its own" in done.stderr


@pytest.mark.parametrize(
    "address",
    [
        *(
            "https://",
            "https:///x",
            "https://a.example?x=1",
            "https://a.example#x",
            "https://user@a.example",
            "ftp://a",
        ),
        *("https://a.example:99999", "https://a.example:port", "https://[::1", "https://a b.example", "https://:8000"),
    ],
)
def test_base_url_that_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("TEVREDEN_BASE_URL", address)
    with pytest.raises(SettingsError, match="TEVREDEN_BASE_URL must be an address such as"):
        load()


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://surveys.example.com", "https://surveys.example.com"),
        ("https://surveys.example.com/", "https://surveys.example.com"),
        ("HTTPS://Surveys.Example.com:443", "https://surveys.example.com"),
        ("http://surveys.lan:80/", "http://surveys.lan"),
        ("http://surveys.lan:8000", "http://surveys.lan:8000"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_base_url_is_kept_as_browsers_write_an_origin(address: str, origin: str) -> None:
    assert Settings(base_url=address).public_url == origin


@pytest.mark.parametrize("host", ["::", "0.0.0.0", "[::]", "0:0:0:0:0:0:0:0"])
def test_every_interface_is_shown_as_an_address_that_can_be_opened(host: str) -> None:
    assert Settings(host=host).public_url == "http://127.0.0.1:8000"
    assert Settings(host="::1").public_url == "http://[::1]:8000"


# ---- who asks


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:201", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("no:address", "no:address"),
        ("", ""),
    ],
)
def test_ipv4_in_ipv6_clothes_is_ipv4(address: str, plain: str) -> None:
    assert plain_address(address) == plain


def client_seen(
    networks: str, forwarded: str | None, peer: str = "127.0.0.1", scheme: str | None = None
) -> tuple[str, str]:
    """Who asks and by which scheme, as the application sees it."""
    seen: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        seen.update(scope)

    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded is not None else []
    headers += [(b"x-forwarded-proto", scheme.encode())] if scheme else []
    scope = {"type": "http", "client": (peer, 1), "scheme": "http", "headers": headers}
    with start_blocking_portal() as portal:
        behind: Any = TrustedProxies(app, networks_in(networks))
        portal.call(behind, scope, None, None)
    return seen["client"][0], seen["scheme"]


@pytest.mark.parametrize(
    ("networks", "forwarded", "seen"),
    [
        ("127.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("::ffff:127.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("::ffff:127.0.0.0/104", "192.0.2.1", "192.0.2.1"),
        ("127.0.0.0/8, 10.0.0.0/8", "6.6.6.6, 192.0.2.1, 10.0.0.9", "192.0.2.1"),
        ("127.0.0.0/8, 10.0.0.0/8", "6.6.6.6, 192.0.2.1, ::ffff:10.0.0.9", "192.0.2.1"),
        ("127.0.0.1", "::ffff:192.0.2.1", "192.0.2.1"),
        ("127.0.0.1", "192.0.2.1:4711", "192.0.2.1"),
        ("127.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("127.0.0.1", "6.6.6.6,, 192.0.2.1,", "192.0.2.1"),
        ("127.0.0.1", "6.6.6.6, unknown", "127.0.0.1"),
        ("127.0.0.1", "6.6.6.6, " + "9" * 5000, "127.0.0.1"),
        ("127.0.0.1, 10.0.0.1", "10.0.0.1", "10.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", None, "127.0.0.1"),
        ("10.0.0.1", "192.0.2.1", "127.0.0.1"),
        ("", "192.0.2.1", "127.0.0.1"),
    ],
)
def test_trusted_proxies_say_who_asks_and_nobody_else(networks: str, forwarded: str | None, seen: str) -> None:
    assert client_seen(networks, forwarded)[0] == seen


@pytest.mark.parametrize(
    ("scheme", "seen"), [("https", "https"), ("HTTPS", "https"), ("https, http", "https"), ("javascript", "http")]
)
def test_trusted_proxy_says_by_which_scheme(scheme: str, seen: str) -> None:
    assert client_seen("127.0.0.1", "192.0.2.1", scheme=scheme)[1] == seen
    assert client_seen("10.0.0.1", "192.0.2.1", scheme=scheme)[1] == "http"


def have_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not have_ipv6(), reason="this machine has no IPv6")
def test_each_client_of_an_ipv4_proxy_has_its_own_limit_where_both_families_are_listened_on(alone: Process) -> None:
    alone.environment |= {
        "TEVREDEN_HOST": "::",
        "TEVREDEN_TRUSTED_PROXIES": "127.0.0.1",
        "TEVREDEN_RATE_PER_ADDRESS": "4",
    }
    token = alone.command("token", "add", "tests")
    alone.start()
    site = add_site(alone.http, alone.url, token)
    survey = site.publish()

    def send(address: str) -> int:
        return alone.http.post(
            f"{alone.url}/w/{site.key}/events",
            json={"events": [response(survey)]},
            headers={"X-Forwarded-For": address, "User-Agent": PERSON},
        ).status_code

    assert [send("198.51.100.1") for _ in range(6)] == [200] * 4 + [429] * 2
    assert send("198.51.100.2") == 200
    said = alone.output.read_text()
    assert "[::]" not in said
    link = re.search(r"http://\S+/admin/welcome/\S+", said)
    assert link
    assert httpx.get(link.group()).status_code == 200
    alone.stop()


# ---- forms and cookies


@contextmanager
def reached_by(store: tuple[str, str], folder: Path, base_url: str, opened: str) -> Iterator[App]:
    """A collector that thinks it is at ``base_url`` and is asked at ``opened``."""
    settings = Settings(database_url=store[0], secret=SECRET, base_url=base_url)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(open_services(settings)) as app:
        client = TestClient(create_app(app), base_url=opened, follow_redirects=False, headers={"Accept": "text/html"})
        client.portal = portal
        yield App(client, folder, add_site(client, "", store[1]))


@pytest.mark.parametrize(
    ("base_url", "host", "origin"),
    [
        ("http://surveys.lan", "127.0.0.1:8000", "http://surveys.lan"),
        ("http://surveys.lan", "surveys.lan:80", "http://surveys.lan"),
        ("http://Surveys.LAN:80/", "upstream", "http://surveys.lan"),
        ("https://surveys.example", "127.0.0.1:8000", "https://surveys.example"),
        ("https://surveys.example", "surveys.example:443", "https://surveys.example"),
        ("http://elsewhere.example", "surveys.lan:8000", "http://surveys.lan:8000"),
        ("http://elsewhere.example", "SURVEYS.lan", "http://surveys.lan"),
        ("", "surveys.lan", "http://surveys.lan"),
    ],
)
def test_form_of_a_page_of_ours_is_taken_whatever_host_the_proxy_says(
    store: tuple[str, str], tmp_path: Path, base_url: str, host: str, origin: str
) -> None:
    with reached_by(store, tmp_path, base_url, f"http://{host}") as app:
        signed = app.client.post("/admin/sign-in", data=FORM, headers={"Origin": origin, "Host": host})
        assert (signed.status_code, signed.headers.get("location")) == (303, "/admin"), signed.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://surveys.lan.evil.example"},
        {"Origin": "https://surveys.lan"},
        {"Origin": "http://surveys.lan:8080"},
        {"Origin": "null"},
        {"Origin": ""},
        {},
        {"Origin": "http://surveys.lan", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://surveys.lan", "Sec-Fetch-Site": "same-site"},
        {"Origin": "of no page"},
    ],
)
def test_form_of_another_site_is_refused(store: tuple[str, str], tmp_path: Path, headers: dict[str, str]) -> None:
    with reached_by(store, tmp_path, "http://surveys.lan", "http://upstream") as app:
        refused = app.client.post("/admin/sign-in", data=FORM, headers=headers)
        assert refused.status_code == 403
        assert "another site" in refused.text
        assert ("TEVREDEN_BASE_URL" in refused.text) is (
            headers.get("Origin", "").startswith("http") and "Sec-Fetch-Site" not in headers
        ), "what to set, where a setting can be the reason"


@pytest.mark.parametrize("base_url", ["https://surveys.example", "https://10.0.0.5:8443"])
@pytest.mark.parametrize("sent", [{"Origin": "http://app.lan"}, {"Origin": "http://app.lan", "Referer": "x"}])
def test_signing_in_by_http_where_cookies_are_for_https_says_so(
    store: tuple[str, str], tmp_path: Path, base_url: str, sent: dict[str, str]
) -> None:
    with reached_by(store, tmp_path, base_url, "http://app.lan") as app:
        told = app.client.post("/admin/sign-in", data=FORM, headers=sent)
        assert told.status_code == 403
        assert f"{base_url}/admin" in told.text
        assert "TEVREDEN_BASE_URL" in told.text
        assert "set-cookie" not in told.headers


def test_browser_that_calls_its_own_machine_safe_is_told_once_it_dropped_the_cookie(
    store: tuple[str, str], tmp_path: Path
) -> None:
    """Some keep such a cookie on 127.0.0.1 and some do not, and both send Sec-Fetch-Site there."""
    headers = {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}
    with reached_by(store, tmp_path, "https://surveys.example", "http://127.0.0.1") as app:
        signed = app.client.post("/admin/sign-in", data=FORM, headers=headers)
        assert signed.status_code == 303
        cookies = {cookie.name: str(cookie.value) for cookie in app.client.cookies.jar}
        app.client.cookies.clear()
        dropped = app.client.get(signed.headers["location"])
        assert "https://surveys.example/admin" in dropped.text
        kept = app.client.get(
            signed.headers["location"], headers={"Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())}
        )
        assert (kept.status_code, kept.headers["location"]) == (303, "/admin")


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {}])
def test_proxy_that_speaks_https_and_does_not_say_so_lets_people_in(
    store: tuple[str, str], tmp_path: Path, headers: dict[str, str]
) -> None:
    with reached_by(store, tmp_path, "https://surveys.example", "http://upstream") as app:
        origin = {"Origin": "https://surveys.example"}
        signed = app.client.post("/admin/sign-in", data=FORM, headers=origin | headers)
        assert (signed.status_code, signed.headers["location"]) == (303, "/admin")
        assert "Secure" in signed.headers["set-cookie"]
