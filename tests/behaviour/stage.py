"""The only network that these browsers have: a proxy on loopback that plays every website and the way there.

Pages are what a test says, at any ``http://`` address. What goes to ``collector.example`` goes on to the running
collector, unless a fault stands in the way; everything is written down. Nothing leaves this machine: any other request
gets 404, a tunnel (https) is refused.
"""

from __future__ import annotations

import http.client
import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

COLLECTOR = "http://collector.example"
PATIENCE = 20.0
"""Seconds that a test waits for a request, and the stage for the collector."""
LONGEST_HANG = 60.0
HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "content-length", "date", "server"}


@dataclass
class Reply:
    """What is answered; ``body`` is text or bytes."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str | bytes = ""

    @property
    def content(self) -> bytes:
        return self.body.encode() if isinstance(self.body, str) else self.body


@dataclass(eq=False)
class Call:
    """A request that a browser made."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    time: float
    """When it came, on the monotonic clock."""
    status: int | None = None
    """What the browser was answered; none while it waits, or where the connection was dropped."""
    over: bool = False
    """Answered or dropped."""

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def is_page(self) -> bool:
        """Whether a page is asked for, rather than something on a page."""
        return self.method == "GET" and "text/html" in self.headers.get("accept", "")


Forward = Callable[[], Reply | None]
Fault = Callable[[Call, Forward], Reply | None]
"""What stands between browser and collector: gets the call and a way to forward it; no reply drops the connection."""


def drop(call: Call, forward: Forward) -> None:
    """The connection breaks before the request arrives."""


def lose_reply(call: Call, forward: Forward) -> None:  # noqa: ARG001
    """The request arrives, and the connection breaks before its reply is back."""
    forward()


def answer(status: int, body: str | bytes = "", **headers: str) -> Fault:
    """Something else answers, and nothing arrives; underscores in the names of headers stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    everywhere = {"Content-Type": "text/plain", "Access-Control-Allow-Origin": "*"}
    return lambda call, forward: Reply(status, {**everywhere, **named}, body)  # noqa: ARG005


def sign_in_page(call: Call, forward: Forward) -> Reply:  # noqa: ARG001
    """A hotel's network answers with a page of its own."""
    headers = {"Content-Type": "text/html", "Access-Control-Allow-Origin": "*"}
    return Reply(200, headers, "<!doctype html><title>Please sign in</title>")


class Hang:
    """Requests wait until they are released, and are forwarded then."""

    def __init__(self) -> None:
        self._released = threading.Event()

    def __call__(self, call: Call, forward: Forward) -> Reply | None:  # noqa: ARG002
        self._released.wait(LONGEST_HANG)
        return forward()

    def release(self) -> None:
        self._released.set()


def delay(seconds: float) -> Fault:
    """A slow way there."""

    def wait(call: Call, forward: Forward) -> Reply | None:  # noqa: ARG001
        time.sleep(seconds)  # what is slow takes its time
        return forward()

    return wait


@dataclass
class _Rule:
    pattern: str
    fault: Fault
    times: int | None


class Stage:
    """The proxy, its pages, its faults and its log.

    ``url`` is its own address, ``http://localhost:PORT``: pages there are a secure context.
    """

    def __init__(self, upstream: str) -> None:
        """Begin to listen; ``upstream`` is the address of the collector."""
        self._home = upstream
        self._changed = threading.Condition()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.port: int = self._server.server_port
        self.proxy = f"127.0.0.1:{self.port}"
        self.url = f"http://localhost:{self.port}"
        self._rules: list[_Rule] = []
        self.reset()

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reset()
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()

    def reset(self) -> None:
        """As new, for the next test."""
        self.heal()
        self.upstream = self._home
        self.caching = False
        """Whether browsers may keep the collector's scripts, as they do outside of tests."""
        self.pages: Callable[[Call], Reply | None] = lambda call: None  # noqa: ARG005
        self.calls: list[Call] = []
        self.mistakes: list[BaseException] = []
        """What went wrong in pages and faults, which run beside the test."""

    def on(self, pattern: str, fault: Fault, times: int | None = None) -> None:
        """Let a fault stand in the way of requests whose URL matches (``*/answers``), for so many times if given."""
        with self._changed:
            self._rules.insert(0, _Rule(pattern, fault, times))

    def heal(self) -> None:
        """No faults any longer; what hangs is released."""
        with self._changed:
            rules, self._rules = self._rules, []
        for rule in rules:
            if isinstance(rule.fault, Hang):
                rule.fault.release()

    def matching(self, pattern: str) -> list[Call]:
        """The requests so far whose URL matches."""
        with self._changed:
            return [call for call in self.calls if fnmatchcase(call.url, pattern)]

    def wait_for(self, pattern: str, count: int = 1, *, over: bool = True, timeout: float = PATIENCE) -> list[Call]:
        """Wait until so many matching requests are over (or, if not ``over``, have come), and return them."""

        def found() -> list[Call]:
            return [call for call in self.calls if fnmatchcase(call.url, pattern) and (call.over or not over)]

        calls: list[Call] = self.until(lambda: len(found()) >= count and found(), timeout, pattern)
        return calls

    def until(self, condition: Callable[[], Any], timeout: float = PATIENCE, what: str = "a request") -> Any:
        """Wait for what a condition on the calls gives, once it gives something."""
        with self._changed:
            assert self._changed.wait_for(condition, timeout), f"waited for {what}: {[c.url for c in self.calls]}"
            return condition()

    def play(self, call: Call) -> Reply | None:
        """What is answered to a call; nothing drops the connection."""
        with self._changed:
            self.calls.append(call)
            self._changed.notify_all()
            rule = next((rule for rule in self._rules if fnmatchcase(call.url, rule.pattern)), None)
            if rule and rule.times is not None:
                rule.times -= 1
                if not rule.times:
                    self._rules.remove(rule)
        return rule.fault(call, lambda: self._pass_on(call)) if rule else self._pass_on(call)

    def finish(self, call: Call, status: int | None) -> None:
        with self._changed:
            call.status, call.over = status, True
            self._changed.notify_all()

    def note(self, mistake: BaseException) -> None:
        with self._changed:
            self.mistakes.append(mistake)
            self._changed.notify_all()

    def _pass_on(self, call: Call) -> Reply | None:
        if call.method == "CONNECT":
            return Reply(403)
        if not call.url.startswith(COLLECTOR + "/"):
            return self.pages(call) or Reply(404)
        try:
            return self._ask_collector(call)
        except (OSError, http.client.HTTPException):
            return None

    def _ask_collector(self, call: Call) -> Reply:
        connection = http.client.HTTPConnection(urlsplit(self.upstream).netloc, timeout=PATIENCE)
        try:
            headers = {name: value for name, value in call.headers.items() if name not in HOP_BY_HOP}
            connection.request(call.method, call.url.removeprefix(COLLECTOR), call.body or None, headers)
            got = connection.getresponse()
            kept = {name: value for name, value in got.getheaders() if name.lower() not in HOP_BY_HOP}
            if not self.caching and "/w/" in call.url:
                kept = {name: value for name, value in kept.items() if name.lower() not in ("cache-control", "etag")}
                kept["Cache-Control"] = "no-store"
            return Reply(got.status, kept, got.read())
        finally:
            connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, stage: Stage) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stage = stage
        self._open: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End what browsers hold open, so that no thread waits on."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the browser was first

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Browsers break off connections as they like; all else is a mistake in a test, or here."""
        error = sys.exception()
        if error and not isinstance(error, OSError):
            self.stage.note(error)


class _Handler(BaseHTTPRequestHandler):
    """One request to a connection: a browser tries again by itself on one that it used before, which hides faults."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def _take(self) -> None:
        self.close_connection = True
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        url = self.path if "://" in self.path else f"http://{headers.get('host', '')}{self.path}"
        if self.command == "CONNECT":
            url = f"https://{self.path}/"
        call = Call(self.command, url, headers, body, time.monotonic())
        reply = None
        try:
            reply = self.server.stage.play(call)
            if reply:
                self._write(reply)
        finally:
            self.server.stage.finish(call, reply.status if reply else None)

    do_GET = do_HEAD = do_POST = do_OPTIONS = do_PUT = do_DELETE = do_CONNECT = _take  # noqa: N815

    def _write(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.content)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.content)

    def log_message(self, *_: object) -> None:
        pass
