"""A bare application behind the HTTP protocol, and clients that speak to it byte by byte."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from collector.web.http.protocol import GuardedProtocol
from tests.conftest import free_port

RECEIVE, UNREAD, LINGER, SWEEP = 1.0, 1.0, 0.5, 0.1
LARGE = 48 * 1024 * 1024


class Hasty(GuardedProtocol):
    RECEIVE_SECONDS, UNREAD_SECONDS, LINGER_SECONDS, SWEEP_SECONDS = RECEIVE, UNREAD, LINGER, SWEEP


class Server:
    """A bare application behind the protocol, in a thread of its own."""

    def __init__(self, protocol: type[GuardedProtocol], keep_alive: int = 20) -> None:
        self.port = free_port()
        self.seen: list[str] = []
        self.scopes: list[Any] = []
        config = uvicorn.Config(
            self.app,
            interface="asgi3",
            port=self.port,
            http=protocol,
            log_level="error",
            lifespan="off",
            timeout_keep_alive=keep_alive,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if scope["path"] == "/patient":
            await asyncio.sleep(RECEIVE * 2)
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.seen.append("disconnect")
                return
            body, more = body + message["body"], message["more_body"]
        if scope["path"] == "/after":
            await asyncio.sleep(RECEIVE * 2)
        size = LARGE if scope["path"] == "/large" else 0
        answer = b"x" * size or b"%s %d" % (scope["method"].encode(), len(body))
        length = str(len(answer)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": answer})

    @property
    def open(self) -> int:
        return len(self._server.server_state.connections)

    def close_connections(self) -> None:
        """What the server does with each connection as it stops; on its own thread."""
        for connection in list(self._server.server_state.connections):
            connection.shutdown()

    def start(self) -> None:
        self._thread.start()
        until(lambda: self._server.started)

    def stop(self) -> None:
        self._server.force_exit = self._server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive()


class Client:
    def __init__(self, server: Server, room: int = 0) -> None:
        self.socket = socket.socket()
        if room:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", server.port))
        self._read = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *parts: bytes) -> None:
        self.socket.sendall(b"".join(parts))

    def ask(self, *parts: bytes) -> str:
        self.send(*parts)
        return self.answer()[1]

    def answer(self) -> tuple[int, str]:
        """The status and the body of the next answer."""
        while b"\r\n\r\n" not in self._read:
            self._more()
        head, rest = self._read.split(b"\r\n\r\n", 1)
        lines = head.decode().lower().split("\r\n")
        length = next(int(line.split(":")[1]) for line in lines if line.startswith("content-length:"))
        while len(rest) < length:
            self._more()
            rest = self._read.split(b"\r\n\r\n", 1)[1]
        self._read = rest[length:]
        return int(lines[0].split()[1]), rest[:length].decode()

    def problem(self) -> tuple[int, str]:
        """The status and the type of the problem that is answered; the connection is closed after it."""
        status, body = self.answer()
        problem = json.loads(body)
        assert problem["status"] == status
        assert self.is_closed()
        return status, problem["type"].removeprefix("urn:tevreden:problem:")

    def is_closed(self) -> bool:
        """Whether the server closes, without another byte."""
        try:
            return self._read == b"" and self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def _more(self) -> None:
        got = self.socket.recv(65536)
        assert got, "closed in the middle of an answer"
        self._read += got


def until(true: Callable[[], object], within: float = 10) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)  # the pause between two looks at a condition


@contextmanager
def serving(protocol: type[GuardedProtocol], keep_alive: int = 20) -> Iterator[Server]:
    server = Server(protocol, keep_alive)
    server.start()
    try:
        yield server
    finally:
        server.stop()
