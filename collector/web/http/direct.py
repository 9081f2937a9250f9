"""Requests to the two addresses that every visitor's browser asks for, which are answered without the framework.

The server's protocol hands over a whole request, and is called back with the answer: no scope, no task, no messages in
between, which would cost more than all the rest. Whatever is unusual about a request goes the ordinary way instead, to
the same function in the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from collector.errors import BadRequest, Problem, TooLarge
from collector.web.http.packed import Head, problem_answer

MOST_BYTES = 64 * 1024
"""The largest body of an event or form."""

Reply = Callable[[Head, bytes], None]


@dataclass(slots=True)
class Asked:
    """One whole request; ``reply`` is to be called once, now or later, and never raises."""

    address: str
    headers: Mapping[bytes, bytes]
    body: bytes
    reply: Reply


Begin = Callable[[Asked], None]
"""Sees to it that a request is answered."""
FindDirect = Callable[[bytes, bytes], Begin | None]
"""By method and target of a request, whoever answers it directly; None for the ordinary way."""


class Body:
    """The body of a request as it arrives. Raises `BadRequest` for a compressed one, `TooLarge` as soon as it is known
    to be."""

    __slots__ = ("_most", "_received")

    def __init__(self, headers: Mapping[bytes, bytes], most: int = MOST_BYTES) -> None:
        if b"content-encoding" in headers and headers[b"content-encoding"].lower() != b"identity":
            raise BadRequest("The body must not be compressed.")
        length = headers.get(b"content-length", b"")
        if len(length) > 12 or (length.isdigit() and int(length) > most):
            raise _too_large(most)
        self._most = most
        self._received = bytearray()  # and no list: a body may come in thousands of pieces

    def add(self, part: bytes) -> None:
        if len(self._received) + len(part) > self._most:
            raise _too_large(self._most)
        self._received += part

    def whole(self) -> bytes:
        return bytes(self._received)


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"At most {most} bytes are read.")


class Connection(Protocol):
    """What an exchange needs of the connection that it came over."""

    peer: str
    transport: asyncio.Transport

    def write_answer(self, head: Head, body: bytes, *, last: bool) -> None: ...

    def on_response_complete(self) -> None: ...


class _NobodyWaits:
    """In place of the event that wakes an application."""

    def set(self) -> None:
        pass


class Exchange:
    """One request that is answered directly: what uvicorn knows as a cycle, without a scope, a task and messages."""

    __slots__ = (
        *("_begin", "_body", "_connection", "_headers"),
        *("disconnected", "keep_alive", "response_complete", "response_started"),
    )
    message_event = _NobodyWaits()
    waiting_for_100_continue = False

    def __init__(self, connection: Connection, begin: Begin, headers: list[tuple[bytes, bytes]]) -> None:
        self._connection, self._begin = connection, begin
        self._headers = dict(headers)
        self._body: Body | None = None
        self.keep_alive = True
        self.disconnected = self.response_started = self.response_complete = False
        try:
            self._body = Body(self._headers)
        except Problem as problem:
            self._answer(*problem_answer(problem))

    def take(self, part: bytes) -> None:
        """A piece of the body."""
        if self._body:
            try:
                self._body.add(part)
            except Problem as problem:
                self._answer(*problem_answer(problem))

    def end(self) -> None:
        """The request is there as a whole."""
        if self._body:
            body, self._body = self._body.whole(), None
            self._begin(Asked(self._connection.peer, self._headers, body, self._answer))

    def _answer(self, head: Head, body: bytes) -> None:
        if self.response_complete or self.disconnected or self._connection.transport.is_closing():
            return
        self._body, self._headers = None, {}  # nothing to hold while the connection idles
        self.response_started = self.response_complete = True
        self._connection.write_answer(head, body, last=not self.keep_alive)
        if not self.keep_alive:
            self._connection.transport.close()
        self._connection.on_response_complete()
