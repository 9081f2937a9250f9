"""What one connection may cost the others: heads, time and places are limited, and ordinary clients notice nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from collector.settings import plain_address
from collector.web.http.limits import share_of
from collector.web.http.protocol import GuardedProtocol, guarded
from tests import served
from tests.served import LARGE, RECEIVE, SWEEP, UNREAD, Client, Hasty, Server, serving, until

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Hasty) as one:
        yield one


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server) as one:
        yield one


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def headers(*values: bytes) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"h: %b\r\n" % value for value in values) + b"\r\n"


def test_head_of_a_page_is_sent_without_its_body(client: Client) -> None:
    client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.socket.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
    assert client.ask(GET) == "GET 0"


def test_pipelined_and_kept_alive_requests_are_served(client: Client) -> None:
    client.send(GET * 5, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", GET)
    assert [client.answer()[1] for _ in range(7)] == ["GET 0"] * 5 + ["POST 3", "GET 0"]
    assert client.ask(GET) == "GET 0"


@pytest.mark.parametrize("more", [0, 1])
def test_head_may_be_as_large_as_the_limit_and_no_larger(client: Client, more: int) -> None:
    line = b"x" * 4000
    empty = len(headers(line, line, line, b""))
    client.send(headers(line, line, line, b"x" * (16 * 1024 - empty + more)))
    assert client.answer()[0] == (431 if more else 200)


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a:port\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: <a>\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: b\xc3\xbccher\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        b"GET / HTTP/0.9\r\nHost: a\r\n\r\n",
        b"GET / HTTP/3.0\r\nHost: a\r\n\r\n",
    ],
)
def test_two_hosts_none_a_wrong_one_and_another_http_are_refused(client: Client, head: bytes) -> None:
    client.send(head)
    assert client.answer()[0] == 400


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        *(
            b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % host
            for host in (
                b"a",
                b"A.example:8000",
                b"a_b.example",
                b"a:",
                b"[::1]",
                b"[::1]:8000",
                b"192.0.2.1:1",
                b"x%20y",
            )
        ),
        b"GET http://other.example/ HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_hosts_that_there_are_get_an_answer(client: Client, head: bytes) -> None:
    client.send(head)
    assert client.answer()[0] == 200


@pytest.mark.parametrize(("count", "status"), [(99, 200), (100, 431)])
def test_hundred_headers_are_read_and_no_more(client: Client, count: int, status: int) -> None:
    client.send(headers(*[b"1"] * count))  # and the Host
    assert client.answer()[0] == status


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (headers(b"x" * 1_000_000), (431, "headers-too-large")),
        (headers(*[b"1"] * 50_000), (431, "headers-too-large")),
        (headers(*[b"1"] * 50_000)[:-2], (431, "headers-too-large")),
        (b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", (414, "target-too-long")),
        (b"GET /" + b"x" * 1_000_000, (414, "target-too-long")),
        (b"\r\n" * 500_000, (431, "headers-too-large")),
        (CHUNKED + b"0\r\nt: " + b"x" * 1_000_000, (431, "headers-too-large")),
        (CHUNKED + b"0\r\n" + b"t: 1\r\n" * 100_000, (431, "headers-too-large")),
        (b"NONSENSE\r\n\r\n" + b"x" * 1_000_000, (400, "bad-request")),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", (400, "bad-request")),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_too_large_is_told_so_to_a_client_still_sending(
    server: Server, client: Client, request_: bytes, problem: tuple[int, str]
) -> None:
    client.send(request_)
    assert client.problem() == problem
    client.socket.close()
    until(lambda: server.open == 0)


def test_request_after_one_with_a_large_body_has_a_head_of_its_own(client: Client) -> None:
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000
    client.send((post + headers(b"x" * 12_000)) * 3)
    assert [client.answer()[1] for _ in range(6)] == ["POST 200000", "GET 0"] * 3


def test_many_tiny_chunks_are_fine_and_trailers_are_no_headers(server: Server, client: Client) -> None:
    assert client.ask(CHUNKED, b"1\r\nx\r\n" * 60_000, b"0\r\nx-forged: 1\r\n\r\n") == "POST 60000"
    assert client.ask(GET) == "GET 0"
    assert all(name != b"x-forged" for name, _ in server.scopes[0]["headers"])


def test_earlier_requests_are_answered_before_a_refusal_closes(client: Client) -> None:
    client.send(GET, GET, b"NONSENSE\r\n\r\n")
    assert [client.answer()[0] for _ in range(2)] == [200, 200]
    assert client.is_closed()


@pytest.mark.parametrize("upgrade", [b"websocket", b"h2c"])
@pytest.mark.parametrize("body", [b"", GET])
def test_offer_of_another_protocol_is_ignored_and_hides_no_request(
    server: Server, client: Client, upgrade: bytes, body: bytes
) -> None:
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ", upgrade)
    client.send(b"\r\nSec-WebSocket-Key: a\r\nContent-Length: %d\r\n\r\n" % len(body))
    assert client.ask(body) == "POST 0"
    assert client.is_closed()
    assert len(server.scopes) == 1


@pytest.mark.parametrize("begun", [b"", GET])
def test_slow_headers_are_closed_by_the_deadline(client: Client, begun: bytes) -> None:
    if begun:
        client.ask(begun)
    started = time.monotonic()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nh: ")
    client.socket.settimeout(0.1)
    answer = b""
    while not answer:
        client.send(b"x")
        try:
            answer = client.socket.recv(65536)
        except TimeoutError:
            assert time.monotonic() < started + RECEIVE + 2
    client.socket.settimeout(10)
    client._read = answer
    assert client.problem() == (408, "too-slow")
    assert time.monotonic() > started + RECEIVE - 0.05


def test_slow_body_is_closed_and_the_application_sees_a_disconnect(server: Server, client: Client) -> None:
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
    assert client.problem() == (408, "too-slow")
    until(lambda: server.seen == ["disconnect"])
    until(lambda: server.open == 0)


def test_silent_connection_is_closed_without_a_word(client: Client) -> None:
    started = time.monotonic()
    assert client.is_closed()
    assert RECEIVE - 0.05 < time.monotonic() - started < RECEIVE + 2


def test_line_ends_between_requests_do_not_keep_a_connection(client: Client) -> None:
    client.ask(GET)
    client.send(b"\r\n")
    assert client.is_closed()


def test_idle_connection_is_left_to_the_keep_alive_timeout(client: Client) -> None:
    client.ask(GET)
    client.socket.settimeout(RECEIVE + 10 * SWEEP)
    with pytest.raises(TimeoutError):
        client.socket.recv(1)
    assert client.ask(GET) == "GET 0"


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /patient HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000,
        b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n\r\n" + GET + GET[:-2],
    ],
    ids=["body", "answer", "pipelined"],
)
def test_time_that_the_application_takes_is_not_the_clients(client: Client, request_: bytes) -> None:
    client.send(request_)
    assert client.answer()[0] == 200


def test_client_that_expects_to_be_asked_for_the_body_is_waited_for(client: Client) -> None:
    client.send(b"POST /patient HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert client.socket.recv(100).startswith(b"HTTP/1.1 100 ")
    assert client.ask(b"ab") == "POST 2"


def test_fast_client_is_unaffected_while_slow_ones_hang(server: Server) -> None:
    slow = [Client(server) for _ in range(200)]
    for one in slow:
        one.send(b"GET / HTTP/1.1\r\nHost: a\r\nh: ")
        one.socket.setblocking(False)
    started = time.monotonic()
    took, closed = [], set[Client]()
    with Client(server) as fast:
        while len(closed) < len(slow):
            assert time.monotonic() < started + RECEIVE + 2
            for one in set(slow) - closed:
                try:
                    one.socket.send(b"x")
                    if one.socket.recv(65536) == b"":
                        closed.add(one)
                except BlockingIOError:
                    pass
                except ConnectionError:
                    closed.add(one)
            asked = time.monotonic()
            assert fast.ask(GET) == "GET 0"
            took.append(time.monotonic() - asked)
    for one in slow:
        one.socket.close()
    assert sorted(took)[len(took) * 95 // 100] < 0.2
    until(lambda: server.open == 0)


@pytest.mark.parametrize("closing", [b"", b"Connection: close\r\n"])
def test_client_that_does_not_read_is_closed(server: Server, closing: bytes) -> None:
    with Client(server, room=4096) as client:
        client.send(b"GET /large HTTP/1.1\r\nHost: a\r\n", closing, b"\r\n")
        until(lambda: len(server.scopes) == 1)
        until(lambda: server.open == 0, UNREAD + 4)


def test_client_that_reads_slowly_gets_all(server: Server) -> None:
    started = time.monotonic()
    with Client(server, room=65536) as client:
        client.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        left = LARGE
        while left > 0:
            got = len(client.socket.recv(128 * 1024))
            assert got
            left -= got
            time.sleep(UNREAD * 2 * got / LARGE)  # the pace of this client
    assert time.monotonic() - started > UNREAD * 2


def test_places_are_limited_and_free_again_after_use() -> None:
    class Small(Hasty):
        MOST_CONNECTIONS = 3

    with serving(Small) as server:
        inside = [Client(server) for _ in range(3)]
        assert all(one.ask(GET) for one in inside)
        with Client(server) as beyond:
            assert beyond.is_closed()
        inside.pop().socket.close()
        until(lambda: server.open == 2)
        inside.append(Client(server))
        assert all(one.ask(GET) for one in inside)
        for one in inside:
            one.socket.close()


@pytest.mark.parametrize("exempt", [False, True])
def test_one_address_has_its_share_unless_it_is_a_proxy(exempt: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GuardedProtocol, "MOST_PER_ADDRESS", 2)
    with serving(
        guarded(exempt=lambda address: exempt and address == "127.0.0.1", direct=GuardedProtocol.direct)
    ) as server:
        inside = [Client(server) for _ in range(2)]
        assert all(one.ask(GET) for one in inside)
        with Client(server) as beyond:
            assert (beyond.ask(GET) == "GET 0") if exempt else beyond.is_closed()
        for one in inside:
            one.socket.close()


def in_flight(server: Server) -> int:
    """Bytes that its connections hold up in memory: what was sent ahead, and what was not taken."""
    inside: list[Any] = list(server._server.server_state.connections)
    return sum(len(one.held) + one.transport.get_write_buffer_size() for one in inside)


@pytest.mark.parametrize("exempt", [False, True])
def test_what_connections_of_one_address_leave_unread_is_bounded_together(
    exempt: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "LARGE", 4 * 1024 * 1024)
    monkeypatch.setattr(GuardedProtocol, "UNREAD_BYTES", served.LARGE)
    monkeypatch.setattr(GuardedProtocol, "MOST_BYTES_PER_ADDRESS", 3 * served.LARGE)
    protocol = guarded(exempt=lambda _: exempt, direct=GuardedProtocol.direct)
    with serving(protocol) as server:
        clients = [Client(server, room=4096) for _ in range(8)]
        for one in clients:
            one.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        until(lambda: len(server.scopes) == 8)
        if not exempt:
            until(lambda: server.open == 3)
            assert 0 < in_flight(server) <= GuardedProtocol.MOST_BYTES_PER_ADDRESS
        assert server.open == (8 if exempt else 3)
        for one in clients:
            one.socket.close()
        until(lambda: server.open == 0)
        with Client(server, room=4096) as later:  # there is room again
            later.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
            assert later.answer()[0] == 200


def test_what_connections_of_one_address_send_ahead_is_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GuardedProtocol, "MOST_BYTES_PER_ADDRESS", 200_000)
    with serving(Hasty) as server:
        clients = [Client(server) for _ in range(12)]
        for one in clients:
            one.send(b"GET /patient HTTP/1.1\r\nHost: a\r\n\r\n")
        until(lambda: len(server.scopes) == 12)
        for one in clients:
            one.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 1500)
        until(lambda: server.open < 6)
        assert 0 < in_flight(server) <= GuardedProtocol.MOST_BYTES_PER_ADDRESS
        for one in clients:
            one.socket.close()
        until(lambda: server.open == 0)


@pytest.mark.parametrize(
    ("peer", "share"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "20010db800010002"),
        ("2001:db8:1:2::9", "20010db800010002"),
        ("fe80::1%eth0", "fe80000000000000"),
    ],
)
def test_those_who_count_as_one_address(peer: str, share: str) -> None:
    assert share_of(plain_address(peer)) == share
