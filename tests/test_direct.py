"""Requests that are answered directly look from outside like all others, and what is unusual goes the ordinary way."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from functools import partial

import pytest

from collector.web.http.direct import MOST_BYTES, Asked, Begin, Exchange
from collector.web.http.packed import Head
from collector.web.http.protocol import guarded
from tests.served import Client, Server, serving, until

OK = Head(200, {"Content-Type": "text/plain"})
HOT = b"POST /hot HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b"
COLD = b"POST /cold HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b"


class Kitchen:
    """Answers `/hot` directly: at once, or when it is told to."""

    def __init__(self) -> None:
        self.waits = False
        self.waiting: list[tuple[Asked, asyncio.AbstractEventLoop]] = []

    def direct(self, method: bytes, target: bytes) -> Begin | None:
        return self._begin if (method, target) == (b"POST", b"/hot") else None

    def _begin(self, asked: Asked) -> None:
        if self.waits:
            self.waiting.append((asked, asyncio.get_running_loop()))
        else:
            asked.reply(OK, b"hot %d" % len(asked.body))

    def serve(self) -> None:
        asked, loop = self.waiting.pop(0)
        loop.call_soon_threadsafe(partial(asked.reply, OK, b"hot %d" % len(asked.body)))


@pytest.fixture
def kitchen() -> Kitchen:
    return Kitchen()


@pytest.fixture
def server(kitchen: Kitchen) -> Iterator[Server]:
    with serving(guarded(exempt=lambda _: False, direct=kitchen.direct)) as one:
        yield one


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server) as one:
        yield one


def hot(body: bytes) -> bytes:
    return HOT % (len(body), body)


def cold(body: bytes) -> bytes:
    return COLD % (len(body), body)


def test_request_is_answered_without_the_application(server: Server, client: Client) -> None:
    assert [client.ask(hot(b"x" * size)) for size in (0, 1, MOST_BYTES)] == ["hot 0", "hot 1", f"hot {MOST_BYTES}"]
    assert client.ask(cold(b"abc")) == "POST 3"
    assert client.ask(hot(b"abcd")) == "hot 4"
    assert len(server.scopes) == 1


def test_body_may_come_in_pieces(client: Client) -> None:
    head = b"POST /hot HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert client.ask(head, b"1\r\na\r\n" * 5000, b"0\r\n\r\n") == "hot 5000"
    for part in (b"POST /hot HT", b"TP/1.1\r\nHost: a\r\nContent-", b"Length: 4\r\n\r\na", b"bc"):
        client.send(part)
    assert client.ask(b"d") == "hot 4"


def test_pipelined_requests_are_answered_in_their_order(kitchen: Kitchen, client: Client) -> None:
    kitchen.waits = True
    client.send(hot(b"a"), cold(b"ab"), hot(b"abc"))
    until(lambda: kitchen.waiting)
    kitchen.serve()
    assert [client.answer()[1] for _ in range(3)] == ["hot 1", "POST 2", "POST 3"]  # one at a time is direct
    client.send(cold(b"a"), hot(b"ab"))
    assert client.answer()[1] == "POST 1"
    assert client.answer()[1] == "POST 2"


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /hot HTTP/1.0\r\nContent-Length: 1\r\n\r\na",
        b"POST /hot HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\na",
        b"POST /hot HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 1\r\n\r\na",
    ],
    ids=["HTTP/1.0", "to be closed", "an offer of another protocol"],
)
def test_unusual_request_goes_the_ordinary_way(server: Server, client: Client, request_: bytes) -> None:
    client.send(request_)
    until(lambda: server.scopes)
    assert server.scopes[0]["path"] == "/hot"


def test_client_that_expects_to_be_asked_for_the_body_is_asked(server: Server, client: Client) -> None:
    client.send(b"POST /hot HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
    assert client.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert client.ask(b"a") == "POST 1"
    assert len(server.scopes) == 1


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (b"Content-Length: %d" % (MOST_BYTES + 1), b"", 413),
        (b"Transfer-Encoding: chunked", b"%x\r\n%b\r\n" % (MOST_BYTES + 1, b"x" * (MOST_BYTES + 1)), 413),
        (b"Content-Encoding: gzip\r\nContent-Length: 1", b"", 400),
    ],
    ids=["says so", "comes in pieces", "compressed"],
)
def test_body_that_is_not_read_is_refused_as_soon_as_it_is_known(
    client: Client, headers: bytes, body: bytes, status: int
) -> None:
    client.send(b"POST /hot HTTP/1.1\r\nHost: a\r\n", headers, b"\r\n\r\n", body)
    assert client.answer()[0] == status


def test_rest_of_a_refused_body_is_no_request(client: Client) -> None:
    whole = b"POST /hot HTTP/1.1\r\nHost: a\r\n\r\n" * 3000
    client.send(HOT % (len(whole), whole), hot(b"ab"))
    assert client.answer()[0] == 413
    assert client.answer() == (200, "hot 2")


def test_reply_to_someone_who_has_gone_is_dropped(kitchen: Kitchen, server: Server, client: Client) -> None:
    kitchen.waits = True
    with Client(server) as gone:
        gone.send(hot(b"a"))
        until(lambda: kitchen.waiting)
    until(lambda: server.open == 1)  # the one who stays
    kitchen.serve()
    kitchen.waits = False
    assert client.ask(hot(b"ab")) == "hot 2"


def test_what_was_asked_is_answered_before_the_server_stops(kitchen: Kitchen, server: Server, client: Client) -> None:
    kitchen.waits = True
    client.send(hot(b"a"))
    until(lambda: kitchen.waiting)
    _, loop = kitchen.waiting[0]
    loop.call_soon_threadsafe(server.close_connections)
    kitchen.serve()
    assert client.answer() == (200, "hot 1")
    assert client.is_closed()


@pytest.fixture
def hurried(kitchen: Kitchen) -> Iterator[Server]:
    """It keeps an idle connection for a second."""
    with serving(guarded(exempt=lambda _: False, direct=kitchen.direct), keep_alive=1) as one:
        yield one


def test_request_that_came_with_an_answered_one_has_its_time(hurried: Server) -> None:
    with Client(hurried) as client:
        client.send(hot(b"a"), b"POST /patient HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        assert client.answer()[1] == "hot 1"
        assert client.answer()[1] == "POST 0"  # it takes two seconds


def test_connection_is_not_kept_after_an_early_refusal(hurried: Server) -> None:
    with Client(hurried) as client:
        client.send(b"POST /hot HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\n")
        assert client.answer()[0] == 400
        client.send(b"a")
        assert client.is_closed()


def test_nothing_of_a_closed_connection_stays(server: Server) -> None:
    gc.collect()
    gc.disable()
    try:
        with Client(server) as client:
            assert client.ask(hot(b"a")) == "hot 1"
        until(lambda: server.open == 0)
        until(lambda: not [one for one in gc.get_objects() if isinstance(one, Exchange)])
    finally:
        gc.enable()
