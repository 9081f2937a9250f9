"""A receiver of webhooks on this machine, in a thread of its own, and the calls that came to it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast

import uvloop
from standardwebhooks import Webhook

OWN_NETWORK = "127.0.0.0/8"
PATIENCE = 30.0


@dataclass(frozen=True)
class Call:
    """One request. ``at`` is of the monotonic clock."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)
    is_answered: bool = True

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    def verified(self, secret: str) -> dict[str, Any]:
        """The event, read by the library that receivers use; it raises for a signature that is not right."""
        found: dict[str, Any] = Webhook(secret).verify(self.body, dict(self.headers))
        return found


Answer = Callable[[Call], bytes | None]
"""What to answer a call with; None leaves the caller without an answer for as long as it waits."""


def answering(status: int = 200, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} As-Told", "Content-Length: 0"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


class Receiver:
    """Made by `receiving`. ``answer`` may be set at any time."""

    def __init__(self) -> None:
        self.port = 0
        self.answer: Answer = lambda _: answering()
        self.open: set[asyncio.Transport] = set()
        self._calls: list[Call] = []
        self._changed = threading.Condition()

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def calls(self) -> list[Call]:
        with self._changed:
            return list(self._calls)

    def to(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == path]

    def wait_for(self, count: int, path: str | None = None, seconds: float = PATIENCE) -> list[Call]:
        """The calls, once there are so many (to a path)."""

        def found() -> list[Call]:
            return self._calls if path is None else [call for call in self._calls if call.path == path]

        with self._changed:
            enough = self._changed.wait_for(lambda: len(found()) >= count, seconds)
            assert enough, f"{len(found())} calls of {count} came"
            return list(found())

    def came(self, call: Call) -> None:
        with self._changed:
            self._calls.append(call)
            self._changed.notify_all()


class _Connection(asyncio.Protocol):
    """One request and its answer; the caller closes."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver, self._read = receiver, b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is of no class in asyncio
        self._receiver.open.add(self._transport)

    def connection_lost(self, _: Exception | None) -> None:
        assert self._transport
        self._receiver.open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, end, body = self._read.partition(b"\r\n\r\n")
        if not end:
            return
        line, *rest = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (one.split(": ", 1) for one in rest)}
        if len(body) < int(headers["content-length"]):
            return
        call = Call(line.split(" ")[1], headers, body)
        answer = self._receiver.answer(call)
        self._receiver.came(replace(call, is_answered=answer is not None))
        if answer is not None:
            assert self._transport
            self._transport.write(answer)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that listens until the block ends."""
    receiver, ready = Receiver(), threading.Event()
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    receiver.port = listening.getsockname()[1]
    loop = uvloop.new_event_loop()
    ending = asyncio.Event()

    async def serve() -> None:
        server = await loop.create_server(lambda: _Connection(receiver), sock=listening)
        ready.set()
        await ending.wait()
        server.close()
        while receiver.open:
            for one in receiver.open:
                one.abort()
            await asyncio.sleep(0)

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield receiver
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join(PATIENCE)
