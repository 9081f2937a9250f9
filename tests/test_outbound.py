"""What leaves the collector: where it may go, how long it may take, and how a receiver knows who called."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trustme
from anyio.from_thread import start_blocking_portal
from standardwebhooks import Webhook, WebhookVerificationError

from collector import __version__
from collector.channels.outbound import LONGEST_WAIT, Failed, Outbound, Refused, Reply, check_address
from collector.channels.webhook import deliver, sign

HERE = (ip_network("127.0.0.0/8"),)
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def in_a_loop(run: Callable[[], Awaitable[None]]) -> None:
    """In a thread of its own: the browser tests keep a loop in this one."""
    with start_blocking_portal() as portal:
        portal.call(run)


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Receiver:
    """A server on this machine, and the requests that came to it."""

    port: int = 0
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?key=1"


@asynccontextmanager
async def receiver(
    answer: bytes | Answer = OK,
    *,
    greeting: bytes = b"",
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Receiver]:
    """Listen until the block ends; a connection is kept open for as long as the caller wants it."""
    one = Receiver()

    served: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.add(asyncio.current_task())
        one.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            writer.write(greeting)
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
            body = await reader.readexactly(int(headers["content-length"]))
            one.requests.append(({":line": head[0], **headers}, body))
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(reader, writer)
            await reader.read()  # until the caller goes
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, host, port, ssl=tls)
    one.port = server.sockets[0].getsockname()[1]
    async with server:
        yield one
        await asyncio.gather(*filter(None, served))


def answering(status: str, body: str = "", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body.encode())}", *headers, "", body]
    return "\r\n".join(lines).encode()


def names(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let the resolver of this loop give these answers one after the other; gives the list of what it was asked."""
    asked: list[str] = []

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in answers[len(asked) - 1]
        ]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return asked


async def refusal(outbound: Outbound, url: str) -> str:
    with pytest.raises(Refused) as refused:
        await outbound.post(url, content=b"{}", headers={})
    return refused.value.reason


async def failure(outbound: Outbound, url: str) -> str:
    with pytest.raises(Failed) as failed:
        await outbound.post(url, content=b"{}", headers={})
    return failed.value.reason


# Where a request may go


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "http://example.com:8443/hook?token=a%20b",
        "HTTPS://EXAMPLE.COM/Hook",
        "https://münchen.example/",
        "https://xn--mnchen-3ya.example/",
        "https://my_hooks.example.com/a@b:c",
        "http://93.184.215.14:1/",
        "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/",
        "http://[::ffff:93.184.215.14]/",
        "http://[64:ff9b::5db8:d70e]/",
        "http://intranet/",
    ],
)
def test_address_of_a_receiver_is_taken(url: str) -> None:
    check_address(url)


NOT_PUBLIC = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254"),
    *("168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.0.192", "192.0.2.1"),
    *("192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250"),
    *("240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::7f00:1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:224.0.0.1"),
    *("64:ff9b::a00:1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::5db8:d70e", "100::1", "2001::1"),
    *("2001:0:5db8:d70e::80ff:fffe", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1", "2002:5db8:d70e::1"),
    *("3fff::1", "4000::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1"),
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_address_that_is_not_public_is_refused_by_form_and_by_name(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    literal = f"http://[{address}]/" if ":" in address else f"http://{address}/"
    with pytest.raises(Refused, match="is not a public address"):
        check_address(literal)
    check_address(literal, [ip_network(address)])

    async def run() -> None:
        async with Outbound() as outbound:
            assert "is not a public address" in await refusal(outbound, literal)
            asked = names(monkeypatch, [address])
            reason = await refusal(outbound, "http://hooks.example.com/secret-path")
            assert reason.startswith("hooks.example.com resolves to an address that is not public")
            assert asked == ["hooks.example.com"]

    in_a_loop(run)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "must begin with"),
        ("example.com/hook", "must begin with"),
        ("//example.com/hook", "must begin with"),
        ("ftp://example.com/", "must begin with"),
        ("file:///etc/passwd", "must begin with"),
        ("javascript:alert(1)", "must begin with"),
        ("http:/example.com", "must begin with"),
        (" https://example.com/", "without spaces"),
        ("https://example.com/a b", "without spaces"),
        ("https://example.com/\r\nHost: other", "without spaces"),
        ("https://example.com/\u200b", "without spaces"),
        ("https://example.com\\@127.0.0.1/", "backslashes"),
        ("https://example.com/" + "a" * 2000, "at most 2000"),
        ("https://example.com/#part", "not contain a # part"),
        ("https://127.0.0.1#@example.com/", "not contain a # part"),
        ("https://user:password@example.com/", "not contain a user name"),
        ("https://@example.com/", "not contain a user name"),
        ("https://example.com:80@127.0.0.1/", "not contain a user name"),
        ("https://", "name a host"),
        ("https:///hook", "name a host"),
        ("https://:443/", "name a host"),
        ("https://example.com:0/", "name a host"),
        ("https://example.com:65536/", "name a host"),
        ("https://example.com:8_0/", "name a host"),
        ("https://example.com:٨٠/", "name a host"),
        ("https://example.com:80:80/", "name a host"),
        ("https://%31%32%37.0.0.1/", "name a host"),
        ("https://[::1/", "name a host"),
        ("https://[127.0.0.1]/", "name a host"),
        ("https://[fe80::1%25eth0]/", "name a host"),
        ("https://[fe80::1%eth0]/", "name a host"),
        ("https://::1/", "name a host"),
        ("https://256.1.1.1/", "name a host"),
        ("https://0177.0.0.1/", "name a host"),
        ("https://１２７.0.0.1/", "name a host"),
        ("https://①②⑦.0.0.1/", "name a host"),
        ("https://127。0。0。1/", "127.0.0.1 is not a public address"),
        ("https://example.com./", "no dot at its end"),
        ("https://127.0.0.1./", "no dot at its end"),
        ("https://localhost./", "no dot at its end"),
        ("https://a..example.com/", "must be a name"),
        ("https://-a.example.com/", "must be a name"),
        ("https://exam*ple.com/", "must be a name"),
        ("https://" + "a" * 64 + ".example.com/", "must be a name"),
        ("https://" + ".".join(["a" * 60] * 5) + "/", "must be a name"),
        ("http://2130706433/", "in numbers"),
        ("http://017700000001/", "in numbers"),
        ("http://0x7f000001/", "in numbers"),
        ("http://0x7f.1/", "in numbers"),
        ("http://0X7F.0.0.0X1/", "in numbers"),
        ("http://127.1/", "in numbers"),
        ("http://127.0.1/", "in numbers"),
        ("http://1.2.3.4.5/", "in numbers"),
        ("http://0x/", "in numbers"),
        ("http://localhost:8000/", "own machine"),
        ("http://LOCALHOST/", "own machine"),
        ("http://a.localhost/", "own machine"),
    ],
)
def test_address_of_a_wrong_form_is_refused_with_what_would_be_right(url: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason) as refused:
        check_address(url)
    assert "\n" not in refused.value.reason
    assert "password" not in refused.value.reason.replace("user name or password", "")


def test_localhost_is_taken_where_this_machine_is_allowed() -> None:
    check_address("http://localhost:8000/", HERE)
    with pytest.raises(Refused):
        check_address("http://localhost:8000/", [ip_network("10.0.0.0/8")])


def test_request_goes_to_the_checked_address_under_the_name_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[httpx2.Request] = []

    async def handle(_: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, stream=httpx2.ByteStream(b"fine"))

    async def run() -> None:
        monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", handle)
        async with Outbound() as outbound:
            for host, address in (("münchen.example:8443", "93.184.215.14"), ("v6.example", "2606:2800:21f::1")):
                names(monkeypatch, [address])
                await outbound.post(f"https://{host}/a?b=c", content=b"{}", headers={"host": "other", "x": "y"})

    in_a_loop(run)
    assert [str(one.url) for one in seen] == ["https://93.184.215.14:8443/a?b=c", "https://[2606:2800:21f::1]/a?b=c"]
    assert [one.headers["host"] for one in seen] == ["xn--mnchen-3ya.example:8443", "v6.example"]
    assert [one.extensions["sni_hostname"] for one in seen] == ["xn--mnchen-3ya.example", "v6.example"]
    assert all(one.headers.get_list("host") == [one.headers["host"]] and one.headers["x"] == "y" for one in seen)


def test_name_that_changes_after_the_check_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.1 stands for a public address here, 127.0.0.2 for one inside."""

    async def run() -> None:
        async with receiver() as public, receiver(host="127.0.0.2", port=public.port) as inner:
            asked = names(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
            async with Outbound([ip_network("127.0.0.1/32")]) as outbound:
                url = f"http://rebind.example:{public.port}/"
                assert (await outbound.post(url, content=b"{}", headers={})).status == 200
                assert (await outbound.post(url, content=b"{}", headers={})).status == 200
                assert asked == ["rebind.example"]
            async with Outbound([ip_network("127.0.0.1/32")]) as later:
                assert "not public" in await refusal(later, url)
            assert (len(public.requests), inner.connections) == (2, 0)
            assert public.requests[0][0]["host"] == f"rebind.example:{public.port}"

    in_a_loop(run)


@pytest.mark.parametrize("answer", [["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"], ["127.0.0.1", "::1"]])
def test_name_with_one_inner_address_among_others_is_refused(
    answer: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with receiver() as one, Outbound(HERE) as outbound:
            names(monkeypatch, answer)
            assert "not public" in await refusal(outbound, f"http://mixed.example:{one.port}/")
            assert one.connections == 0

    in_a_loop(run)


def test_next_address_is_tried_when_one_takes_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with receiver(host="127.0.0.3") as one, Outbound(HERE) as outbound:
            names(monkeypatch, ["127.0.0.2", "127.0.0.3"])
            reply = await outbound.post(f"http://two.example:{one.port}/", content=b"{}", headers={})
            assert (reply.status, reply.body) == (200, "ok")

    in_a_loop(run)


def test_network_that_is_allowed_as_ipv4_is_allowed_in_ipv6_clothes() -> None:
    check_address("http://[::ffff:10.1.2.3]/", [ip_network("10.0.0.0/8")])
    with pytest.raises(Refused):
        check_address("http://[::ffff:10.1.2.3]/", HERE)


# What comes back, and what does not


def test_reply_is_given_whatever_its_status() -> None:
    async def run() -> None:
        async with receiver(answering("503 Busy", "später", "X-One: 1")) as one, Outbound(HERE) as outbound:
            reply = await outbound.post(one.url, content=b'{"a": 1}', headers={"x-mine": "2"})
            assert (reply.status, reply.body, reply.headers["x-one"]) == (503, "später", "1")
            headers, body = one.requests[0]
            assert (headers[":line"], body) == ("POST /hook?key=1 HTTP/1.1", b'{"a": 1}')
            assert headers["host"] == f"127.0.0.1:{one.port}"
            assert set(headers) == {":line", "host", "x-mine", "connection", "accept-encoding", "content-length"}

    in_a_loop(run)


def test_redirect_is_an_answer_and_not_followed() -> None:
    async def run() -> None:
        async with receiver() as inner:
            there = answering("307 Temporary Redirect", "", f"Location: {inner.url}")
            async with receiver(there) as one, Outbound(HERE) as outbound:
                assert (await outbound.post(one.url, content=b"{}", headers={})).status == 307
            assert inner.connections == 0

    in_a_loop(run)


def test_neither_proxies_nor_cookies_nor_connections_are_carried_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with receiver() as proxy, receiver(answering("200 OK", "", "Set-Cookie: a=b; Path=/")) as one:
            for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            async with Outbound(HERE) as outbound:
                for _ in range(2):
                    await outbound.post(one.url, content=b"{}", headers={})
            assert (proxy.connections, one.connections) == (0, 2)
            assert "cookie" not in one.requests[1][0]

    in_a_loop(run)


async def _endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
        await writer.drain()


def test_body_without_an_end_is_cut() -> None:
    async def run() -> None:
        async with receiver(_endless) as one, Outbound(HERE, timeout=60) as outbound, asyncio.timeout(20):
            reply = await outbound.post(one.url, content=b"{}", headers={})
            assert (reply.status, reply.body) == (200, "x" * 2000)

    in_a_loop(run)


@pytest.mark.parametrize("ending", ["stalls", "breaks"])
def test_body_that_does_not_come_leaves_the_status_known(ending: str) -> None:
    async def half(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()
        if ending == "breaks":
            writer.close()

    async def run() -> None:
        async with receiver(half) as one, Outbound(HERE, timeout=1) as outbound:
            reply = await outbound.post(one.url, content=b"{}", headers={})
            assert (reply.status, reply.body) == (202, "half")

    in_a_loop(run)


async def _silent(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """Nothing is said until the caller goes."""


async def _dripping(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Something comes all the time, so that no single read is slow, but never an answer."""
    while not writer.is_closing():
        writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("answer", [_silent, _dripping])
def test_answer_that_does_not_come_in_time_fails(answer: Answer) -> None:
    async def run() -> None:
        async with receiver(answer) as one, Outbound(HERE, timeout=0.3) as outbound:
            before = asyncio.get_running_loop().time()
            assert await failure(outbound, one.url) == "127.0.0.1 did not answer within 0.3 seconds"
            assert asyncio.get_running_loop().time() - before < 5

    in_a_loop(run)


def test_name_server_that_does_not_answer_counts_into_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    async def getaddrinfo(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    async def run() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        async with Outbound(timeout=0.1) as outbound:
            assert "did not answer within 0.1 seconds" in await failure(outbound, "https://slow.example/secret")

    in_a_loop(run)


def test_what_hinders_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def run() -> None:
        async with Outbound(HERE) as outbound:
            async with receiver() as gone:
                pass
            assert await failure(outbound, gone.url) == "no connection to 127.0.0.1: Connection refused"
            async with receiver(hang_up) as rude:
                assert "127.0.0.1 gave no proper answer: Server disconnected" in await failure(outbound, rude.url)
            async with receiver(greeting=b"220 mail.example ESMTP\r\n") as mail:
                assert "127.0.0.1 gave no proper answer" in await failure(outbound, mail.url)
                reason = await failure(outbound, mail.url.replace("http:", "https:"))
                assert reason == "no connection to 127.0.0.1: it speaks no TLS that is understood here"
            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
            reason = await failure(outbound, "https://nowhere.example/secret")
            assert reason == "nowhere.example could not be found: Name or service not known"

    # an earlier error in the hands of the caller is no cause of this one
    try:
        raise FileNotFoundError(2, "No such file or directory")
    except FileNotFoundError:
        in_a_loop(run)


# TLS


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> trustme.CA:
    """An authority of our own that this process trusts, and no other."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return ca


def tls_for(ca: trustme.CA, *hosts: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*hosts).configure_cert(context)
    return context


def test_certificate_is_checked_for_the_name_and_not_for_the_address(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        names_sent: list[str | None] = []
        right = tls_for(authority, "right.example")
        right.sni_callback = lambda _, name, __: names_sent.append(name)
        async with receiver(tls=right) as one, Outbound(HERE) as outbound:
            names(monkeypatch, ["127.0.0.1"], ["127.0.0.1"])
            assert (await outbound.post(f"https://right.example:{one.port}/", content=b"{}", headers={})).status == 200
            # the same address, just connected to: what was checked for one name says nothing of another
            reason = await failure(outbound, f"https://wrong.example:{one.port}/")
            assert reason.startswith("no connection to wrong.example: its certificate is not valid, Hostname mismatch")
            assert names_sent == ["right.example", "wrong.example"]
            assert len(one.requests) == 1
        async with receiver(tls=tls_for(authority, "127.0.0.1")) as one, Outbound(HERE) as outbound:
            names(monkeypatch, ["127.0.0.1"], ["127.0.0.1"])
            assert "Hostname mismatch" in await failure(outbound, f"https://right.example:{one.port}/")
            reply = await outbound.post(f"https://127.0.0.1:{one.port}/", content=b"{}", headers={})
            assert reply.status == 200

    in_a_loop(run)


@pytest.mark.usefixtures("authority")
def test_certificate_of_an_unknown_authority_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with receiver(tls=tls_for(trustme.CA(), "right.example")) as one, Outbound(HERE) as outbound:
            names(monkeypatch, ["127.0.0.1"])
            assert "its certificate is not valid" in await failure(outbound, f"https://right.example:{one.port}/")
            assert one.requests == []

    in_a_loop(run)


# Webhooks


def test_delivery_is_signed_so_that_the_receiver_can_verify_it() -> None:
    comment = "größer 🙂"

    async def run() -> None:
        sent = json.dumps({"comment": comment}, ensure_ascii=False).encode()
        async with receiver(answering("204 No Content")) as one, Outbound(HERE) as outbound:
            await deliver(outbound, one.url, [SECRET], "msg_1", sent, now=datetime.now(UTC))
        headers, body = one.requests[0]
        assert Webhook(SECRET).verify(body, headers) == {"comment": comment}
        assert headers["webhook-id"] == "msg_1"
        assert headers["content-type"] == "application/json"
        assert headers["user-agent"] == f"Tevreden/{__version__}"

    in_a_loop(run)


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))])
def test_signature_holds_in_every_time_zone_and_for_nothing_else(zone: timezone) -> None:
    body = b'{"a": 1}'
    headers = sign([SECRET], "msg_1", datetime.now(zone), body)
    assert set(headers) == {"webhook-id", "webhook-timestamp", "webhook-signature"}
    assert Webhook(SECRET).verify(body, headers) == {"a": 1}
    other = "whsec_" + base64.b64encode(bytes(32)).decode()
    for secret, forged, changed in (
        (SECRET, body + b" ", headers),
        (SECRET, body, {**headers, "webhook-id": "msg_2"}),
        (SECRET, body, {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1)}),
        (other, body, headers),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(forged, changed)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        base64.b64encode(bytes(32)).decode(),
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        "whsec_" + "*" * 44,
        "whsec_" + "ü" * 44,
        SECRET + " ",
    ],
)
def test_secret_of_a_wrong_form_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(Refused) as refused:
        sign([secret], "1", NOW, b"{}")
    assert refused.value.reason == "the webhook's secret must be whsec_ and the base64 of 24 to 64 bytes"


@pytest.mark.parametrize("length", [24, 64])
def test_secret_of_every_length_that_the_standard_names_is_taken(length: int) -> None:
    assert sign(["whsec_" + base64.b64encode(bytes(length)).decode()], "1", NOW, b"{}")


@pytest.mark.parametrize(
    ("answer", "error", "reason"),
    [
        (answering("410 Gone", "bye"), Refused, "the receiver answered 410 Gone: it accepts no more deliveries"),
        (answering("404 Not Found"), Failed, "the receiver answered 404"),
        (b"SSH-2.0-OpenSSH_9.2 inner\r\n\r\n", Failed, "127.0.0.1 gave no proper answer: it is not HTTP"),
        (answering("500 Oh", "a\r\n\tb\x00\x1b[31m\u202e c"), Failed, "the receiver answered 500"),
        (answering("400 Bad", "é" * 300), Failed, "the receiver answered 400"),
        (
            answering("302 Found", "", "Location: http://127.0.0.1/"),
            Failed,
            "the receiver answered 302, a redirect, which is not followed",
        ),
    ],
)
def test_delivery_that_is_not_taken_says_why_in_our_own_words(
    answer: bytes, error: type[Refused | Failed], reason: str
) -> None:
    async def run() -> None:
        async with receiver(answer) as one, Outbound(HERE) as outbound:
            with pytest.raises(error) as raised:
                await deliver(outbound, one.url, [SECRET], "1", b"{}", now=NOW)
            assert raised.value.reason == reason

    in_a_loop(run)


def test_receiver_that_asks_for_time_is_heard() -> None:
    async def run() -> None:
        async with receiver(answering("429 Slow", "", "Retry-After: 120")) as one, Outbound(HERE) as outbound:
            with pytest.raises(Failed) as failed:
                await deliver(outbound, one.url, [SECRET], "1", b"{}", now=NOW)
            assert failed.value.retry_after == 120

    in_a_loop(run)
    assert Failed("why").retry_after is None


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A collector on a machine whose clock is not set to UTC."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_east")
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        (" 90 ", 90),
        ("86401", LONGEST_WAIT),
        ("9" * 5000, LONGEST_WAIT),
        (format_datetime(NOW + timedelta(seconds=30), usegmt=True), 30),
        (format_datetime(NOW + timedelta(days=30), usegmt=True), LONGEST_WAIT),
        (format_datetime(NOW - timedelta(days=30), usegmt=True), 0),
        ("Sunday, 01-Mar-26 12:01:00 GMT", 60),
        ("Sun Mar  1 12:01:00 2026", 60),
        ("Fri, 31 Dec 9999 23:59:59 -1200", LONGEST_WAIT),
        ("1 Jan 99999999999999 00:00:00 GMT", None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("1, 2", None),
        ("soon", None),
    ],
)
def test_time_that_a_receiver_asks_for_is_read_in_each_form(value: str, seconds: float | None) -> None:
    for zone in (UTC, timezone(timedelta(hours=-8))):
        assert Reply(503, "", {"retry-after": value}).retry_after(NOW.astimezone(zone)) == seconds


def test_reply_without_the_header_asks_for_nothing() -> None:
    assert Reply(503, "").retry_after(NOW) is None


def test_case_table_of_addresses_has_no_public_one() -> None:
    assert len({ip_address(one) for one in NOT_PUBLIC}) == len(NOT_PUBLIC)
